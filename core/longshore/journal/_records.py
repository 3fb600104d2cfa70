"""What the journal remembers: runs, units, documents, and the facts of every flow.

A **unit** is what one executor moves at a time: a batch, or a run's ``prepare`` (whose unit id is
the run's id). A **fact** is one durable line about a unit: an intent, an answer, a timer, or a
result (setup, session, receipt, job, status).
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

from pydantic import Field, JsonValue

from longshore._model import Frozen
from longshore.documents import Document
from longshore.lifecycle import Outcome

__all__ = [
    "Abandoned", "BesidesUnit", "ChangeDocument", "ChangeUnit", "ClaimJob", "Counters",
    "DocumentRecord",
    "DropFacts", "DropMail", "ErrorInfo", "Fact", "FactKind", "Message", "PutFact", "QueueAbort",
    "RunRecord", "Taken", "UnitRecord", "Write",
]  # fmt: skip


class ErrorInfo(Frozen):
    """An error as it is kept and shown: redacted.

    Attributes:
        kind: the stable word of the exception tree.
        message: one line.
        hint: the next step.
    """

    kind: str
    message: str
    hint: str = ""


class RunRecord(Frozen):
    """One call of the pipeline over many documents.

    Attributes:
        id: short, random, what a user types.
        target: the name that the user typed.
        provider: the provider's name; never its alias.
        provider_version: version of the distribution that holds the provider.
        state_version: of the provider.
        account: within which the vendor's job ids are unique.
        settings: resolved, without secrets.
        options: what the user asked for (concurrency, part size, ...).
        created_at: seconds since the epoch.
        planned: every document of the run is in the journal.
        checked: the documents were held against the limits that the vendor itself told.
        finished_at: when nothing was left to do; None while something is.
        alive_at: the executor's last sign of life.
        notes: what the use that began the run keeps with it, such as the comparison it is part of.
    """

    id: str
    target: str
    provider: str
    provider_version: str = ""
    state_version: int = 1
    account: str = ""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    options: dict[str, JsonValue] = Field(default_factory=dict)
    created_at: float = 0.0
    planned: bool = False
    checked: bool = False
    finished_at: float | None = None
    alive_at: float = 0.0
    notes: dict[str, JsonValue] = Field(default_factory=dict)


class Counters(Frozen):
    """What a batch cost so far; kept across interruptions.

    Attributes:
        bytes_sent: bytes of documents in requests that were answered.
        requests: tries that left, or may have.
        retries: tries after the first of the same request.
        troubles: tries that did not go well, by kind: a status (``429``), ``not_sent``,
            ``answer_lost``.
    """

    bytes_sent: int = 0
    requests: int = 0
    retries: int = 0
    troubles: dict[str, int] = Field(default_factory=dict)

    def plus(self, other: Cost) -> Counters:
        """Add two counts."""
        troubles = self.troubles
        if other.troubles:
            troubles = dict(Tally(troubles) + Tally(other.troubles))
        return self.changed(
            {
                "bytes_sent": self.bytes_sent + other.bytes_sent,
                "requests": self.requests + other.requests,
                "retries": self.retries + other.retries,
                "troubles": troubles,
            }
        )


class Cost(Protocol):
    """Whatever counts the same things."""

    @property
    def bytes_sent(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def retries(self) -> int: ...
    @property
    def troubles(self) -> Mapping[str, int]: ...


class UnitRecord(Frozen):
    """A batch, or a run's ``prepare``, and where it stands.

    Attributes:
        id: the batch id, or the run id for ``prepare``.
        run_id: the run it belongs to.
        attempt: raised by every fresh session.
        restarts: fresh sessions in a row that the vendor or the network caused.
        epoch: raised whenever an executor takes the unit; older ones may not write any more.
        documents: how many travel in it, as planned.
        part_size: bytes of a part where we choose it.
        outcome: of the batch as a whole.
        settled: nothing more is done unless somebody asks (resume, act, a webhook).
        at: when it is to be looked at again, in seconds since the epoch.
        why: what it waits for, in words.
        error: what went wrong.
        word: the vendor's last word.
        job_id: the vendor's job.
        counters: what it cost.
        seconds: time spent per phase: queued, start, send, complete, poll.
        created_at: when it was planned.
        accepted_at: when the vendor's job was known.
        polled_at: when the vendor was last asked about the job; 0 for never.
        finished_at: when it was settled.
    """

    id: str
    run_id: str
    attempt: int = 1
    restarts: int = 0
    epoch: int = 0
    documents: int = 1
    part_size: int = 0
    outcome: Outcome = Outcome.RUNNING
    settled: bool = False
    at: float = 0.0
    why: str = ""
    error: ErrorInfo | None = None
    word: str | None = None
    job_id: str | None = None
    counters: Counters = Field(default_factory=Counters)
    seconds: dict[str, float] = Field(default_factory=dict)
    created_at: float = 0.0
    accepted_at: float | None = None
    polled_at: float = 0.0
    finished_at: float | None = None

    def sooner(self, seconds: float) -> dict[str, object]:
        """Return the changes by which a clock that was set back holds nothing up."""
        return {
            "at": max(self.at - seconds, 0.0),
            "polled_at": max(self.polled_at - seconds, 0.0),
        }


class DocumentRecord(Frozen):
    """A document of a run and what became of it.

    Attributes:
        document: what was planned.
        run_id: the run.
        unit_id: its batch; None when the plan refused it.
        path: as the user gave it.
        outcome: what is known now.
        word: the vendor's own word for it.
        vendor_id: the vendor's id for it.
        error: what went wrong with this document.
        parts: transfers that carried it.
        place: in the run's order, from 0.
    """

    document: Document
    run_id: str
    place: int = 0
    unit_id: str | None = None
    path: str = ""
    outcome: Outcome = Outcome.RUNNING
    word: str | None = None
    vendor_id: str | None = None
    error: ErrorInfo | None = None
    parts: int = 0


class FactKind(StrEnum):
    """What a fact is about."""

    INTENT = "intent"
    ANSWER = "answer"
    TIMER = "timer"
    SETUP = "setup"
    SESSION = "session"
    RECEIPT = "receipt"
    JOB = "job"
    STATUS = "status"
    ATTEMPT = "attempt"
    WRITER = "writer"


class Fact(NamedTuple):
    """One durable line about a unit.

    Attributes:
        kind: what it is.
        attempt: of the unit, when it was written; facts of earlier attempts count no more.
        flow: the verb and the transfer it belongs to: ``send/3``; "" for results of a batch.
        name: the step, the wait, or the transfer.
        value: JSON; a model may be put, and comes back as JSON.
    """

    kind: FactKind
    attempt: int
    flow: str
    name: str
    value: JsonValue | Frozen


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A vendor session that is to be given back; the queue survives everything."""

    id: int
    run_id: str
    unit_id: str
    attempt: int
    session: JsonValue
    tries: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Message:
    """Something another process asks the executor of a run to do: cancel, act, wake."""

    id: int
    run_id: str
    verb: str
    body: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Taken:
    """All that is known about a unit, handed to the executor that took it."""

    unit: UnitRecord
    documents: tuple[DocumentRecord, ...]
    facts: tuple[Fact, ...]


# ----------------------------------------------------------- writes: one commit takes several
# Tuples, as facts are: a batch makes a dozen, and a frozen dataclass takes three times as long.


class PutFact(NamedTuple):
    """Write a fact, or replace the one of the same kind, attempt, flow and name."""

    fact: Fact


class DropFacts(NamedTuple):
    """Forget facts of this unit: those of these kinds, of one flow (and its asks) or of all."""

    kinds: tuple[FactKind, ...]
    flow: str | None = None
    name: str | None = None


class ChangeUnit(NamedTuple):
    """Change fields of the unit's record."""

    changes: Mapping[str, object]


class ChangeDocument(NamedTuple):
    """Change fields of one document's record."""

    document_id: str
    changes: Mapping[str, object]


class ClaimJob(NamedTuple):
    """Say that a vendor job belongs to this unit; refused when it belongs to another.

    Attributes:
        account: within which the job id is unique.
        job_id: the vendor's.
        at: now.
        planned_at: when this unit was planned. A claim from before that cannot be about a job
            of this unit: the vendor gave the id out again, as a restarted sandbox does, and the
            claim passes over.
    """

    account: str
    job_id: str
    at: float
    planned_at: float = 0.0


class QueueAbort(NamedTuple):
    """Remember a session that is to be given back."""

    attempt: int
    session: JsonValue


class DropMail(NamedTuple):
    """Delete a message, together with what came of it."""

    id: int


BesidesUnit: TypeAlias = PutFact | DropFacts | ChangeDocument | ClaimJob | QueueAbort | DropMail

Write: TypeAlias = ChangeUnit | BesidesUnit
