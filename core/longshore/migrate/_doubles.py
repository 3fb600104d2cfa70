"""Finding documents that a vendor has more than once, by its documented list and our journal."""

from __future__ import annotations

from collections.abc import AsyncIterator

from longshore.journal import Journal
from longshore.lifecycle import State
from longshore.migrate._map import Line
from longshore.migrate._mapped import RunLines
from longshore.migrate._origins import may_be_there
from longshore.provider import Holding, Inventory

__all__ = ["doubles"]

_LEFT_NOTHING = (State.FAILED, State.CANCELLED, State.EXPIRED)


async def doubles(
    journal: Journal, inventory: Inventory, lines: RunLines, *, account: str
) -> AsyncIterator[tuple[Line, str]]:
    """Look through what the vendor holds beside the jobs of the map.

    Our own reference tells for certain; so does the journal, which knows the SHA-256 of what its
    jobs carried. A stranger's job of the same file name and size may be another document. What we
    carried on purpose more than once to the vendor that the documents come from is no finding.

    Args:
        journal: the durable record.
        inventory: what the vendor holds.
        lines: of the map.
        account: within which the vendor's job ids are unique.
    """
    for held in inventory.holdings:
        over = held.status is not None and held.status.state in _LEFT_NOTHING
        if held.job is None or lines.names(held.job) or over:
            continue
        if of_batch := lines.of_batch(_batch_of(held)):
            words = f"job {held.job} carries the reference of the same batch"
            for line in of_batch:
                yield line, words
            continue
        digests = await _digests(journal, held.job, account)
        if digests is not None and lines.side == "from":
            continue
        if digests is not None:
            words = f"job {held.job} of this journal carried the same document"
            for digest in digests:
                if same := lines.of_digest(digest):
                    yield same, words
        elif held.name and held.size is not None:
            words = f"job {held.job} has a document of the same name and size"
            if like := lines.of_look(held.name, held.size):
                yield like, words


def _batch_of(held: Holding) -> str:
    """Return the batch of a reference of ours (``Batch.reference``); "" for any other."""
    ours, _, rest = (held.reference or "").partition("-")
    return rest.rpartition("-")[0] if ours == "ls" else ""


async def _digests(journal: Journal, job_id: str, account: str) -> list[str] | None:
    """Return what a job of ours carried; None when the journal does not know the job."""
    found = await journal.find_job(job_id)
    units = [unit for unit in found if (await journal.run(unit.run_id)).account == account]
    if not units:
        return None
    records = [record for unit in units for record in (await journal.facts(unit.id)).documents]
    return [
        record.document.sha256
        for record in records
        if record.document.sha256 and may_be_there(record)
    ]
