"""Places for requests: so many may be on their way at once, and who came first goes first.

More steps are begun than there are places: what they have to make durable before their request
leaves is on the disk by the time a place becomes free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from types import TracebackType

__all__ = ["Closed", "Places"]

_EVERYBODY = 1 << 30


class Closed(Exception):
    """The request is not to leave: the run ends, or what it is for has come to an end."""


class Places:
    """Hands out places; used with ``async with`` around one exchange.

    Args:
        room: how many there are now; 0: there will be none; None: as many as are wanted.
        grew: called when there is more room than when a place was given back before.
    """

    def __init__(
        self, room: Callable[[], int] | None = None, grew: Callable[[], None] | None = None
    ) -> None:
        self._room = room or _without_end
        self._grew = grew
        self._known = 0
        self._taken = 0
        self._tickets = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []  # a heap: oldest ticket first
        self._closed = False

    @property
    def free(self) -> bool:
        """True when nobody has to wait."""
        return not self._closed and not self._waiting and self._taken < self._room()

    async def __aenter__(self) -> None:
        """Take a place, and wait for one if need be.

        Raises:
            Closed: the run ends; nothing may leave.
        """
        if self.free:
            self._taken += 1
            return
        self._tickets += 1
        ticket = self._tickets
        await self._turn(ticket)
        # The answer that made room may have taken it away again.
        while self._closed or self._taken > self._room():
            self._taken -= 1
            await self._turn(ticket)

    async def _turn(self, ticket: int) -> None:
        """Stand in the line until somebody hands over a place."""
        if self._closed or self._room() < 1:  # nobody may come who would hand one over
            raise Closed
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (ticket, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give_back()  # it had just been its turn
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the place to whoever waits longest."""
        self._give_back()

    def close(self) -> None:
        """Let no request leave any more; whoever waits is told."""
        self._closed = True
        waiting, self._waiting = self._waiting, []
        for _, turn in waiting:
            if not turn.done():
                turn.set_exception(Closed())

    def _give_back(self) -> None:
        self._taken -= 1
        room = self._room()
        while self._waiting and self._taken < room:
            _, turn = heappop(self._waiting)
            if not turn.done():  # else it was cancelled
                self._taken += 1
                turn.set_result(None)
        if room > self._known and self._grew is not None:
            self._grew()
        self._known = room


def _without_end() -> int:
    return _EVERYBODY
