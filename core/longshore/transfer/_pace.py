"""One pace per target, shared by uploads and polls.

It holds the vendor's request rate as a sliding window, the pause that a 429 asks for (for the
whole account, not for one task), and a spacing that grows on 429 and melts away on success. It
hands out moments; whoever got one waits by itself, so that it needs no lock and no event loop.
"""

from __future__ import annotations

from collections import deque

from longshore.capabilities import Rate
from longshore.transfer._port import Clock

__all__ = ["Bandwidth", "Pace"]

_FIRST_SPACING = 0.05
_WIDEST_SPACING = 10.0
_MELT = 0.9
_JITTER = 0.1  # seconds: a first request may take so much longer on its way than a later one


class _Window:
    """The moments given out lately: never more than the rate in any window of its length."""

    def __init__(self, rate: Rate | None) -> None:
        # Less than one request in a window is one request in a longer window.
        self._length = rate.seconds / min(rate.requests, 1.0) + _JITTER if rate else 0.0
        self._recent: deque[float] = deque(maxlen=max(int(rate.requests), 1) if rate else 1)

    def next(self, moment: float) -> float:
        """Return the first free moment, not before this one."""
        if not self._length or not self._recent:
            return moment
        if len(self._recent) == self._recent.maxlen:
            moment = max(moment, self._recent[0] + self._length)
        # Moments are given out in order, also while earlier ones are still being waited for.
        return max(moment, self._recent[-1])

    def take(self, moment: float) -> None:
        """Give this moment out."""
        self._recent.append(moment)


class Pace:
    """Says when the next request of a target may leave.

    Args:
        clock: the engine's.
        rate: never exceeded in any window of its length; None: no limit is known.
        read_rate: the same for requests that only read, where the vendor counts them apart;
            None: they count with all others.
    """

    def __init__(
        self, clock: Clock, rate: Rate | None = None, read_rate: Rate | None = None
    ) -> None:
        self._clock = clock
        self._writes = _Window(rate)
        self._reads = _Window(read_rate) if read_rate else self._writes
        self._latest = 0.0
        self._spacing = 0.0
        self._paused_until = 0.0

    async def turn(self, *, read: bool = False) -> None:
        """Wait for the next free moment and take it."""
        window = self._reads if read else self._writes
        while True:
            now = self._clock.now()
            moment = max(now, self._paused_until)
            if self._spacing:
                moment = max(moment, self._latest + self._spacing)
            moment = window.next(moment)
            window.take(moment)
            self._latest = max(self._latest, moment)
            if moment > now:
                await self._clock.sleep(moment - now)
            if moment >= self._paused_until:  # else a 429 came meanwhile: queue again behind it
                return

    def throttled(self, seconds: float) -> None:
        """The vendor said 429: the account pauses, and goes on with more room between requests."""
        now = self._clock.now()
        if now >= self._paused_until:  # else it answers a request that left before the pause
            self._spacing = min(max(self._spacing * 2, _FIRST_SPACING), _WIDEST_SPACING)
        self._paused_until = max(self._paused_until, now + seconds)

    def succeeded(self) -> None:
        """The vendor answered: close up again, slowly."""
        self._spacing = self._spacing * _MELT if self._spacing > _FIRST_SPACING / 8 else 0.0


class Bandwidth:
    """Bytes a second that may leave for a target, over all its requests together.

    Args:
        clock: the engine's.
        rate: bytes a second.
    """

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._rate = rate
        self._free_at = 0.0

    async def take(self, count: int) -> None:
        """Wait until ``count`` more bytes may leave."""
        now = self._clock.now()
        begins = max(now, self._free_at)
        self._free_at = begins + count / self._rate
        if begins > now:
            await self._clock.sleep(begins - now)
