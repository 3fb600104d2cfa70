"""A world without time, network or disk.

Every exchange and every journal write is a point at which the plan may end the process or lose
an answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from longshore.documents import Document, Piece
from longshore.errors import SourceMissing
from longshore.journal import MemoryJournal, Taken, Write
from longshore.provider import Headers, Response
from longshore.sandbox import Call, Recorder
from longshore.transfer import AnswerLost, Outgoing, Source

__all__ = [
    "Crash", "Event", "MemorySources", "Plan", "SimulatedJournal", "SimulatedTransport", "World",
    "drive",
]  # fmt: skip

T = TypeVar("T")

Event: TypeAlias = Literal["crash", "lost"]
"""What happens at a point: the process ends, or the answer gets lost."""

Plan: TypeAlias = Mapping[int, Event]
"""Point number, from 1, -> what happens there."""


class Crash(BaseException):
    """The process ends here; only what the journal holds is left."""


def drive(work: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
    """Run a coroutine that never really waits to its end, without an event loop."""
    assert isinstance(work, Coroutine)
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("the coroutine waits for something outside of the simulation")


@dataclass(slots=True)
class World:
    """The time, the plan, and what happened so far.

    Attributes:
        plan: what is to happen at which point.
        now: seconds since the epoch.
        log: one line per point: its number is its place in the list, from 1.
    """

    plan: Plan = field(default_factory=dict)
    time: float = 1_700_000_000.0
    log: list[str] = field(default_factory=list)

    def now(self) -> float:
        """Return the time (the engine's clock)."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.time += seconds

    def point(self, what: str) -> Event | None:
        """Pass a point at which something may happen.

        Raises:
            Crash: the plan ends the process here.
        """
        self.log.append(what)
        event = self.plan.get(len(self.log))
        if event == "crash":
            raise Crash(what)
        return event


class SimulatedJournal(MemoryJournal):
    """Memory that survives a crash; a crash may come before and after every write."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.commits = 0

    async def take(self, unit_id: str) -> Taken:
        self._world.point(f"before take {unit_id}")
        taken = await super().take(unit_id)
        self._world.point(f"after take {unit_id}")
        return taken

    async def commit(self, unit_id: str, epoch: int, writes: Sequence[Write]) -> None:
        names = "+".join(type(write).__name__ for write in writes)
        self._world.point(f"before commit {names}")
        await super().commit(unit_id, epoch, writes)
        self.commits += 1
        self._world.point(f"after commit {names}")


class _MemorySource:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def check(self) -> None:
        """It never changes."""

    def read(self, offset: int, size: int) -> bytes:
        return self._content[offset : offset + size]


class MemorySources:
    """Documents whose bytes are in memory, by their id."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.contents = dict(contents)

    @contextmanager
    def open(self, document: Document) -> Iterator[Source]:
        """Open a document."""
        content = self.contents.get(document.id)
        if content is None:
            raise SourceMissing(f"{document.name}: gone", document=document.id)
        yield _MemorySource(content)

    async def digest(self, document: Document) -> str:
        """Return the SHA-256 of a document."""
        return hashlib.sha256(self.contents[document.id]).hexdigest()


class SimulatedTransport:
    """Carries requests to a sandbox's pure core, in memory.

    At ``request`` the plan may lose the request before the vendor has it, at ``answer`` the
    answer after the vendor acted; either looks the same from here, and costs the time-out.
    """

    def __init__(self, world: World, vendor: Recorder) -> None:
        self._world = world
        self._vendor = vendor

    async def send(self, outgoing: Outgoing) -> Response:
        """Send a request and return the answer."""
        what = f"{outgoing.method} {outgoing.url.partition('?')[0]}"
        self._point(f"request {what}", outgoing)
        body = b"".join(_bytes_of(segment, outgoing.sources) for segment in outgoing.body.segments)
        outgoing.progress(len(body))
        call = Call.of(outgoing.method, outgoing.url, dict(outgoing.headers), body)
        reply = self._vendor.handle(call, self._world.now())
        self._point(f"answer {what}", outgoing)
        return Response(reply.status, Headers(list(reply.headers.items())), reply.body)

    def _point(self, what: str, outgoing: Outgoing) -> None:
        if self._world.point(what) == "lost":
            self._world.time += outgoing.timeout
            raise AnswerLost(f"time-out after {outgoing.timeout:.0f} s")


def _bytes_of(segment: bytes | Piece, sources: Mapping[str, Source]) -> bytes:
    if isinstance(segment, bytes):
        return segment
    return sources[segment.document].read(segment.offset, segment.size)
