"""Finding documents that a vendor has more than once, by its documented list and our journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from longshore.journal import Journal
from longshore.lifecycle import Outcome, State
from longshore.migrate._map import Line
from longshore.provider import Holding, Inventory

__all__ = ["doubles"]

_LEFT_NOTHING = (State.FAILED, State.CANCELLED, State.EXPIRED)
_NEVER_THERE = (Outcome.CANCELLED, Outcome.EXPIRED, Outcome.FAILED, Outcome.REFUSED)


async def doubles(
    journal: Journal,
    inventory: Inventory,
    lines: Sequence[Line],
    *,
    side: str,
    account: str,
    known: set[str],
) -> list[tuple[Line, str]]:
    """Look through what the vendor holds beside the jobs of the map.

    Our own reference tells for certain; so does the journal, which knows the SHA-256 of what its
    jobs carried. A stranger's job of the same file name and size may be another document. What we
    carried on purpose more than once to the vendor that the documents come from is no finding.

    Args:
        journal: the durable record.
        inventory: what the vendor holds.
        lines: of the map.
        side: ``from`` or ``to``.
        account: within which the vendor's job ids are unique.
        known: the jobs of the map.
    """
    found: list[tuple[Line, str]] = []
    by_batch: defaultdict[str, list[Line]] = defaultdict(list)
    by_digest: defaultdict[str, list[Line]] = defaultdict(list)
    by_look: defaultdict[tuple[str, int], list[Line]] = defaultdict(list)
    for line in lines:
        if line[side]["batch_id"]:
            by_batch[line[side]["batch_id"]].append(line)
        if line["sha256"]:
            by_digest[line["sha256"]].append(line)
        by_look[line["name"], line["size"]].append(line)
    for held in inventory.holdings:
        over = held.status is not None and held.status.state in _LEFT_NOTHING
        if held.job is None or held.job in known or over:
            continue
        batch = _batch_of(held)
        if batch in by_batch:
            words = f"job {held.job} carries the reference of the same batch"
            found += [(line, words) for line in by_batch[batch]]
            continue
        digests = await _digests(journal, held.job, account)
        if digests is not None and side == "from":
            continue
        if digests is not None:
            words = f"job {held.job} of this journal carried the same document"
            found += [(by_digest[d][0], words) for d in digests if d in by_digest]
        elif held.name and held.size is not None and (held.name, held.size) in by_look:
            words = f"job {held.job} has a document of the same name and size"
            found.append((by_look[held.name, held.size][0], words))
    return found


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
        if record.document.sha256 and record.outcome not in _NEVER_THERE
    ]
