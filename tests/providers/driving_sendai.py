"""Send AI and its sandbox, with lost answers on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from longshore.provider import Batch, Flow, Job, Request, Response, Retry
from longshore.provider import Headers as ProviderHeaders
from longshore.sandbox import Call, Reply
from longshore.testing._drive import Pier
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


class Harbour(Pier[Sendai, SendaiSandbox]):
    """A provider, a sandbox and a clock; the files are in memory.

    Attributes:
        lose: step names whose next answer gets lost after the vendor acted.
    """

    def __init__(
        self, assumptions: Mapping[str, Any] | None = None, provider: Sendai | None = None
    ) -> None:
        super().__init__(provider or Sendai(settings()), SendaiSandbox(assumptions))
        self.answers: dict[str, Response] = {}
        self.lose: set[str] = set()

    def batch(self, *names: str, content: bytes = b"%PDF-1.7 tide table") -> Batch:
        """Make a batch of documents that all have this content and their own first line."""
        documents = tuple(
            self.document(
                name,
                f"{number} {name}\n".encode() + content,
                id=f"d{number}",
                media_type="application/pdf",
            )
            for number, name in enumerate(names, 1)
        )
        return Batch(id="b1", documents=documents)

    def sha256(self, document: str) -> str:
        """Return the digest of a document's content."""
        return hashlib.sha256(self.contents[document]).hexdigest()

    # --------------------------------------------------------------------- driving

    def run(
        self,
        make: Flow[T] | Callable[[], Flow[T]],
        answers: dict[str, Response] | None = None,
        **more: Any,
    ) -> T:
        """Drive a flow to its end; answers are kept until ``later``."""
        return super().run(make, self.answers if answers is None else answers, **more)

    def carry(self, request: Request, asks: int = 0) -> Response:
        """Send a request, and once more if its answer is lost and that is harmless."""
        reply = self.exchange(request)
        if request.step in self.lose:
            self.lose.remove(request.step)
            if request.retry is Retry.ONCE:
                raise Lost(request.lost)
            reply = self.exchange(request)
        return reply

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


def reviewed(harbour: Harbour, *names: str) -> tuple[Batch, Job]:
    """Upload documents, let time pass until somebody is to review them, and forget the requests."""
    batch = harbour.batch(*names)
    job = harbour.upload(batch)
    harbour.later()
    harbour.sent.clear()
    return batch, job
