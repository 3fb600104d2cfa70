"""Handing documents over to another target while theirs cannot take any.

Only batches that are not begun are handed over: no request of theirs left, or all that left were
refused, so nothing of them can be there. What was begun stays, and so does whatever is unknown.

Each batch is given up in one commit, then the other target's run is planned. A crash between the
two leaves documents that are given up and planned nowhere; they are found again, because the run
that gave them up is not finished, and planned then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from longshore.documents import Document
from longshore.errors import AccountError
from longshore.journal import (
    ChangeDocument,
    ChangeUnit,
    DocumentRecord,
    ErrorInfo,
    FactKind,
    Journal,
    RunRecord,
    Taken,
    Write,
    documents_of,
    units_of,
)
from longshore.lifecycle import Outcome, Session
from longshore.migrate._checked import Checked, taker
from longshore.migrate._shelf import Shelf
from longshore.pipeline import is_open
from longshore.targets import Target

__all__ = ["HANDED_OVER", "count_unplaced", "give_up", "note_placed", "orphans", "shared_among"]

HANDED_OVER = "fallback"
"""The ``error.kind`` of a document that another target carries instead."""

_PLACED = "placed"
"""The note of a run that says how many of the documents it gave up were planned elsewhere."""

_BEGUN = frozenset({FactKind.INTENT, FactKind.ANSWER, FactKind.RECEIPT, FactKind.JOB})


async def give_up(
    journal: Journal, run: RunRecord, to: Target, trouble: AccountError
) -> Sequence[DocumentRecord]:
    """Give up every batch of a run that was not begun and that another target takes.

    The caller holds the run.

    Args:
        journal: the durable record.
        run: whose account is in trouble.
        to: the other target.
        trouble: why.

    Returns:
        The documents that were given up, as they stand now.
    """
    takes = taker(to)
    why = ErrorInfo(kind=HANDED_OVER, message=f"carried to {to.name} instead: {trouble.message}")
    given_up = Shelf[DocumentRecord]()
    async for unit in units_of(journal, run.id):
        if unit.settled or unit.job_id is not None or unit.outcome is not Outcome.RUNNING:
            continue
        (taken,) = await journal.take(unit.id)
        if not _untouched(taken) or not all(takes(one.document) for one in taken.documents):
            continue
        changes = {"outcome": Outcome.SKIPPED, "error": why}
        writes: list[Write] = [ChangeUnit({**changes, "settled": True})]
        writes += [ChangeDocument(record.document.id, changes) for record in taken.documents]
        await journal.commit(unit.id, taken.unit.epoch, writes)
        given_up.extend(record.changed(changes) for record in taken.documents)
    return given_up


def _untouched(taken: Taken) -> bool:
    """Tell whether nothing of a batch can be at the vendor.

    A request that was refused leaves no fact; one that may have arrived leaves its intent. Where
    a vendor has no sessions, the one in the journal is only a list of what is to be sent.
    """
    return not any(
        fact.kind in _BEGUN
        or (fact.kind is FactKind.SESSION and is_open(Session.model_validate(fact.value)))
        for fact in taken.facts
        if fact.attempt == taken.unit.attempt
    )


async def count_unplaced(journal: Journal, run_id: str) -> int:
    """Count what a run gave up since ``note_placed``.

    What was placed before is not looked for: the run that carried it may be forgotten by now.
    """
    notes, count = (await journal.run(run_id)).notes, 0
    async for record in documents_of(journal, run_id):
        count += _is_given_up(record)
    return count - int(str(notes.get(_PLACED, 0)))


async def note_placed(journal: Journal, run_id: str, count: int) -> None:
    """Note that other runs are planned for so many more of the documents that a run gave up."""
    notes = (await journal.run(run_id)).notes
    placed = int(str(notes.get(_PLACED, 0)))
    await journal.change_run(run_id, notes={**notes, _PLACED: placed + count})


async def orphans(journal: Journal, run_id: str) -> Sequence[Checked]:
    """Find the documents that a run gave up and that no other run was planned for.

    The caller holds the run: so whatever is not planned whole now will never be, and is forgotten.
    """
    placed: Counter[tuple[str, str]] = Counter()
    for other in await journal.runs():
        if other.notes.get("instead_of") != run_id:
            continue
        if not other.planned:
            await journal.forget_run(other.id)
            continue
        async for record in documents_of(journal, other.id):
            placed[_mark(record.document)] += 1
    found = Shelf[Checked]()
    async for record in documents_of(journal, run_id):
        document = record.document
        if not _is_given_up(record):
            continue
        if placed[_mark(document)] > 0:
            placed[_mark(document)] -= 1
            continue
        found.append(
            Checked(
                document.source,
                document.name,
                document.media_type,
                known=document,
                label=record.path,
            )
        )
    return found


def _is_given_up(record: DocumentRecord) -> bool:
    return record.error is not None and record.error.kind == HANDED_OVER


def shared_among(
    targets: Iterable[Target], candidates: Iterable[Checked]
) -> list[tuple[Target, Sequence[Checked]]]:
    """Give each document to the first target that takes it; to the first one, if none does."""
    shares = [(target, taker(target), Shelf[Checked]()) for target in targets]
    for one in candidates:
        assert one.known is not None
        known = one.known
        _, _, share = next((entry for entry in shares if entry[1](known)), shares[0])
        share.append(one)
    return [(target, share) for target, _, share in shares if share]


def _mark(document: Document) -> tuple[str, str]:
    return document.source, document.name
