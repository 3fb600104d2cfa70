"""How fast something goes: said once there is enough to tell, and by the last minutes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

__all__ = ["Meter"]

SETTLES = 1.0
"""Seconds after which counting begins: at first bytes only fill the buffers of this machine."""

TELLS = 3.0
"""Seconds of counting after which there is something to tell."""

_STEP, _STEPS = 2.0, 60
"""Seconds between two marks at least, and how many are kept: two minutes, where it goes on."""


class Meter:
    """Counts what goes, and how fast.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = 0
        self._clock = clock
        self._began: float | None = None
        self._marks: deque[tuple[float, int]] = deque(maxlen=_STEPS)

    def add(self, count: int) -> None:
        """Count more; nothing, to say that it is being waited for."""
        self.total += count
        now = self._clock()
        if self._began is None:
            self._began = now
        last = self._marks[-1][0] if self._marks else self._began + SETTLES - _STEP
        if now >= last + _STEP:
            self._marks.append((now, self.total))

    @property
    def rate(self) -> float | None:
        """How much a second; None while nobody can tell, or nothing goes."""
        try:
            since, before = self._marks[0]
        except IndexError:
            return None
        seconds = self._clock() - since
        return (self.total - before) / seconds or None if seconds >= TELLS else None
