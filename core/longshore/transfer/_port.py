"""The port under which one HTTP exchange happens, and the two ways in which it can fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from longshore.documents import Document
from longshore.provider import Response
from longshore.transfer._segments import Encoded

__all__ = ["AnswerLost", "Clock", "NotSent", "Outgoing", "Source", "Sources", "Transport"]


class Clock(Protocol):
    """Time, as the engine knows it: seconds since the epoch, and a way to wait."""

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Source(Protocol):
    """An open document.

    One that is a local file may also have ``fileno()``: its regions are then sent without being
    read into memory. One that ``check`` cannot ask from the event loop may have ``prove()``: it is
    called in the thread that reads, before the last bytes of a region leave, and raises as
    ``check`` does. One without ``fileno()`` whose reads may wait for long has a ``close()`` that
    ends them: it is called while they go on, when nobody wants them any more. While it waits, its
    ``waits`` is true.
    """

    def check(self) -> None:
        """Raise ``SourceChanged`` when it is no longer the planned one."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Read up to ``size`` bytes at ``offset``; fewer only at its end."""
        ...


class Sources(Protocol):
    """Opens documents; the same one may be open several times."""

    def open(self, document: Document) -> AbstractContextManager[Source]:
        """Open a document.

        Raises:
            SourceMissing: it is gone.
            SourceUnreadable: it may not be read.
        """
        ...


@dataclass(slots=True)  # frozen, it would take three times as long to make
class Outgoing:
    """One try of one request, complete with credentials.

    Attributes:
        method: ``GET``, ...
        url: absolute.
        headers: all of them, with Content-Length and Content-Type.
        body: segments; file regions are read while they are sent.
        sources: the open documents that the regions refer to, by document id.
        timeout: seconds to wait for the answer after the last byte.
        progress: told the number of bytes of each file region as they leave.
        throttle: awaited before so many bytes of a file region leave; None: no limit.
    """

    method: str
    url: str = field(repr=False)  # signed, perhaps
    headers: Mapping[str, str] = field(repr=False)
    body: Encoded = field(repr=False)
    sources: Mapping[str, Source]
    timeout: float
    progress: Callable[[int], None] = lambda _count: None
    throttle: Callable[[int], Awaitable[None]] | None = None


class NotSent(Exception):
    """The request surely did not reach the vendor: no connection, or nobody to read its body."""


class AnswerLost(Exception):
    """The request may have reached the vendor, but no usable answer came back.

    Attributes:
        after: seconds for which the vendor wants no more, if it said so.
    """

    def __init__(self, why: str = "", *, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after or 0.0


class Transport(Protocol):
    """Carries one request over the network, once.

    Raises:
        NotSent: no connection could be made.
        AnswerLost: the connection broke or the time-out passed after bytes may have left.
        SourceChanged: a file ended early while it was sent.
    """

    async def send(self, outgoing: Outgoing) -> Response:
        """Send the request and return the answer, whatever its status."""
        ...
