"""Handing documents over to another target while theirs cannot take any.

Only batches that are not begun are handed over: no request of theirs left, or all that left were
refused, so nothing of them can be there. What was begun stays, and so does whatever is unknown.

Each batch is given up in one commit, then the other target's run is planned. A crash between the
two leaves documents that are given up and planned nowhere; they are found again, because the run
that gave them up is not finished, and planned then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from longshore.capabilities import Capabilities
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
from longshore.migrate._select import Checked
from longshore.planning import reasons_against

__all__ = ["HANDED_OVER", "give_up", "orphans"]

HANDED_OVER = "fallback"
"""The ``error.kind`` of a document that another target carries instead."""

_BEGUN = frozenset({FactKind.INTENT, FactKind.ANSWER, FactKind.RECEIPT, FactKind.JOB})


async def give_up(
    journal: Journal, run: RunRecord, to: str, capabilities: Capabilities, trouble: AccountError
) -> list[DocumentRecord]:
    """Give up every batch of a run that was not begun and that another target takes.

    The caller holds the run.

    Args:
        journal: the durable record.
        run: whose account is in trouble.
        to: the other target.
        capabilities: what that takes.
        trouble: why.

    Returns:
        The documents that were given up, as they stand now.
    """
    why = ErrorInfo(kind=HANDED_OVER, message=f"carried to {to} instead: {trouble.message}")
    given_up: list[DocumentRecord] = []
    async for unit in units_of(journal, run.id):
        if unit.settled or unit.job_id is not None or unit.outcome is not Outcome.RUNNING:
            continue
        taken = await journal.take(unit.id)
        if not _untouched(taken) or not _takes(capabilities, taken.documents):
            continue
        changes = {"outcome": Outcome.SKIPPED, "error": why}
        writes: list[Write] = [ChangeUnit({**changes, "settled": True})]
        writes += [ChangeDocument(record.document.id, changes) for record in taken.documents]
        await journal.commit(unit.id, taken.unit.epoch, writes)
        given_up += [record.model_copy(update=changes) for record in taken.documents]
    return given_up


def _untouched(taken: Taken) -> bool:
    """Tell whether nothing of a batch can be at the vendor.

    A request that was refused leaves no fact; one that may have arrived leaves its intent. Where
    a vendor has no sessions, the one in the journal is only a list of what is to be sent.
    """
    return not any(
        fact.kind in _BEGUN
        or (fact.kind is FactKind.SESSION and not _bare(Session.model_validate(fact.value)))
        for fact in taken.facts
        if fact.attempt == taken.unit.attempt
    )


def _bare(session: Session) -> bool:
    urls = any(transfer.url for transfer in session.transfers)
    return not (session.data or session.secrets or urls)


def _takes(capabilities: Capabilities, records: Sequence[DocumentRecord]) -> bool:
    return not any(reasons_against(record.document, capabilities) for record in records)


async def orphans(
    journal: Journal, run: RunRecord, successors: Sequence[RunRecord]
) -> list[Checked]:
    """Find the documents that a run gave up and that none of its successors has."""
    placed: Counter[tuple[str, str]] = Counter()
    for successor in successors:
        async for record in documents_of(journal, successor.id):
            placed[_mark(record.document)] += 1
    found: list[Checked] = []
    async for record in documents_of(journal, run.id):
        if record.error is None or record.error.kind != HANDED_OVER:
            continue
        document = record.document
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


def _mark(document: Document) -> tuple[str, str]:
    return document.source, document.name
