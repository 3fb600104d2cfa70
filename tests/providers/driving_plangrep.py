"""Plangrep and its sandbox, with lost answers on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from longshore.provider import (
    Batch,
    Job,
    Receipt,
    Response,
    Session,
    Setup,
    Status,
)
from longshore.testing._carry import GivenUp, Sent
from longshore.testing._drive import Pier as Driven
from longshore.transfer import AnswerLost
from longshore_plangrep import Plangrep, PlangrepSettings
from longshore_plangrep.sandbox import PlangrepSandbox

__all__ = ["KEY", "SMALL_PARTS", "GivenUp", "Pier", "ready"]

T = TypeVar("T")

KEY = "pgk_test_1"
SMALL_PARTS = {"multipart_above": 1000, "part_bytes": 400}


class Pier(Driven[Plangrep, PlangrepSandbox]):
    """A provider, its sandbox, and what lies between.

    Attributes:
        lose: step -> whether the vendor acts before its answer is lost; used up once.
    """

    def __init__(self, options: Mapping[str, Any] | None = None, **settings: Any) -> None:
        known = {"api_key": KEY, "project_name": "Harbour"}
        if "project_id" in settings:
            del known["project_name"]
        provider = Plangrep(PlangrepSettings.model_validate({**known, **settings}))
        super().__init__(provider, PlangrepSandbox(options), between=self._between)
        self.lose: dict[str, bool] = {}
        self.setup = Setup()

    def _between(self, sent: Sent, deliver: Callable[[], Response]) -> Response:
        step = sent.request.step
        lost = step in self.lose
        if not self.lose.pop(step, True):
            self.sent.pop()
            raise AnswerLost
        reply = deliver()
        if lost:
            raise AnswerLost
        return reply

    # ------------------------------------------------------------------ documents

    def batch(self, *names: str, size: int = 50, attempt: int = 1) -> Batch:
        """Make a batch of documents with the given names; each has its own bytes."""
        documents = []
        for number, name in enumerate(names, 1):
            data = f"{number} {name}\n".encode().ljust(size, b"%")
            digest = hashlib.sha256(data).hexdigest()
            more = {"media_type": "application/pdf", "sha256": digest}
            documents.append(self.document(name, data, id=f"d{number}", **more))
        return Batch(id="b1", attempt=attempt, documents=tuple(documents), setup=self.setup)

    def digests(self) -> list[str]:
        """The SHA-256 of what was planned."""
        return sorted(hashlib.sha256(data).hexdigest() for data in self.contents.values())

    def arrived(self) -> list[str]:
        """The SHA-256 of what the vendor works on."""
        held = self.vendor.state(self.now)["documents"]
        return sorted(document["sha256"] for document in held if document["job"])

    # ------------------------------------------------------------------ looking back

    @property
    def log(self) -> list[str]:
        """What left, as ``METHOD /path``, in order."""
        return [self.path(sent) for sent in self.sent]

    # ------------------------------------------------------------------ the steps

    def prepare(self) -> Setup:
        """Run ``prepare`` and remember its result for the batches to come."""
        self.setup = super().prepare()
        return self.setup

    def send_all(self, batch: Batch, session: Session) -> tuple[Receipt, ...]:
        """Send every transfer, the last one first: the vendor must not care."""
        return tuple(
            self.send(batch, session, transfer) for transfer in reversed(session.transfers)
        )

    def provider_job(self, session: Session) -> Job:
        """Return the job of a session that is not completed yet."""
        return Job(id=str(session.data["job"]))

    def last(self, job: Job) -> Status:
        """Poll every 10 ms until the job rests."""
        return self.finish(job)[-1]


def ready(options: Mapping[str, Any] | None = None, **settings: Any) -> Pier:
    """Return a pier whose project is ready."""
    pier = Pier(options, **settings)
    pier.prepare()
    return pier
