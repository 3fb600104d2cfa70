"""One pace per target, shared by uploads and polls.

It holds the vendor's request rate as a sliding window, the pause that a 429 asks for (for the
whole account, not for one task), and a spacing that grows on 429 and melts away on success. It
hands out moments; whoever got one waits by itself, so that it needs no lock and no event loop.
"""

from __future__ import annotations

from collections import deque

from longshore.capabilities import Rate
from longshore.transfer._port import Clock

__all__ = ["Pace"]

_FIRST_SPACING = 0.05
_WIDEST_SPACING = 10.0
_MELT = 0.9


class Pace:
    """Says when the next request of a target may leave.

    Args:
        clock: the engine's.
        rate: never exceeded in any window of its length; None: no limit is known.
    """

    def __init__(self, clock: Clock, rate: Rate | None = None) -> None:
        self._clock = clock
        self._rate = rate
        self._recent: deque[float] = deque(maxlen=max(int(rate.requests), 1) if rate else 1)
        self._spacing = 0.0
        self._paused_until = 0.0

    async def turn(self) -> None:
        """Wait for the next free moment and take it."""
        now = self._clock.now()
        moment = self._next(now)
        self._recent.append(moment)
        if moment > now:
            await self._clock.sleep(moment - now)

    def _next(self, now: float) -> float:
        moment = max(now, self._paused_until)
        if self._recent and self._spacing:
            moment = max(moment, self._recent[-1] + self._spacing)
        if self._rate and len(self._recent) == self._recent.maxlen:
            moment = max(moment, self._recent[0] + self._rate.seconds)
        # Moments are given out in order, also while earlier ones are still being waited for.
        return max(moment, self._recent[-1]) if self._recent and self._rate else moment

    def throttled(self, seconds: float) -> None:
        """The vendor said 429: the account pauses, and goes on with more room between requests."""
        self._paused_until = max(self._paused_until, self._clock.now() + seconds)
        self._spacing = min(max(self._spacing * 2, _FIRST_SPACING), _WIDEST_SPACING)

    def succeeded(self) -> None:
        """The vendor answered: close up again, slowly."""
        self._spacing = self._spacing * _MELT if self._spacing > _FIRST_SPACING / 8 else 0.0
