"""What happens in a run, as one typed stream for progress bars, callbacks and hooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from longshore.journal import DocumentRecord, RunRecord, UnitRecord
from longshore.lifecycle import Outcome

__all__ = [
    "BytesMoved", "DocumentFinished", "Event", "Listener", "Notice", "Polled", "Retried",
    "RunFinished", "RunStarted", "TransferSent",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins, or goes on."""

    run: RunRecord
    documents: int
    size: int


@dataclass(frozen=True, slots=True)
class BytesMoved:
    """Bytes of a batch's documents left this machine."""

    unit_id: str
    count: int


@dataclass(frozen=True, slots=True)
class TransferSent:
    """A transfer has its receipt in the journal.

    Attributes:
        unit_id: the batch.
        documents: the ids of the documents that it carried.
        size: bytes.
        number: the part number.
        transfers: how many there are in this session.
    """

    unit_id: str
    documents: tuple[str, ...]
    size: int
    number: int
    transfers: int


@dataclass(frozen=True, slots=True)
class Retried:
    """A request failed and goes out again after some seconds."""

    unit_id: str
    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Polled:
    """The vendor said how a job stands."""

    unit_id: str
    job_id: str
    outcome: Outcome
    word: str


@dataclass(frozen=True, slots=True)
class DocumentFinished:
    """A document has an outcome, or its job was accepted and nobody waits for it."""

    run: RunRecord
    record: DocumentRecord
    unit: UnitRecord | None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know now; one line."""

    text: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The command ends here; the run may not be over."""

    run: RunRecord
    outcomes: dict[Outcome, int]


Event: TypeAlias = (
    RunStarted
    | BytesMoved
    | TransferSent
    | Retried
    | Polled
    | DocumentFinished
    | Notice
    | RunFinished
)

Listener: TypeAlias = Callable[[Event], None]
