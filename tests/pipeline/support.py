"""A tiny vendor, its provider and a world for them: virtual time, memory journal, no network."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue, SecretStr

from longshore.capabilities import Capabilities, Limits, PartRule
from longshore.documents import Document, Piece
from longshore.errors import JournalError, SourceMissing
from longshore.journal import DocumentRecord, MemoryJournal, RunRecord, UnitRecord, Write
from longshore.lifecycle import (
    Action,
    Batch,
    DocumentStatus,
    Job,
    Receipt,
    Session,
    Setup,
    State,
    Status,
    Transfer,
)
from longshore.pipeline import Engine, Environment, Event, SystemClock, capabilities_of
from longshore.planning import cut
from longshore.provider import (
    Answer,
    Flow,
    Found,
    LostRequest,
    NotDone,
    Provider,
    ProviderSettings,
    Raw,
    Request,
    Response,
    Undecided,
    Wait,
)
from longshore.targets import Target
from longshore.transfer import (
    AnswerLost,
    Driver,
    NotSent,
    Outgoing,
    Pace,
    Policy,
    Source,
    retry_with_clock,
)

HOME = "https://acme.example"
WORDS = {
    "done": State.SUCCEEDED,
    "broken": State.FAILED,
    "review": State.NEEDS_ACTION,
    "gone": State.EXPIRED,
}


class VirtualClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, time: float = 1_000_000.0) -> None:
        self.time = time

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class AcmeSettings(ProviderSettings):
    """Nothing of its own but a word that may not change at resume."""

    api_key: SecretStr | None = SecretStr("key-123456")
    base_url: str = HOME
    mode: str = "plain"


class Acme(Provider[AcmeSettings]):
    """start (RESTART), PUT parts (idempotent), complete (ONCE, with an ask), poll, cancel, act."""

    name = "acme"
    Settings = AcmeSettings
    part = 4
    ordered = False
    digest_first = False
    per_batch = 1
    waits = False
    prepares = False

    def capabilities(self) -> Capabilities:
        return Capabilities(
            limits=Limits(documents_per_batch=self.per_batch),
            parts=PartRule(default=self.part, ordered=self.ordered),
            wants_sha256=self.digest_first,
            concurrency=4,
        )

    def prepare(self) -> Flow[Setup]:
        if not self.prepares:
            return Setup()
        reply = yield Request.get("/project")
        if reply.json()["state"] != "ready":
            yield Wait("project", 30.0, 600.0)
        return Setup(data={"project": reply.json()["id"]})

    def start(self, batch: Batch) -> Flow[Session]:
        from longshore.provider import Remedy

        reply = yield Request.post("/start", step="start", lost=Remedy.RESTART)
        pieces = [p for d in batch.documents for p in cut(d, batch.part_size)]
        return Session(
            transfers=tuple(
                Transfer(id=str(n), pieces=(piece,), number=n) for n, piece in enumerate(pieces, 1)
            ),
            data={"id": reply.json()["id"]},
            secrets={"token": "session-secret"},
        )

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        (piece,) = transfer.pieces
        url = f"/parts/{session.data['id']}/{transfer.number}"
        reply = yield Request.put(url, Raw(piece))
        return transfer.receipt(reply.headers.get("etag", "e"))

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        id = session.data["id"]

        def ask(_lost: LostRequest) -> Flow[Answer]:
            reply = yield Request.get(f"/sessions/{id}")
            word = reply.json()["state"]
            if word == "unsure":
                return Undecided(20.0, "not visible yet")
            return Found(Response.of({"id": reply.json()["job"]})) if word == "done" else NotDone()

        reply = yield Request.post(f"/complete/{id}", step="complete", lost=ask)
        return Job(id=reply.json()["id"])

    def poll(self, job: Job) -> Flow[Status]:
        reply = yield Request.get(f"/jobs/{job.id}")
        body = reply.json()
        return Status(
            state=WORDS.get(body["state"], State.RUNNING),
            word=body["state"],
            documents=tuple(
                DocumentStatus(state=WORDS.get(d["state"], State.RUNNING), word=d["state"], **d)
                for d in body.get("documents", ())
            ),
            actions=(Action(name="approve"),) if body["state"] == "review" else (),
            raw=body,
        )

    def cancel(self, job: Job) -> Flow[Status]:
        yield Request.post(f"/cancel/{job.id}", step="cancel")
        return Status(state=State.CANCELLED, word="cancelled")

    def act(self, job: Job, action: Action) -> Flow[Status]:
        yield Request.post(f"/act/{job.id}/{action.name}", step="act")
        return (yield from self.poll(job))

    def abort(self, session: Session) -> Flow[None]:
        yield Request("DELETE", f"/sessions/{session.data['id']}")


class OneRequest(Provider[AcmeSettings]):
    """One POST makes the job; HOLD: nobody can ask about it."""

    name = "one"
    Settings = AcmeSettings

    def capabilities(self) -> Capabilities:
        return Capabilities(concurrency=4)

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        (piece,) = transfer.pieces
        reply = yield Request.post("/upload", Raw(piece), step="upload")
        return transfer.receipt(str(reply.json()["id"]))

    def poll(self, job: Job) -> Flow[Status]:
        return (yield from Acme.poll(self, job))  # type: ignore[arg-type]

    def cancel(self, job: Job) -> Flow[Status]:
        return (yield from Acme.cancel(self, job))  # type: ignore[arg-type]


def reply(value: JsonValue, status: int = 200, **headers: str) -> Response:
    """Make a JSON answer."""
    from longshore.provider import Headers

    return Response(status, Headers(headers), json.dumps(value).encode())


@dataclass
class Vendor:
    """The vendor's side, as a transport; what is scripted for a route comes first.

    Attributes:
        script: route (``POST /start``) -> answers and failures, used up one by one.
        always: route -> the one answer that never ends.
        states: what jobs say, poll after poll; the last one stays.
    log: the requests that came.
        delay: seconds of real time that an exchange takes.
        busy: set when the first request comes.
    """

    script: dict[str, list[Response | Exception]] = field(default_factory=dict)
    always: dict[str, Response | Exception] = field(default_factory=dict)
    states: list[str] = field(default_factory=lambda: ["done"])
    log: list[str] = field(default_factory=list)
    delay: float | None = None
    in_flight: int = 0
    peak: int = 0
    polled: Counter[str] = field(default_factory=Counter)
    arrived: Counter[str] = field(default_factory=Counter)
    made: int = 0
    on_request: Any = None
    busy: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, outgoing: Outgoing) -> Response:
        path = outgoing.url.removeprefix(HOME)
        self.log.append(f"{outgoing.method} {path}")
        self.busy.set()
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            if self.delay is not None:
                await asyncio.sleep(self.delay)
            if self.on_request is not None:
                self.on_request(outgoing)
            return self._answer(outgoing.method, path)
        finally:
            self.in_flight -= 1

    def _answer(self, method: str, path: str) -> Response:
        for route, answers in self.script.items():
            if answers and f"{method} {path}".startswith(route):
                return _given(answers.pop(0))
        for route, answer in self.always.items():
            if f"{method} {path}".startswith(route):
                return _given(answer)
        return self._normal(method, path)

    def _normal(self, method: str, path: str) -> Response:
        _, verb, *rest = path.split("/")
        if verb in ("start", "upload"):
            self.made += 1
            return reply({"id": f"s{self.made}"})
        if verb == "parts":
            self.arrived["/".join(rest)] += 1
            return reply({}, etag=f"tag-{rest[-1]}")
        if verb == "complete":
            return reply({"id": f"job-{rest[0]}"})
        if verb == "jobs":
            self.polled[rest[0]] += 1
            word = self.states[min(self.polled[rest[0]], len(self.states)) - 1]
            return reply({"state": word})
        return reply({"state": "ready", "id": "p1"})

    def count(self, route: str) -> int:
        """Count the requests that began like this."""
        return sum(line.startswith(route) for line in self.log)


def _given(answer: Response | Exception) -> Response:
    if isinstance(answer, Exception):
        raise answer
    return answer


class _Bytes:
    def check(self) -> None:
        """It never changes."""

    def read(self, offset: int, size: int) -> bytes:
        return b"x" * size


class Sources:
    """Documents of any size; those named in ``missing`` are gone."""

    def __init__(self) -> None:
        self.missing: set[str] = set()

    @contextmanager
    def open(self, document: Document) -> Iterator[Source]:
        if document.id in self.missing:
            raise SourceMissing(f"{document.name}: gone", document=document.id)
        yield _Bytes()

    async def digest(self, document: Document) -> str:
        await asyncio.sleep(0)
        if document.id in self.missing:
            raise SourceMissing(f"{document.name}: gone", document=document.id)
        return hashlib.sha256(document.id.encode()).hexdigest()


class Journal(MemoryJournal):
    """Memory that remembers its commits and can be made to refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[tuple[Write, ...]] = []
        self.refuse: Any = None

    async def commit(self, unit_id: str, epoch: int, writes: Sequence[Write]) -> None:
        if self.refuse is not None and self.refuse(writes):
            raise JournalError("the disk is full")
        await super().commit(unit_id, epoch, writes)
        self.commits.append(tuple(writes))


class Eager(VirtualClock):
    """Retries without pauses, which let others run."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass
class World:
    """One run of one provider, and what a process needs to move it."""

    provider: Provider[Any]
    vendor: Vendor = field(default_factory=Vendor)
    journal: Journal = field(default_factory=Journal)
    clock: Any = field(default_factory=VirtualClock)
    sources: Sources = field(default_factory=Sources)
    events: list[Event] = field(default_factory=list)
    checksum: bool = False

    async def plan(self, *batches: Sequence[int], **options: JsonValue) -> None:
        """Make a run durable; a batch is the sizes of its documents."""
        now = self.clock.now()
        run = RunRecord(
            id="run",
            target=self.provider.name,
            provider=self.provider.name,
            account=self.provider.account(),
            options={"checksum": self.checksum, **options},
            created_at=now,
            alive_at=now,
            planned=True,
        )
        await self.journal.create_run(run)
        place = 0
        for number, sizes in enumerate(batches):
            unit = UnitRecord(
                id=f"b{number:04}", run_id="run", documents=len(sizes), part_size=4, created_at=now
            )
            records = []
            for size in sizes:
                document = Document(id=f"d{place}", name=f"{place}.pdf", size=size)
                records.append(
                    DocumentRecord(
                        document=document, run_id="run", unit_id=unit.id, path=document.name,
                        place=place,
                    )
                )  # fmt: skip
                place += 1
            await self.journal.enqueue([unit], records)

    def driver(self) -> Driver:
        """Make a driver that does not wait for long."""
        return Driver(
            self.provider,
            transport=self.vendor,
            clock=self.clock,
            sources=self.sources,
            pace=Pace(self.clock, None),
            retries=retry_with_clock(self.clock),
            rng=random.Random(1),
            policy=Policy(tries=2, seconds=60.0),
        )

    async def engine(self) -> Engine:
        """Begin a new process: nothing is left of an earlier one but the journal."""
        return Engine(
            run=await self.journal.run("run"),
            provider=self.provider,
            capabilities=capabilities_of(self.provider),
            journal=self.journal,
            driver=self.driver(),
            clock=self.clock,
            digest=self.sources.digest,
            checksum=self.checksum,
            listener=self.events.append,
        )

    def environment(self) -> Environment:
        """What ``execute`` takes: this vendor instead of a network, retries without pauses."""
        return Environment(
            clock=self.clock,
            transport=lambda _settings, _connections: self.vendor,
            sources=self.sources,
            digest=self.sources.digest,
            retries=retry_with_clock(Eager()),
            rng=random.Random(1),
        )

    def target(self) -> Target:
        return Target(self.provider.name, self.provider.name, self.provider, {})

    async def documents(self) -> list[DocumentRecord]:
        return [record for _, record in await self.journal.documents("run")]

    async def outcomes(self) -> list[str]:
        return [str(record.outcome) for record in await self.documents()]


def hasty(provider: type[Provider[Any]] = Acme, **settings: Any) -> World:
    """Make a world in real time that never pauses for more than a hundredth of a second."""
    chosen: dict[str, Any] = {"poll_interval": 0.01, "timeout": 0.02} | settings
    return World(provider(AcmeSettings(**chosen)), clock=SystemClock())


def calm(provider: type[Provider[Any]] = Acme, **settings: Any) -> World:
    """Make a world in virtual time."""
    return World(provider(AcmeSettings(**settings)))


LOST = AnswerLost("time-out")
NOT_SENT = NotSent("no route")

__all__ = [
    "HOME", "LOST", "NOT_SENT", "Acme", "AcmeSettings", "Journal", "OneRequest", "Piece",
    "Sources", "Vendor", "VirtualClock", "World", "calm", "hasty", "reply",
]  # fmt: skip
