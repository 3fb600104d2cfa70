"""One batch on its way, as the four steps hand it on."""

from __future__ import annotations

from dataclasses import dataclass

from longshore.errors import BatchError
from longshore.journal import DocumentRecord, Taken
from longshore.lifecycle import Job, Outcome, Status
from longshore.pipeline import Unit

__all__ = ["Upload", "upload_of"]


@dataclass(frozen=True, slots=True)
class Upload:
    """One batch on its way, as the four steps hand it on.

    Attributes:
        run_id: its run in the journal; ``resume`` takes it.
        batch_id: the batch.
        outcome: what is known of it.
        documents: its documents.
        transfers: how many there are; 0 before ``start``.
        sent: how many of those have arrived.
        job: the vendor's job, after ``complete``.
        status: what the last poll said.
    """

    run_id: str
    batch_id: str
    outcome: Outcome
    documents: tuple[DocumentRecord, ...]
    transfers: int = 0
    sent: int = 0
    job: Job | None = None
    status: Status | None = None


def upload_of(taken: Taken) -> Upload:
    """Tell how far a batch is.

    Raises:
        BatchError: it failed before the vendor had a job.
    """
    unit = Unit.load(taken, alive_at=0.0)
    if unit.record.outcome is Outcome.FAILED and unit.job is None and unit.record.error:
        error = unit.record.error
        raise BatchError(error.message, hint=error.hint)
    return Upload(
        run_id=unit.record.run_id,
        batch_id=unit.id,
        outcome=unit.record.outcome,
        documents=taken.documents,
        transfers=len(unit.session.transfers) if unit.session else 0,
        sent=len(unit.receipts),
        job=unit.job,
        status=unit.status,
    )
