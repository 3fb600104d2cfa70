"""A small loop that drives GeoLens' flows against its sandbox, with lost answers on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from longshore.documents import media_type_of
from longshore.errors import UnknownOutcome
from longshore.provider import (
    AccountError,
    Batch,
    Document,
    Flow,
    Found,
    Job,
    LostRequest,
    NotDone,
    Refused,
    Remedy,
    Request,
    Response,
    Retry,
    Session,
    SessionLost,
    State,
    Status,
    Undecided,
    VendorUnavailable,
    refusal_of,
)
from longshore.provider import Headers as ResponseHeaders
from longshore.sandbox import Call
from longshore.transfer._segments import encode
from longshore_geolens import GeoLens, GeoLensSettings
from longshore_geolens.sandbox import GeoLensSandbox

T = TypeVar("T")

TIFF = b"II*\x00"
GEOJSON = b'{"type":"FeatureCollection","features":[]}'
SMALL_PARTS: dict[str, Any] = {"threshold": 1000, "part_size": 400}


LARGE = TIFF + bytes(range(256)) * 8  # 2,052 bytes: six parts of 400


def digest(data: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


class Lost(Exception):
    """No answer came."""


class Line:
    """A provider, its sandbox and what lies between: a clock, files, and lost answers.

    Attributes:
        lose: step -> "before" or "after" the vendor acts; used up once.
        proxy: step -> the body with which a proxy answers 502 instead of the vendor; stays.
        log: every request that left, as ``METHOD /path``.
    """

    def __init__(self, options: dict[str, Any] | None = None, **settings: Any) -> None:
        self.vendor = GeoLensSandbox(options)
        known = {"base_url": self.vendor.base_url, "api_key": "key-123"} | settings
        self.provider = GeoLens(GeoLensSettings.model_validate(known))
        self.now = 1_700_000_000.0
        self.files: dict[str, bytes] = {}
        self.lose: dict[str, str] = {}
        self.proxy: dict[str, bytes] = {}
        self.log: list[str] = []

    def batch(self, name: str, data: bytes) -> Batch:
        """Return a batch of one document."""
        id = f"doc{len(self.files)}"
        self.files[id] = data
        document = Document(id=id, name=name, size=len(data), media_type=media_type_of(name))
        return Batch(id=f"b{id}", documents=(document,))

    # ------------------------------------------------------------------ the exchange

    def exchange(self, request: Request) -> Response:
        """Send one request; a lost one raises ``Lost``."""
        encoded = encode(request.body, "boundary")
        body = b"".join(
            part if isinstance(part, bytes) else self.files[part.document][part.offset : part.end]
            for part in encoded.segments
        )
        if not request.absolute:
            request = self.provider.sign(request, self.now)
        headers = dict(request.headers) | {"Content-Length": str(len(body))}
        if encoded.content_type:
            headers["Content-Type"] = encoded.content_type
        url = request.url if request.absolute else self.vendor.base_url + request.url
        self.log.append(f"{request.method} {url.partition('?')[0].removeprefix(self.vendor.home)}")
        when = self.lose.pop(request.step, "")
        if when == "before":
            raise Lost
        if request.step in self.proxy:
            return Response(502, body=self.proxy[request.step])
        reply = self.vendor.handle(Call.of(request.method, url, headers, body), self.now)
        if when == "after":
            raise Lost
        return Response(reply.status, ResponseHeaders(reply.headers), reply.body)

    def run(self, make: Callable[[], Flow[T]]) -> T:
        """Run a flow to its end, as the engine would."""
        return self._drive(make(), {})

    def _drive(self, flow: Flow[T], answers: dict[str, Response]) -> T:
        try:
            request = next(flow)
            while True:
                assert isinstance(request, Request)
                assert not request.step or request.step not in answers, "a step name came twice"
                response = self._answered(request)
                answers[request.step] = response
                if response.status < 400:
                    request = flow.send(response)
                    continue
                error = self.provider.refusal(response) or refusal_of(response)
                if isinstance(error, AccountError):
                    raise error
                request = flow.throw(Refused(response, error))
        except StopIteration as end:
            result: T = end.value
            return result
        except Refused as refused:
            raise refused.error from None

    def _answered(self, request: Request) -> Response:
        """Send until there is an answer: what is not safe to repeat goes by its remedy."""
        for _ in range(3):
            try:
                response = self.exchange(request)
            except Lost:
                if request.retry is Retry.ONCE:
                    return self._remedy(request)
                continue
            if response.status < 500 or response.status in request.final:
                return response
            if request.retry is Retry.ONCE:
                return self._remedy(request)
        raise VendorUnavailable("no answer after all retries")

    def _remedy(self, request: Request) -> Response:
        if request.lost is Remedy.RESTART:
            raise SessionLost("the answer was lost")
        assert callable(request.lost)
        for asked in range(5):
            answer = self._drive(request.lost(LostRequest(sent_at=self.now, asked=asked)), {})
            match answer:
                case Found(response):
                    return response
                case NotDone():
                    return self._answered(request)
                case Undecided(again_in):
                    self.now += again_in
        raise UnknownOutcome("nobody can tell")

    # ------------------------------------------------------------------ the whole way

    def start(self, batch: Batch) -> Session:
        """Open a session."""
        return self.run(lambda: self.provider.start(batch))

    def deliver(self, batch: Batch, session: Session | None = None) -> Job:
        """Start (unless done), send every transfer, complete."""
        opened = session or self.start(batch)
        receipts = tuple(
            self.run(partial(self.provider.send, batch, opened, transfer))
            for transfer in opened.transfers
        )
        return self.run(lambda: self.provider.complete(batch, opened, receipts))

    def poll(self, job: Job) -> Status:
        """Ask once."""
        return self.run(lambda: self.provider.poll(job))

    def finish(self, job: Job) -> list[Status]:
        """Poll each 10 ms until the job no longer runs; each state and word once."""
        seen = [self.poll(job)]
        while seen[-1].state is State.RUNNING:
            self.now += 0.01
            status = self.poll(job)
            if status.word != seen[-1].word:
                seen.append(status)
            elif status.state is not State.RUNNING:
                seen[-1] = status
        return seen

    def held(self) -> list[tuple[str, str]]:
        """Return name and SHA-256 of what the vendor holds."""
        return [(d["name"], d["sha256"]) for d in self.vendor.state(self.now)["documents"]]
