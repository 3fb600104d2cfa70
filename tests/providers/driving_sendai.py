"""Drives the provider's flows against the sandbox's core, in process, without an engine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

from longshore.provider import (
    AccountError,
    Batch,
    Document,
    Flow,
    Job,
    Piece,
    Refused,
    Request,
    Response,
    Retry,
)
from longshore.provider import Headers as ProviderHeaders
from longshore.sandbox import Call, Reply
from longshore.transfer._segments import encode
from longshore_sendai import Sendai, SendaiSettings
from longshore_sendai.sandbox import SendaiSandbox

T = TypeVar("T")
KEY = "test-key-1234"


class Lost(Exception):
    """The answer of a ONCE request was lost; `remedy` is what the flow said about it."""

    def __init__(self, remedy: object) -> None:
        super().__init__(str(remedy))
        self.remedy = remedy


def settings(**more: Any) -> SendaiSettings:
    """Return settings with which the sandbox can be talked to."""
    known = {"api_key": KEY, "team_id": "team_1", "project_id": "proj_1"}
    return SendaiSettings.model_validate({**known, **more})


class Harbour:
    """A provider, a sandbox and a clock; the files are in memory.

    Attributes:
        sent: every request that left, in order.
        lose: step names whose next answer gets lost after the vendor acted.
    """

    def __init__(
        self, assumptions: Mapping[str, Any] | None = None, provider: Sendai | None = None
    ) -> None:
        self.vendor = SendaiSandbox(assumptions)
        self.provider = provider or Sendai(settings())
        self.contents: dict[str, bytes] = {}
        self.now = 1_700_000_000.0
        self.sent: list[Request] = []
        self.answers: dict[str, Response] = {}
        self.lose: set[str] = set()

    # ------------------------------------------------------------------ documents

    def batch(self, *names: str, content: bytes = b"%PDF-1.7 tide table") -> Batch:
        """Make a batch of documents that all have this content and their own first line."""
        documents = []
        for number, name in enumerate(names, 1):
            data = f"{number} {name}\n".encode() + content
            self.contents[f"d{number}"] = data
            documents.append(
                Document(id=f"d{number}", name=name, size=len(data), media_type="application/pdf")
            )
        return Batch(id="b1", documents=tuple(documents))

    def sha256(self, document: str) -> str:
        """Return the digest of a document's content."""
        return hashlib.sha256(self.contents[document]).hexdigest()

    # --------------------------------------------------------------------- driving

    def run(self, flow: Flow[T]) -> T:
        """Drive one flow call to its end, as the engine would."""
        reply: Response | None = None
        refused: Refused | None = None
        while True:
            try:
                wanted = flow.throw(refused) if refused else flow.send(reply)  # type: ignore[arg-type]
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            assert isinstance(wanted, Request)
            reply, refused = self._answer(wanted), None
            if reply.status >= 400:
                error = self.provider.refusal(reply)
                if isinstance(error, AccountError):
                    raise error  # the engine stops the account: the flow is not asked
                refused = Refused(reply, error)

    def _answer(self, request: Request) -> Response:
        if request.step in self.answers:
            return self.answers[request.step]
        reply = self.exchange(request)
        if request.step in self.lose:
            self.lose.remove(request.step)
            if request.retry is Retry.ONCE:
                raise Lost(request.lost)
            reply = self.exchange(request)
        if request.step:
            self.answers[request.step] = reply
        return reply

    def exchange(self, request: Request) -> Response:
        """Send one request, whatever became of it before."""
        self.sent.append(request)
        signed = self.provider.sign(request, self.now)
        body = encode(signed.body, "boundary-for-tests")
        data = b"".join(s if isinstance(s, bytes) else self._read(s) for s in body.segments)
        headers = dict(signed.headers)
        if body.content_type:
            headers["Content-Type"] = body.content_type
        url = f"{self.provider.settings.base_url}{signed.url}"
        reply = self.vendor.handle(Call.of(signed.method, url, headers, data), self.now)
        return response_of(reply)

    def _read(self, piece: Piece) -> bytes:
        return self.contents[piece.document][piece.offset : piece.end]

    # ----------------------------------------------------------------- the four steps

    def upload(self, batch: Batch) -> Job:
        """Start, send and complete."""
        session = self.run(self.provider.start(batch))
        receipts = tuple(
            self.run(self.provider.send(batch, session, transfer)) for transfer in session.transfers
        )
        return self.run(self.provider.complete(batch, session, receipts))

    def later(self, seconds: float = 1.0) -> None:
        """Let time go by, and begin a new flow call."""
        self.now += seconds
        self.answers.clear()

    def post(self, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """Call the vendor directly."""
        known = {"Authorization": f"Bearer {KEY}", **(headers or {})}
        url = f"https://api.send.ai/v2/team_1/project/proj_1{path}"
        return self.vendor.handle(Call.of("POST", url, known, body), self.now)

    def task_ids(self) -> list[str]:
        """Return the ids of all tasks at the vendor."""
        return list(self.vendor.tasks)

    def task_words(self) -> list[str]:
        """Return the states of all tasks at the vendor."""
        return [task.state(self.now) for _, task in self.vendor.tasks.values()]


def response_of(reply: Reply) -> Response:
    """Turn the sandbox's reply into what a flow gets."""
    return Response(reply.status, ProviderHeaders(dict(reply.headers)), reply.body)
