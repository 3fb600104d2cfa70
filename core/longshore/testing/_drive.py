"""Drives single flows against a vendor's pure core: no engine, no journal, no time, no network.

What the engine decides about one request is decided by the same words here: an account's trouble
leaves the flow, another refusal is thrown into it, and a lost answer goes by its remedy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from longshore.documents import Document, Piece, media_type_of
from longshore.errors import (
    AccountError,
    LongshoreError,
    PluginError,
    RequestRefused,
    SessionLost,
    UnknownOutcome,
    VendorUnavailable,
    WaitExpired,
)
from longshore.lifecycle import Batch, Job, Receipt, Session, Setup, State, Status, Transfer
from longshore.provider import (
    Abandon,
    Answer,
    Flow,
    Found,
    LostRequest,
    NotDone,
    Provider,
    Refused,
    Remedy,
    Request,
    Response,
    Retry,
    Token,
    Wait,
    refusal_of,
)
from longshore.sandbox import Call, Vendor
from longshore.testing._flow import drive_flow, kind_of
from longshore.transfer import AnswerLost, Deliver, Lost, Policy, decide, encode

__all__ = ["EPOCH", "QUESTIONS", "GivenUp", "Pier", "Sent", "drive_flow"]

T = TypeVar("T")
P = TypeVar("P", bound=Provider[Any])
V = TypeVar("V", bound=Vendor)

EPOCH = 1_700_000_000.0
"""When every story begins, in seconds."""

QUESTIONS = 5
"""How often a lost request is asked about."""

_TRIES = 3


class GivenUp(SessionLost):
    """The remedy of a lost answer is a fresh session; ``session`` is what is to be given back."""

    def __init__(self, session: Session | None = None) -> None:
        super().__init__("the answer was lost: start afresh")
        self.session = session


@dataclass(frozen=True, slots=True)
class Sent:
    """One request that left, as the flow described it and as the vendor sees it."""

    verb: str
    request: Request
    call: Call
    template: str

    @property
    def label(self) -> str:
        """What it is called in test names and messages."""
        return f"{self.verb}: {self.template}"


class _Later(Exception):
    """A flow waits: run it again from its top after some seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass
class Pier(Generic[P, V]):
    """A provider, the vendor's pure core, and what lies between: a clock and bytes in memory.

    Attributes:
        provider: the adapter.
        vendor: the other side.
        now: seconds since the epoch; moves only when it is told to.
        contents: the bytes of the documents, by id.
        sent: what left, in order.
        between: stands between a request and the vendor; may answer itself or lose the answer
            (``AnswerLost``).
        watch: a context in which the flows' own code runs.
        claimed: vendor jobs that belong to other batches.
        twice: steps that came a second time within one flow call.
        waits: what flows waited for, in order: verb and name.
        forgotten: the vendor's idempotency window is over: lost keyed requests are asked about.
    """

    provider: P
    vendor: V
    now: float = EPOCH
    contents: dict[str, bytes] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    between: Callable[[Sent, Callable[[], Response]], Response] = lambda _sent, deliver: deliver()
    watch: Callable[[], AbstractContextManager[object]] = nullcontext
    claimed: frozenset[str] = frozenset()
    forgotten: bool = False
    twice: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    key: str = "b-1"
    verb: str = ""
    object: str = ""
    _token_until: float = -math.inf

    # ------------------------------------------------------------------ documents

    def document(self, name: str, content: bytes, **more: Any) -> Document:
        """Take one more document into memory; ``more`` are fields of it."""
        known = {
            "id": f"d{len(self.contents)}",
            "name": name,
            "size": len(content),
            "media_type": media_type_of(name),
        }
        document = Document.model_validate(known | more)
        self.contents[document.id] = content
        return document

    # ------------------------------------------------------------------ one request

    def outgoing(self, request: Request) -> Call:
        """Return a request as the vendor gets it, with credentials and key."""
        key = f"{self.key}-{self.verb}-{self.object}-{request.step}"
        if request.key_header:
            request = request.with_header(request.key_header, key)
        if not request.absolute:
            self._authorize()
            request = self._signed(request)
        return self._call(request, key)

    def _call(self, request: Request, key: str) -> Call:
        body = encode(request.body, f"longshore-{key}")
        data = b"".join(s if isinstance(s, bytes) else self._read(s) for s in body.segments)
        headers = dict(request.headers)
        if body.content_type and "content-type" not in {name.lower() for name in headers}:
            headers["Content-Type"] = body.content_type
        base = "" if request.absolute else self.provider.settings.base_url
        return Call.of(request.method, base + request.url, headers, data)

    def _signed(self, request: Request) -> Request:
        signed: object = self.provider.sign(request, self.now)
        if not isinstance(signed, Request):
            raise PluginError(
                f"sign returns the request with its credentials, not {kind_of(signed)}"
            )
        return signed

    def _authorize(self) -> None:
        """Have a fresh access token where there are such; that is no request of the story."""
        if not self.provider.offers("authorize") or self.now < self._token_until:
            return
        token = self.authorized()
        if not isinstance(token, Token):
            raise PluginError(f"authorize returns a Token, not {kind_of(token)}")
        self.provider.token, life = token.value, token.seconds
        self._token_until = self.now + (math.inf if life is None else life * 0.9)

    def authorized(self) -> Token:
        """Run ``authorize``; its requests are safe."""
        return drive_flow(self.provider.authorize(), self._grant, watch=self.watch)

    def _grant(self, request: Request) -> Response:
        """Carry a request for a token: it brings its own credentials."""
        if request.retry is not Retry.SAFE:
            raise PluginError(f"authorize yields requests that are SAFE, not {request.retry}")
        return self.checked(request, self.deliver(self._call(request, "")))

    def _read(self, piece: Piece) -> bytes:
        return self.contents[piece.document][piece.offset : piece.end]

    def deliver(self, call: Call) -> Response:
        """Give a call to the vendor."""
        reply = self.vendor.handle(call, self.now)
        return Response(reply.status, reply.headers, reply.body)

    def exchange(self, request: Request) -> Response:
        """Send a request once.

        Raises:
            AnswerLost: ``between`` lost it.
        """
        call = self.outgoing(request)
        sent = Sent(self.verb, request, call, self.vendor.template(call))
        self.sent.append(sent)
        return self.between(sent, lambda: self._answered(request, call))

    def _answered(self, request: Request, call: Call) -> Response:
        """Give a call to the vendor, once more with a fresh token where it forgot the old one."""
        response = self.deliver(call)
        renewable = not request.absolute and self.provider.offers("authorize")
        if response.status != 401 or not renewable:
            return response
        self._token_until = -math.inf
        return self.deliver(self.outgoing(request))

    def carry(self, request: Request, asks: int = 0) -> Response:
        """Send a request until there is an answer, as its retry word allows.

        Raises:
            VendorUnavailable: no answer, and nothing would be doubled by a later try.
            UnknownOutcome: nobody can tell.
            GivenUp: a fresh session is needed.
        """
        for _ in range(_TRIES):
            outcome: Response | AnswerLost
            try:
                outcome = self.exchange(request)
            except AnswerLost as lost:
                outcome = lost
            verdict = decide(
                request, 1, outcome, now=self.now, deadline=math.inf, jitter=0.0, policy=_ONE_TRY
            )
            if isinstance(verdict, Lost):
                return self.remedy(request, asks)
            if isinstance(outcome, Response):
                if isinstance(verdict, Deliver):
                    return outcome
                break
            if request.retry is Retry.KEYED and self.forgotten:
                return self.remedy(request, asks)
        raise VendorUnavailable("no answer after all tries")

    def remedy(self, request: Request, asks: int = 0) -> Response:
        """Deal with a request whose answer is lost for good, as it says itself."""
        lost = request.lost
        if isinstance(lost, Abandon):
            raise GivenUp(lost.session)
        if lost is Remedy.RESTART:
            raise GivenUp
        if isinstance(lost, Remedy):
            raise UnknownOutcome(f"the answer to {request.step!r} was lost")
        for asked in range(QUESTIONS):
            answer = self.ask(request, asked=asked)
            if isinstance(answer, Found):
                return answer.response
            if isinstance(answer, NotDone):
                if asks < _TRIES:
                    return self.carry(request, asks + 1)
                break
            self.now += answer.again_in
        raise UnknownOutcome(f"nobody can tell whether {request.step!r} acted")

    def ask(
        self,
        request: Request,
        *,
        asked: int = 0,
        claimed: Iterable[str] = (),
        rivals: Iterable[Document] = (),
        sent_at: float | None = None,
    ) -> Answer:
        """Ask the question beside a lost request once; see ``LostRequest``."""
        assert callable(request.lost)
        lost = LostRequest(
            self.now if sent_at is None else sent_at,
            asked=asked,
            claimed=self.claimed.union(claimed),
            rivals=tuple(rivals),
        )
        return drive_flow(request.lost(lost), self.answer, watch=self.watch)

    def refusal(self, request: Request, response: Response) -> LongshoreError | None:
        """Say what a status of 300 or more means; None for any other."""
        if response.status < 300:
            return None
        if not request.absolute:
            return self.provider.refusal(response) or refusal_of(response)
        error = refusal_of(response)
        if response.status in (403, 404, 410):
            return SessionLost(error.message, status=response.status)
        if isinstance(error, AccountError):
            return RequestRefused(error.message, status=response.status)
        return error

    def answer(self, request: Request) -> Response:
        """Carry a request, and raise what its answer means."""
        return self.checked(request, self.carry(request))

    def checked(self, request: Request, response: Response) -> Response:
        """Return a response, or raise what it means."""
        error = self.refusal(request, response)
        if isinstance(error, AccountError | SessionLost):
            raise error
        if error is not None:
            raise Refused(response, error)
        return response

    # ------------------------------------------------------------------ one flow

    def run(
        self,
        make: Flow[T] | Callable[[], Flow[T]],
        answers: dict[str, Response] | None = None,
        *,
        verb: str = "",
        object: str = "",
    ) -> T:
        """Run a flow to its end; it is run again from its top at every wait.

        Args:
            make: returns the flow, each time anew; the flow itself where it never waits.
            answers: what its writes were answered, by step; grows.
            verb: which verb it is.
            object: the transfer that is sent.
        """
        self.verb, self.object = verb or self.verb, object
        known: dict[str, Response] = {} if answers is None else answers
        waited: dict[str, float] = {}
        seen: set[str] = set()

        def answer(request: Request) -> Response:
            if request.step in seen:
                self.twice.append(f"{self.verb}: {request.step}")
            seen.update({request.step} - {""})
            if request.step and request.step in known:
                return self.checked(request, known[request.step])
            response = self.carry(request)
            if request.step and not isinstance(self.refusal(request, response), AccountError):
                known[request.step] = response
            return self.checked(request, response)

        def wait(item: Wait) -> None:
            self.waits.append(f"{self.verb}: {item.name}")
            if self.now < waited.setdefault(item.name, self.now) + item.limit:
                raise _Later(item.seconds)
            raise WaitExpired(item.name)

        while True:
            seen.clear()
            try:
                flow = make if isinstance(make, Generator) else make()
                return drive_flow(flow, answer, wait=wait, watch=self.watch)
            except _Later as later:
                self.now += later.seconds

    # ------------------------------------------------------------------ the four steps

    def prepare(self) -> Setup:
        """Run ``prepare``."""
        return self.run(self.provider.prepare, verb="prepare")

    def start(self, batch: Batch) -> Session:
        """Run ``start``."""
        self.key = f"{batch.id}-{batch.attempt}"
        return self.run(lambda: self.provider.start(batch), verb="start")

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Receipt:
        """Run ``send`` for one transfer."""
        send = self.provider.send
        return self.run(lambda: send(batch, session, transfer), verb="send", object=transfer.id)

    def send_all(self, batch: Batch, session: Session) -> tuple[Receipt, ...]:
        """Send every transfer, in order."""
        return tuple(self.send(batch, session, transfer) for transfer in session.transfers)

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Job:
        """Run ``complete``."""
        flow = self.provider.complete
        return self.run(lambda: flow(batch, session, receipts), verb="complete")

    def upload(self, batch: Batch) -> Job:
        """Start, send and complete."""
        session = self.start(batch)
        return self.complete(batch, session, self.send_all(batch, session))

    def poll(self, job: Job, after: float = 0.0) -> Status:
        """Let time go by and poll once."""
        self.now += after
        return self.run(lambda: self.provider.poll(job), verb="poll")

    def finish(self, job: Job, every: float = 0.01, most: int = 1000) -> list[Status]:
        """Poll until the job no longer runs; return each word once, in order."""
        seen = [self.poll(job)]
        for _ in range(most):
            if seen[-1].state is not State.RUNNING:
                break
            status = self.poll(job, after=every)
            if (status.state, status.word) == (seen[-1].state, seen[-1].word):
                seen.pop()
            seen.append(status)
        return seen

    @property
    def requests(self) -> list[Request]:
        """The requests that left, in order."""
        return [sent.request for sent in self.sent]

    def path(self, sent: Sent) -> str:
        """Return ``METHOD /path`` of a request that left."""
        return f"{sent.request.method} {urlsplit(sent.call.url).path}"


_ONE_TRY = Policy(tries=1)
