"""Carries single requests between a flow and a vendor's pure core: no time, no network.

What the engine decides about one request is decided by the same words here: an account's trouble
leaves the flow, another refusal is thrown into it, and a lost answer goes by its remedy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from longshore.documents import Document, Piece, media_type_of
from longshore.errors import (
    AccountError,
    PluginError,
    SessionLost,
    UnknownOutcome,
    VendorUnavailable,
)
from longshore.lifecycle import Session
from longshore.pipeline._requests import read_refusal
from longshore.provider import (
    Abandon,
    Answer,
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
)
from longshore.sandbox import Call, Vendor
from longshore.testing._flow import drive_flow, kind_of
from longshore.transfer import AnswerLost, Deliver, Lost, Policy, decide, encode

__all__ = ["EPOCH", "QUESTIONS", "Carrier", "GivenUp", "Sent"]

P = TypeVar("P", bound=Provider[Any])
V = TypeVar("V", bound=Vendor)

EPOCH = 1_700_000_000.0
"""When every story begins, in seconds."""

QUESTIONS = 5
"""How often a lost request is asked about."""

_TRIES = 3
_ONE_TRY = Policy(tries=1)


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


@dataclass
class Carrier(Generic[P, V]):
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
        forgotten: the vendor's idempotency window is over: lost keyed requests are asked about.
        key: of the batch, as in the idempotency keys.
        verb: of the flow that is run.
        object: the transfer that it sends.
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

    def answer(self, request: Request) -> Response:
        """Carry a request, and raise what its answer means."""
        return self.checked(request, self.carry(request))

    def checked(self, request: Request, response: Response) -> Response:
        """Return a response, or raise what it means."""
        error = read_refusal(self.provider, request, response)
        if isinstance(error, AccountError | SessionLost):
            raise error
        if error is not None:
            raise Refused(response, error)
        return response
