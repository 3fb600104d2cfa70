"""A small local loop: drives one flow against the sandbox's core, without engine or network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from longshore.documents import media_type_of
from longshore.planning import part_size_for
from longshore.provider import (
    Answer,
    Batch,
    Document,
    Flow,
    Headers,
    Job,
    LostRequest,
    Receipt,
    Refused,
    Request,
    Response,
    Session,
    refusal_of,
)
from longshore.sandbox import Call
from longshore.transfer import encode
from longshore_subworkflow import Subworkflow, SubworkflowSettings
from longshore_subworkflow.sandbox import SubworkflowSandbox

T = TypeVar("T")

MIB = 2**20
START = 1_761_910_647.0


class AnswerIsLost(Exception):
    """The answer of a request that the test wanted to lose."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.step)
        self.request = request


@dataclass
class World:
    """One provider, one sandbox, some documents, and the time.

    ``losing`` names the steps whose answers are lost after the vendor acted; ``dropping`` those
    whose requests never arrive.
    """

    settings: SubworkflowSettings
    vendor: SubworkflowSandbox
    now: float = START
    contents: dict[str, bytes] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    losing: set[str] = field(default_factory=set)
    dropping: set[str] = field(default_factory=set)

    @property
    def provider(self) -> Subworkflow:
        return Subworkflow(self.settings)

    def batch(self, name: str, content: bytes, id: str = "doc", part_size: int = 0) -> Batch:
        self.contents[id] = content
        document = Document(id=id, name=name, size=len(content), media_type=media_type_of(name))
        size = part_size_for(document.size, self.provider.capabilities().parts, part_size or None)
        return Batch(id=f"batch-{id}", documents=(document,), part_size=size)

    def run(self, flow: Flow[T]) -> T:
        """Drive a flow to its end; refusals are thrown into it."""
        try:
            asked = next(flow)
            while True:
                assert isinstance(asked, Request), f"unexpected {asked!r}"
                response = self.exchange(asked)
                if response.status >= 400:
                    error = self.provider.refusal(response) or refusal_of(response)
                    asked = flow.throw(Refused(response, error))
                else:
                    asked = flow.send(response)
        except StopIteration as end:
            value: T = end.value
            return value

    def exchange(self, request: Request) -> Response:
        if request.step in self.dropping:
            raise AnswerIsLost(request)
        signed = self.provider.sign(request, self.now)
        body = encode(signed.body, "longshore-test-boundary")
        data = b"".join(
            part
            if isinstance(part, bytes)
            else self.contents[part.document][part.offset : part.end]
            for part in body.segments
        )
        headers = dict(signed.headers)
        if body.content_type:
            headers["Content-Type"] = body.content_type
        url = request.url if request.absolute else self.settings.base_url + request.url
        self.calls.append(Call.of(request.method, url, headers, data))
        reply = self.vendor.handle(self.calls[-1], self.now)
        if request.step in self.losing:
            raise AnswerIsLost(request)
        return Response(reply.status, Headers(reply.headers), reply.body)

    # ------------------------------------------------------------------ the four steps

    def session(self, batch: Batch) -> Session:
        return self.run(self.provider.start(batch))

    def send_all(self, batch: Batch, session: Session) -> tuple[Receipt, ...]:
        return tuple(
            self.run(self.provider.send(batch, session, transfer)) for transfer in session.transfers
        )

    def upload(self, batch: Batch) -> Job:
        session = self.session(batch)
        receipts = self.send_all(batch, session)
        return self.run(self.provider.complete(batch, session, receipts))

    def ask(
        self,
        request: Request,
        *,
        asked: int = 0,
        claimed: Iterable[str] = (),
        rivals: Iterable[Document] = (),
    ) -> Answer:
        """Ask the question that stands beside a lost request."""
        assert callable(request.lost)
        lost = LostRequest(
            sent_at=START, asked=asked, claimed=frozenset(claimed), rivals=tuple(rivals)
        )
        return self.run(request.lost(lost))

    # ------------------------------------------------------------------ looking back

    def paths(self) -> list[str]:
        return [f"{call.method} {call.path}" for call in self.calls]

    def fields(self, call: Call) -> dict[str, str]:
        """Return the text fields of a form that was sent."""
        return {part.name: part.text() for part in call.form() if part.filename is None}


def world(assumptions: dict[str, object] | None = None, **settings: object) -> World:
    """Make a world; sizes are small unless the test says otherwise."""
    made = SubworkflowSettings.model_validate({"api_key": "sk_test", **settings})
    return World(made, SubworkflowSandbox(assumptions))
