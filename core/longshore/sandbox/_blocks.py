"""Small building blocks of vendors: status walks, rate limits, part counts, timestamps."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=1024)
def iso_time(now: float, *, milliseconds: bool = True) -> str:
    """Return a Unix time as ISO 8601 in UTC, e.g. `2024-11-02T09:00:00.000Z`."""
    text = datetime.fromtimestamp(now, UTC).isoformat(
        timespec="milliseconds" if milliseconds else "seconds"
    )
    return text.replace("+00:00", "Z")


@dataclass(frozen=True)
class StatusWalk:
    """The states that something goes through by itself, each for some seconds.

    Written as text for assumptions: `"queued:0.03,running:0.05,done"`; the last one stays.
    """

    steps: tuple[tuple[str, float], ...]
    last: str

    @classmethod
    def parse(cls, text: str) -> StatusWalk:
        """Read the text form.

        Raises:
            ValueError: a step without seconds, or seconds that are no number.
        """
        *steps, last = (step.strip() for step in text.split(","))
        pairs = [step.rpartition(":")[::2] for step in steps]
        with suppress(ValueError):
            walk = cls(tuple((state, float(seconds)) for state, seconds in pairs), last)
            if last and ":" not in last and all(s and t >= 0 for s, t in walk.steps):
                return walk
        raise ValueError(f"not a status walk: {text!r}; write 'queued:0.1,done'")

    def at(self, created: float, now: float) -> str:
        """Return the state at `now` of what began its walk at `created` (Unix seconds)."""
        left = now - created
        for state, seconds in self.steps:
            if left < seconds:
                return state
            left -= seconds
        return self.last

    def entered(self, state: str, created: float) -> float:
        """Return when `state` begins.

        Raises:
            KeyError: the walk does not come by that state.
        """
        at = created
        for name, seconds in self.steps:
            if name == state:
                return at
            at += seconds
        if state != self.last:
            raise KeyError(state)
        return at

    def ended(self, created: float) -> float:
        """Return when the last state begins."""
        return created + sum(seconds for _, seconds in self.steps)


class RateLimit:
    """At most `count` calls in any `per` seconds, for each key; 0: any number."""

    def __init__(self, count: int, per: float) -> None:
        self.count = count
        self.per = per
        self._taken: defaultdict[str, deque[float]] = defaultdict(deque)

    def take(self, key: str, now: float) -> int:
        """Count a call; return 0 if it may pass, else the whole seconds for Retry-After."""
        if not self.count:
            return 0
        taken = self._taken[key]
        while taken and taken[0] <= now - self.per:
            taken.popleft()
        if len(taken) < self.count:
            taken.append(now)
            return 0
        return max(1, math.ceil(taken[0] + self.per - now))


class PartCounts:
    """How often each part number of each upload was accepted."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[int, int]] = {}

    def add(self, upload: str, number: int) -> None:
        """Count one accepted part."""
        counts = self._counts.setdefault(upload, {})
        counts[number] = counts.get(number, 0) + 1

    def state(self) -> dict[str, dict[str, int]]:
        """Return the counts for the inspection view."""
        return {
            upload: {str(number): count for number, count in sorted(counts.items())}
            for upload, counts in self._counts.items()
        }
