"""Sending documents of a run again that did not go well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from longshore.capabilities import Capabilities
from longshore.journal import (
    ChangeDocument,
    ChangeUnit,
    DocumentRecord,
    Journal,
    RunRecord,
    UnitRecord,
    Write,
    documents_of,
)
from longshore.lifecycle import Outcome
from longshore.pipeline._enqueue import PlannedBatch, plan
from longshore.pipeline._intake import Candidate
from longshore.pipeline._mailbox import mail_for
from longshore.pipeline._options import RunOptions

__all__ = ["rerun"]

_AGAIN = (Outcome.FAILED, Outcome.EXPIRED, Outcome.CANCELLED)


async def rerun(
    journal: Journal,
    run: RunRecord,
    capabilities: Capabilities,
    *,
    new_id: Callable[[], str],
    now: float,
) -> int:
    """Plan what failed, expired or was cancelled again, as the files are now; nothing is sent yet.

    Each document goes into a fresh batch, so that it has a reference of its own at the vendor.
    The run must be held by the caller.

    Returns:
        How many documents will be sent again.
    """
    records = {record.document.id: record async for record in _failed(journal, run)}
    candidates = [
        Candidate(record.document.source, record.document.name, record.document.media_type)
        for record in records.values()
    ]
    ids = iter(records)
    options = RunOptions.model_validate(run.options)
    again = 0
    for planned in plan(
        candidates,
        capabilities,
        run_id=run.id,
        target=run.target,
        new_id=lambda: next(ids),
        part_size=options.part_size,
        batch_size=options.batch_size,
    ):
        if isinstance(planned, PlannedBatch):
            if not again:  # first of all: `resume` finds what is left, whatever happens here
                await _open_again(journal, run)
            await _renew(journal, run, planned, new_id(), now)
            again += len(planned.documents)
        else:
            change = {"error": planned.error}
            await journal.change_documents(run.id, {planned.document.id: change})
    return again


async def _open_again(journal: Journal, run: RunRecord) -> None:
    """Note that the run is not over; whoever asked to cancel it meant what was sent before."""
    await journal.change_run(run.id, finished_at=None)
    await journal.drop_mail(await mail_for(journal, run.id, "cancel"))


async def _failed(journal: Journal, run: RunRecord) -> AsyncIterator[DocumentRecord]:
    async for record in documents_of(journal, run.id):
        if record.outcome in _AGAIN:
            yield record


async def _renew(
    journal: Journal, run: RunRecord, planned: PlannedBatch, unit_id: str, now: float
) -> None:
    """Move documents into a new batch: one commit, so that no batch is ever half full."""
    unit = UnitRecord(
        id=unit_id,
        run_id=run.id,
        documents=len(planned.documents),
        part_size=planned.part_size,
        outcome=Outcome.CANCELLED,
        settled=True,  # until it has its documents
        created_at=now,
    )
    await journal.enqueue([unit], [])
    fresh = {
        "unit_id": unit_id,
        "outcome": Outcome.RUNNING,
        "error": None,
        "word": None,
        "vendor_id": None,
        "parts": 0,
    }
    writes: list[Write] = [
        ChangeDocument(document.id, {**fresh, "document": document})
        for document in planned.documents
    ]
    writes.append(ChangeUnit({"outcome": Outcome.RUNNING, "settled": False, "at": 0.0}))
    (taken,) = await journal.take(unit_id)
    await journal.commit(unit_id, taken.unit.epoch, writes)
