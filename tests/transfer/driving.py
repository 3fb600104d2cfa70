"""A driver without a network: a virtual clock, answers as told, sources that count."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import SecretStr

from longshore.documents import Document, Piece
from longshore.errors import SourceChanged, SourceMissing, SourceUnreadable
from longshore.provider import (
    File,
    Headers,
    Multipart,
    Provider,
    ProviderSettings,
    Raw,
    Request,
    Response,
)
from longshore.transfer import Driver, Outgoing, Pace, Source, Tally, retry_with_clock

KEY = "hunter2hunter2"
DATA = bytes(range(100))
DOCUMENT = Document(id="d", name="plan.pdf", size=100, media_type="application/pdf")
OK = Response(200, Headers(), b"{}")


class Timed(Provider):
    """Its credential tells when it was made."""

    name = "timed"

    def sign(self, request: Request, now: float) -> Request:
        return super().sign(request, now).with_header("X-Signed-At", f"{now:g}")


@dataclass
class World:
    """A virtual clock, a transport that answers as told, and sources that count their checks."""

    answers: list[Response | Exception | Callable[[], Response]] = field(default_factory=list)
    time: float = 1000.0
    took: float = 0.0
    base_url: str = "https://api.example.com/v1"
    sent: list[Outgoing] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    changed: bool = False
    gone: bool = False
    unopened: list[OSError] = field(default_factory=list)
    open: int = 0
    driver: Driver = field(init=False)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        settings = ProviderSettings(api_key=SecretStr(KEY), base_url=self.base_url)
        self.pace = Pace(self)
        self.driver = Driver(
            Timed(settings),
            transport=self,
            clock=self,
            sources=_Sources(self),
            pace=self.pace,
            retries=retry_with_clock(self),
            rng=random.Random(1),
        )

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds

    async def send(self, outgoing: Outgoing) -> Response:
        self.sent.append(outgoing)
        self.bodies.append(
            b"".join(
                part
                if isinstance(part, bytes)
                else outgoing.sources[part.document].read(part.offset, part.size)
                for part in outgoing.body.segments
            )
        )
        self.time += self.took
        answer = self.answers.pop(0) if self.answers else OK
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response) else answer()

    def exchange(self, request: Request, key: str = "k1") -> Response:
        work = self.driver.exchange(request, key, {"d": DOCUMENT}, self.tally)
        return asyncio.run(work)

    def headers(self, number: int = -1) -> dict[str, str]:
        return {name.lower(): value for name, value in self.sent[number].headers.items()}


class _Sources:
    def __init__(self, world: World) -> None:
        self._world = world

    @contextmanager
    def open(self, document: Document) -> Iterator[Source]:
        if self._world.gone:
            raise SourceMissing("gone", document=document.id)
        if self._world.unopened:
            error = self._world.unopened.pop(0)
            raise SourceUnreadable(f"d: {error.strerror}", document=document.id) from error
        self._world.open += 1
        yield _Source(self._world)
        self._world.open -= 1


class _Source:
    def __init__(self, world: World) -> None:
        self._world = world

    def check(self) -> None:
        if self._world.changed:
            raise SourceChanged("changed", document="d")

    def read(self, offset: int, size: int) -> bytes:
        return DATA[offset : offset + size]


PUT = Request.put("/d", Raw(Piece(document="d", offset=10, size=50)))
FORM = Request.post("/d", Multipart((("file", File.of(DOCUMENT)), ("a", "b"))), step="s")
