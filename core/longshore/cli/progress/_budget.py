"""The vendor's budget of requests: whether they wait for it, and what it still takes at least."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore.capabilities import Capabilities, Rate

__all__ = ["Budget", "per"]

_LEAST = 10.0
"""Seconds that are looked at where the budget is one of a shorter time."""

_SPENT = 0.9
"""The share of a budget from which on it is spent: steps tell of requests only as they end."""

_TIMES = {1.0: "a second", 60.0: "a minute", 3600.0: "an hour", 86_400.0: "a day"}


class Budget:
    """Counts the requests of a run against what the vendor allows.

    Args:
        capabilities: the provider's, as the settings overrule them.
        clock: seconds that only grow.
    """

    def __init__(
        self, capabilities: Capabilities, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capabilities = capabilities
        self._all = _Spent(capabilities.rate, clock)
        reads = capabilities.read_rate
        self._reads = _Spent(reads, clock) if reads is not None else self._all

    def add(self, requests: int, *, read: bool) -> None:
        """Count requests that left; those that only read may have a budget of their own."""
        if requests:
            (self._reads if read else self._all).add(requests)

    def text(self) -> str:
        """Say that requests wait for the budget, if they do."""
        for spent, what in ((self._all, "requests"), (self._reads, "reads")):
            if spent.rate is not None and spent.full():
                return f"requests wait for the vendor's budget: {per(spent.rate, what)}"
        return ""

    def least(self, documents: int) -> float:
        """Return the seconds that the budget asks for to send so many more documents."""
        batches = math.ceil(documents / (self._capabilities.limits.documents_per_batch or math.inf))
        return self._capabilities.least_seconds(batches, 2 * batches) or 0.0


class _Spent:
    """The requests of late."""

    def __init__(self, rate: Rate | None, clock: Callable[[], float]) -> None:
        self.rate = rate
        self._clock = clock
        self._length = max(rate.seconds, _LEAST) if rate is not None else 0.0
        self._recent: deque[tuple[float, int]] = deque()

    def add(self, requests: int) -> None:
        if self.rate is None:
            return
        now = self._clock()
        self._recent.append((now, requests))
        while self._recent[0][0] < now - self._length:
            self._recent.popleft()

    def full(self) -> bool:
        """Tell whether the next one has to wait, or nearly."""
        if self.rate is None:
            return False
        since = self._clock() - self._length
        # A copy: the bars ask in a thread of their own.
        count = sum(requests for at, requests in list(self._recent) if at >= since)
        return count >= max(_SPENT * self.rate.requests * self._length / self.rate.seconds, 1.0)


def per(rate: Rate, what: str = "requests") -> str:
    """Write a rate for people: ``60 requests a minute``."""
    from longshore.units import format_seconds

    time = _TIMES.get(rate.seconds) or f"in {format_seconds(rate.seconds)}"
    return f"{rate.requests:g} {what} {time}"
