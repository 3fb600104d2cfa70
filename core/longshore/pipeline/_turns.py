"""Whose turn it is: units stand in a line, and come back to it when their time has come."""

from __future__ import annotations

import heapq
from collections import deque

__all__ = ["Turns"]


class Turns:
    """A line in which each unit stands once, so that all have their turn."""

    def __init__(self) -> None:
        self._line: deque[str] = deque()
        self._standing: set[str] = set()
        self._later: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._line)

    def line_up(self, unit_id: str) -> None:
        """Stand at the end of the line, unless it stands there already."""
        if unit_id not in self._standing:
            self._standing.add(unit_id)
            self._line.append(unit_id)

    def line_up_at(self, at: float, unit_id: str) -> None:
        """Stand in the line from that time on."""
        heapq.heappush(self._later, (at, unit_id))

    def look(self, now: float) -> None:
        """Let those stand in the line whose time has come."""
        while self._later and self._later[0][0] <= now:
            self.line_up(heapq.heappop(self._later)[1])

    def soonest(self, otherwise: float) -> float:
        """Return when the next time comes, if it comes before that."""
        return min(otherwise, self._later[0][0]) if self._later else otherwise

    def pop(self) -> str:
        """Return whose turn it is; it stands in the line no more."""
        unit_id = self._line.popleft()
        self._standing.discard(unit_id)
        return unit_id
