"""Subworkflow.ai and its sandbox, with lost answers on demand."""

from __future__ import annotations

from typing import Any

from longshore.planning import part_size_for
from longshore.provider import (
    Answer,
    Batch,
    Request,
    Response,
    Session,
)
from longshore.sandbox import Call
from longshore.testing._drive import Pier
from longshore_subworkflow import Subworkflow, SubworkflowSettings
from longshore_subworkflow.sandbox import SubworkflowSandbox

MIB = 2**20
START = 1_761_910_647.0


class AnswerIsLost(Exception):
    """The answer of a request that the test wanted to lose."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.step)
        self.request = request


class World(Pier[Subworkflow, SubworkflowSandbox]):
    """One provider, one sandbox, some documents, and the time.

    ``losing`` names the steps whose answers are lost after the vendor acted; ``dropping`` those
    whose requests never arrive.
    """

    def __init__(self, settings: SubworkflowSettings, vendor: SubworkflowSandbox) -> None:
        super().__init__(Subworkflow(settings), vendor, now=START)
        self.losing: set[str] = set()
        self.dropping: set[str] = set()

    def batch(self, name: str, content: bytes, id: str = "doc", part_size: int = 0) -> Batch:
        document = self.document(name, content, id=id)
        size = part_size_for(document.size, self.provider.capabilities().parts, part_size or None)
        return Batch(id=f"batch-{id}", documents=(document,), part_size=size)

    def carry(self, request: Request, asks: int = 0) -> Response:
        """Send once; nothing is retried here."""
        return self.exchange(request)

    def exchange(self, request: Request) -> Response:
        if request.step in self.dropping:
            raise AnswerIsLost(request)
        reply = super().exchange(request)
        if request.step in self.losing:
            raise AnswerIsLost(request)
        return reply

    def ask(self, request: Request, **more: Any) -> Answer:
        """Ask the question that stands beside a lost request."""
        return super().ask(request, sent_at=START, **more)

    def session(self, batch: Batch) -> Session:
        return self.start(batch)

    # ------------------------------------------------------------------ looking back

    @property
    def calls(self) -> list[Call]:
        return [sent.call for sent in self.sent]

    def paths(self) -> list[str]:
        return [f"{call.method} {call.path}" for call in self.calls]

    def fields(self, call: Call) -> dict[str, str]:
        """Return the text fields of a form that was sent."""
        return {part.name: part.text() for part in call.form() if part.filename is None}


def world(assumptions: dict[str, object] | None = None, **settings: object) -> World:
    """Make a world; sizes are small unless the test says otherwise."""
    made = SubworkflowSettings.model_validate({"api_key": "sk_test", **settings})
    return World(made, SubworkflowSandbox(assumptions))
