"""A network that exists only in virtual time, for the number of requests in flight."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from longshore.transfer import Concurrency, Flight

__all__ = ["MIB", "Network", "VirtualClock"]

MIB = 1 << 20


class VirtualClock:
    """Time that only moves when somebody says so."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class Network:
    """Requests in flight, each with the moment at which its answer comes.

    Args:
        takes: seconds for one request, from how many are in flight with it.
        most: the vendor answers 429 to more than these.
    """

    def __init__(
        self, takes: Callable[[int], float], *, most: int = 64, refuses_above: int = 10**9
    ) -> None:
        self.clock = VirtualClock()
        self.control = Concurrency(self.clock, most)
        self.takes = takes
        self.refuses_above = refuses_above
        self.flying: list[tuple[float, int, Flight, bool]] = []
        self._count = 0
        self.levels: list[int] = []
        self.curve: list[tuple[float, float]] = []
        self.refused = 0

    def carry(self, requests: int, size: int = 0) -> float:
        """Carry so many requests, as many at once as it says; return the seconds it took."""
        began = self.clock.now()
        while requests or self.flying:
            while requests and len(self.flying) < self.control.level:
                refused = len(self.flying) >= self.refuses_above
                end = self.clock.now() + self.takes(len(self.flying) + 1)
                self._count += 1
                heapq.heappush(self.flying, (end, self._count, self.control.began(), refused))
                requests -= 1
            if requests:
                self.control.full()
            end, _, flight, refused = heapq.heappop(self.flying)
            self.clock.time = max(self.clock.time, end)
            if refused:
                self.refused += 1
                requests += 1
                self.control.crowded(flight)
            else:
                self.control.ended(flight, size)
            self.levels.append(self.control.level)
            self.curve.append((self.clock.now(), self.control.level))
        return self.clock.now() - began
