"""A small loop that drives Plangrep's flows against its sandbox: clock, files, lost answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from longshore.provider import (
    Abandon,
    AccountError,
    Answer,
    Batch,
    Document,
    Flow,
    Found,
    Job,
    LostRequest,
    NotDone,
    Piece,
    Receipt,
    Refused,
    Remedy,
    Request,
    Response,
    Retry,
    Session,
    SessionLost,
    Setup,
    State,
    Status,
    Wait,
    WaitExpired,
    refusal_of,
)
from longshore.provider import Headers as ResponseHeaders
from longshore.sandbox import Call
from longshore.transfer._segments import encode
from longshore_plangrep import Plangrep, PlangrepSettings
from longshore_plangrep.sandbox import PlangrepSandbox

T = TypeVar("T")

KEY = "pgk_test_1"
SMALL_PARTS = {"multipart_above": 1000, "part_bytes": 400}


class GivenUp(Exception):
    """A lost answer whose remedy is a fresh session."""

    def __init__(self, session: Session | None) -> None:
        super().__init__("restart")
        self.session = session


class Pier:
    """A provider, its sandbox, and what lies between.

    Attributes:
        lose: step -> whether the vendor acts before its answer is lost; used up once.
        forgotten: the vendor's idempotency window is over: keyed requests are asked about.
        log: what left, as ``METHOD /path``, in order.
        sent: the requests that left.
    """

    def __init__(self, options: Mapping[str, Any] | None = None, **settings: Any) -> None:
        self.vendor = PlangrepSandbox(options)
        known = {"api_key": KEY, "project_name": "Harbour"}
        if "project_id" in settings:
            del known["project_name"]
        self.provider = Plangrep(PlangrepSettings.model_validate({**known, **settings}))
        self.contents: dict[str, bytes] = {}
        self.now = 1_700_000_000.0
        self.lose: dict[str, bool] = {}
        self.forgotten = False
        self.attempt = 1
        self.claimed: frozenset[str] = frozenset()
        self.setup = Setup()
        self.log: list[str] = []
        self.sent: list[Request] = []

    # ------------------------------------------------------------------ documents

    def batch(self, *names: str, size: int = 50, attempt: int = 1) -> Batch:
        """Make a batch of documents with the given names; each has its own bytes."""
        documents = []
        for number, name in enumerate(names, 1):
            data = f"{number} {name}\n".encode().ljust(size, b"%")
            self.contents[f"d{number}"] = data
            documents.append(
                Document(
                    id=f"d{number}",
                    name=name,
                    size=len(data),
                    media_type="application/pdf",
                    sha256=hashlib.sha256(data).hexdigest(),
                )
            )
        return Batch(id="b1", attempt=attempt, documents=tuple(documents), setup=self.setup)

    def digests(self) -> list[str]:
        """The SHA-256 of what was planned."""
        return sorted(hashlib.sha256(data).hexdigest() for data in self.contents.values())

    def arrived(self) -> list[str]:
        """The SHA-256 of what the vendor works on."""
        held = self.vendor.state(self.now)["documents"]
        return sorted(document["sha256"] for document in held if document["job"])

    # ------------------------------------------------------------------ driving

    def run(self, make: Callable[[], Flow[T]]) -> T:
        """Drive one flow call to its end: re-run from the top at every wait."""
        answers: dict[str, Response] = {}
        waited: dict[str, float] = {}
        while True:
            try:
                return self._once(make(), answers, waited)
            except _Later as later:
                self.now += later.seconds

    def _once(self, flow: Flow[T], answers: dict[str, Response], waited: dict[str, float]) -> T:
        reply: Response | None = None
        wrong: Exception | None = None
        while True:
            try:
                item = flow.throw(wrong) if wrong else flow.send(reply)  # type: ignore[arg-type]
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            wrong = None
            if isinstance(item, Wait):
                if self.now < waited.setdefault(item.name, self.now) + item.limit:
                    raise _Later(item.seconds)
                wrong = WaitExpired(item.name)
                continue
            reply = self._answer(item, answers)
            if reply.status >= 400:
                wrong = Refused(reply, self._error(item, reply))

    def _error(self, request: Request, reply: Response) -> Any:
        error = refusal_of(reply) if request.absolute else self.provider.refusal(reply)
        if request.absolute and reply.status in (403, 404, 410):
            raise SessionLost("the signed URL was refused")
        if isinstance(error, AccountError):
            raise error  # the engine stops the account: the flow is not asked
        return error

    def _answer(self, request: Request, answers: dict[str, Response]) -> Response:
        if request.step in answers:
            return answers[request.step]
        lost = request.step in self.lose
        acted = self.lose.pop(request.step, True)
        reply = self.exchange(request) if acted else Response(0)
        if lost:
            reply = self._remedy(request)
        if request.step:
            answers[request.step] = reply
        return reply

    def _remedy(self, request: Request) -> Response:
        asked = request.retry is Retry.ONCE or (request.retry is Retry.KEYED and self.forgotten)
        if not asked:
            return self.exchange(request)
        if isinstance(request.lost, Abandon):
            raise GivenUp(request.lost.session)
        if request.lost is Remedy.RESTART:
            raise GivenUp(None)
        assert not isinstance(request.lost, Remedy)
        lost = LostRequest(sent_at=self.now, claimed=self.claimed)
        answer: Answer = self._once(request.lost(lost), {}, {})
        if isinstance(answer, Found):
            return answer.response
        assert isinstance(answer, NotDone), answer
        return self.exchange(request)

    def exchange(self, request: Request) -> Response:
        """Send one request, whatever became of it before."""
        self.log.append(f"{request.method} {urlsplit(request.url).path}")
        self.sent.append(request)
        base = "" if request.absolute else self.provider.settings.base_url
        signed = request if request.absolute else self.provider.sign(request, self.now)
        body = encode(signed.body, "boundary-for-tests")
        data = b"".join(s if isinstance(s, bytes) else self._read(s) for s in body.segments)
        headers = dict(signed.headers)
        if body.content_type:
            headers["Content-Type"] = body.content_type
        if request.retry is Retry.KEYED:
            headers[request.key_header] = f"b1-{self.attempt}-{request.step}"
        reply = self.vendor.handle(
            Call.of(signed.method, base + signed.url, headers, data), self.now
        )
        return Response(reply.status, ResponseHeaders(dict(reply.headers)), reply.body)

    def _read(self, piece: Piece) -> bytes:
        return self.contents[piece.document][piece.offset : piece.end]

    # ------------------------------------------------------------------ the four steps

    def prepare(self) -> Setup:
        """Run ``prepare`` and remember its result for the batches to come."""
        self.setup = self.run(self.provider.prepare)
        return self.setup

    def start(self, batch: Batch) -> Session:
        """Run ``start``."""
        self.attempt = batch.attempt
        return self.run(lambda: self.provider.start(batch))

    def send(self, batch: Batch, session: Session) -> tuple[Receipt, ...]:
        """Send every transfer, the last one first: the vendor must not care."""
        return tuple(
            self.run(lambda t=transfer: self.provider.send(batch, session, t))  # type: ignore[misc]
            for transfer in reversed(session.transfers)
        )

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Job:
        """Run ``complete``."""
        return self.run(lambda: self.provider.complete(batch, session, receipts))

    def upload(self, batch: Batch) -> Job:
        """Start, send and complete."""
        session = self.start(batch)
        return self.complete(batch, session, self.send(batch, session))

    def provider_job(self, session: Session) -> Job:
        """Return the job of a session that is not completed yet."""
        return Job(id=str(session.data["job"]))

    def poll(self, job: Job, after: float = 0.0) -> Status:
        """Let time go by and poll once."""
        self.now += after
        return self.run(lambda: self.provider.poll(job))

    def finish(self, job: Job) -> Status:
        """Poll every 10 ms until the job rests."""
        status = self.poll(job)
        while status.state is State.RUNNING:
            status = self.poll(job, after=0.01)
        return status


class _Later(Exception):
    def __init__(self, seconds: float) -> None:
        super().__init__("later")
        self.seconds = seconds


def ready(options: Mapping[str, Any] | None = None, **settings: Any) -> Pier:
    """Return a pier whose project is ready."""
    pier = Pier(options, **settings)
    pier.prepare()
    return pier


__all__ = ["KEY", "SMALL_PARTS", "GivenUp", "Pier", "ready"]
