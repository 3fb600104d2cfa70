"""Handing documents over to another target while theirs cannot take any.

Only batches that are not begun are handed over: no request of theirs left, or all that left were
refused, so nothing of them can be there. What was begun stays, and so does whatever is unknown.

Each batch is given up in one commit, then the other target's run is planned, then each document is
marked as handed over. A crash before the last leaves documents that are given up and not marked:
the next call looks whether a run is planned for them, before it executes any, and plans the rest.
So a mark outlives the run that it is about, which somebody may forget.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from longshore._shelf import Scratch, Shelf
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
from longshore.pipeline import is_open
from longshore.targets import Target

__all__ = ["HANDED_OVER", "catch_up", "give_up", "note_placed", "orphans", "shared_among"]

HANDED_OVER = "fallback"
"""The ``error.kind`` of a document that another target carries instead."""

_GIVEN_UP = "given_up"
"""The same of one that another target is to carry, and none is known to be planned for."""

_NOTED = "noted"
"""The note of a fallback's run whose documents are all marked where they were given up."""

_PAGE = 500
"""Documents that are marked in one commit."""

_BEGUN = frozenset({FactKind.INTENT, FactKind.ANSWER, FactKind.RECEIPT, FactKind.JOB})


async def give_up(journal: Journal, run: RunRecord, to: Target, trouble: AccountError) -> int:
    """Give up every batch of a run that was not begun and that another target takes.

    The caller holds the run.

    Args:
        journal: the durable record.
        run: whose account is in trouble.
        to: the other target.
        trouble: why.

    Returns:
        How many documents were given up.
    """
    takes, given_up = taker(to), 0
    hint = "another target is to carry it; where that was interrupted: longshore resume"
    error = ErrorInfo(kind=_GIVEN_UP, message=trouble.message, hint=hint)
    changes = {"outcome": Outcome.SKIPPED, "error": error}
    async for unit in units_of(journal, run.id):
        if unit.settled or unit.job_id is not None or unit.outcome is not Outcome.RUNNING:
            continue
        (taken,) = await journal.take(unit.id)
        if not _untouched(taken) or not all(takes(one.document) for one in taken.documents):
            continue
        writes: list[Write] = [ChangeUnit({**changes, "settled": True})]
        writes += [ChangeDocument(record.document.id, changes) for record in taken.documents]
        await journal.commit(unit.id, taken.unit.epoch, writes)
        given_up += len(taken.documents)
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


async def catch_up(journal: Journal, run_id: str) -> None:
    """Do what a killed call left undone for the runs that step in for one.

    The caller holds the run: so whatever is not planned whole now will never be, and is forgotten.
    """
    for other in await journal.runs():
        if other.notes.get("instead_of") != run_id:
            continue
        if not other.planned:
            await journal.forget_run(other.id)
        elif not other.notes.get(_NOTED):
            await note_placed(journal, run_id, other)


async def note_placed(journal: Journal, run_id: str, other: RunRecord) -> Sequence[DocumentRecord]:
    """Mark what a run gave up and another one is planned for.

    Returns:
        The documents that were marked, as they stand now.
    """
    placed = Scratch(
        "CREATE TABLE placed (source TEXT, name TEXT, left INT, PRIMARY KEY (source, name))"
    )
    async for record in documents_of(journal, other.id):
        placed.do(
            "INSERT INTO placed VALUES (?, ?, 1)"
            " ON CONFLICT (source, name) DO UPDATE SET left = left + 1",
            *_known_by(record),
        )
    marked, changes = Shelf[DocumentRecord](), dict[str, Mapping[str, object]]()
    count_down = "UPDATE placed SET left = left - 1 WHERE source = ? AND name = ? AND left > 0"
    async for record in documents_of(journal, run_id):
        if not _is_given_up(record) or not placed.do(count_down, *_known_by(record)):
            continue
        changes[record.document.id] = change = {"error": _handed_over(record, other)}
        marked.append(record.changed(change))
        if len(changes) == _PAGE:
            await journal.change_documents(run_id, changes)
            changes = {}
    await journal.change_documents(run_id, changes)
    await journal.change_run(other.id, notes={**other.notes, _NOTED: True})
    return marked


def _handed_over(record: DocumentRecord, other: RunRecord) -> ErrorInfo:
    why = f": {record.error.message}" if record.error else ""
    return ErrorInfo(kind=HANDED_OVER, message=f"carried to {other.target} instead{why}")


def _known_by(record: DocumentRecord) -> tuple[str, str]:
    return record.document.source, record.document.name


async def orphans(journal: Journal, run_id: str) -> Sequence[Checked]:
    """Find the documents that a run gave up and that no other run was planned for."""
    found = Shelf[Checked]()
    if not (await journal.outcomes(run_id)).get(Outcome.SKIPPED):
        return found
    async for record in documents_of(journal, run_id):
        document = record.document
        if _is_given_up(record):
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
    return record.error is not None and record.error.kind == _GIVEN_UP


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
