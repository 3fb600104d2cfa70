"""Planning a run: from what the user named to durable batches.

And a second look after ``prepare``, against the limits that the vendor itself told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from longshore.capabilities import Capabilities
from longshore.documents import Document
from longshore.errors import DocumentError, DocumentRefused
from longshore.journal import (
    ChangeDocument,
    ChangeUnit,
    DocumentRecord,
    ErrorInfo,
    Journal,
    RunRecord,
    Taken,
    UnitRecord,
    Write,
    documents_of,
    units_of,
)
from longshore.lifecycle import Outcome
from longshore.pipeline._existing import Existing
from longshore.pipeline._intake import Candidate
from longshore.planning import Group, Refusal, group, part_size_for, reasons_against

__all__ = ["Plan", "PlannedBatch", "enqueue", "plan", "recheck"]

_CHUNK = 500
"""Batches in one commit; what is held in memory at a time."""

_STRICT = ErrorInfo(
    kind="strict",
    message="not sent, because another document is refused (--strict)",
    hint="mend or leave out what is refused, or drop --strict",
)


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """Documents that will travel together.

    Attributes:
        paths: as the user knows them, in the order of the documents.
    """

    documents: tuple[Document, ...]
    part_size: int
    paths: tuple[str, ...]


@dataclass(slots=True)
class Plan:
    """What a run would do, summed up; no list of documents is kept here.

    Attributes:
        batches: vendor submissions.
        documents: that can go.
        size: bytes of those.
        parts: transfers of a piece, where documents are cut; 0 where they go whole.
        refused: path and every reason, per document that cannot go.
        skipped: documents that the target took before.
    """

    batches: int = 0
    documents: int = 0
    size: int = 0
    parts: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    skipped: int = 0

    def add(self, planned: PlannedBatch | DocumentRecord, capabilities: Capabilities) -> None:
        """Count one batch, one refusal, or one document that is there already."""
        if isinstance(planned, DocumentRecord) and planned.outcome is Outcome.SKIPPED:
            self.skipped += 1
            return
        if isinstance(planned, DocumentRecord):
            self.refused.append((planned.path, planned.error.message if planned.error else ""))
            return
        self.batches += 1
        self.documents += len(planned.documents)
        for document in planned.documents:
            self.size += document.size
            rule = capabilities.parts
            if rule is not None and document.size > rule.above:
                size = part_size_for(document.size, rule, planned.part_size)
                self.parts += -(-document.size // size)


def plan(
    candidates: Iterable[Candidate],
    capabilities: Capabilities,
    *,
    run_id: str,
    target: str,
    new_id: Callable[[], str],
    part_size: int | None = None,
    batch_size: int | None = None,
    existing: Existing | None = None,
) -> Iterator[PlannedBatch | DocumentRecord]:
    """Plan documents as they are found; yields batches, and records of those that do not go.

    Those are the refused ones, and what the target took before where ``existing`` is given.
    """
    paths: dict[str, str] = {}

    def found() -> Iterator[Document | DocumentRecord]:
        for candidate in candidates:
            id = new_id()
            try:
                document = candidate.document(id)
                known = existing.digest(document) if existing is not None else None
            except DocumentError as error:
                info = ErrorInfo(kind=error.kind, message=error.message, hint=error.hint)
                yield _refused(run_id, candidate.stub(id), candidate.shown, info)
                continue
            if known is not None:
                there = document.changed({"sha256": known})
                yield _skipped(run_id, there, candidate.shown)
                continue
            paths[id] = candidate.shown
            yield document

    for planned in group(found(), capabilities, part_size=part_size, batch_size=batch_size):
        match planned:
            case Refusal(document, reasons):
                yield _refused(run_id, document, paths.pop(document.id), _why(target, reasons))
            case Group(documents, size):
                named = tuple(paths.pop(document.id) for document in documents)
                yield PlannedBatch(documents, size, named)
            case known:
                yield known


def _why(target: str, reasons: tuple[str, ...]) -> ErrorInfo:
    hint = f"`longshore providers show {target}` lists what the vendor takes"
    return ErrorInfo(kind=DocumentRefused.kind, message="; ".join(reasons), hint=hint)


def _refused(run_id: str, document: Document, path: str, info: ErrorInfo) -> DocumentRecord:
    return DocumentRecord(
        document=document, run_id=run_id, path=path, outcome=Outcome.REFUSED, error=info
    )


def _skipped(run_id: str, document: Document, path: str) -> DocumentRecord:
    return DocumentRecord(document=document, run_id=run_id, path=path, outcome=Outcome.SKIPPED)


async def enqueue(
    journal: Journal,
    run: RunRecord,
    planned: Iterable[PlannedBatch | DocumentRecord],
    *,
    new_id: Callable[[], str],
    now: float,
    strict: bool,
) -> None:
    """Make a plan durable, some hundred batches at a time.

    With ``strict``, one refused document refuses them all.
    """
    units: list[UnitRecord] = []
    documents: list[DocumentRecord] = []
    place, refused = 0, False
    for item in planned:
        if isinstance(item, DocumentRecord):
            refused = refused or item.outcome is Outcome.REFUSED
            documents.append(item.changed({"place": place}))
            place += 1
        else:
            unit = UnitRecord(
                id=new_id(),
                run_id=run.id,
                documents=len(item.documents),
                part_size=item.part_size,
                created_at=now,
            )
            units.append(unit)
            for document, path in zip(item.documents, item.paths, strict=True):
                documents.append(
                    DocumentRecord(
                        document=document, run_id=run.id, unit_id=unit.id, path=path, place=place
                    )
                )
                place += 1
        if len(documents) >= _CHUNK:
            await journal.enqueue(units, documents)
            units, documents = [], []
    await journal.enqueue(units, documents)
    if strict and refused:
        await _refuse_all(journal, run)
    await journal.change_run(run.id, planned=True)


async def recheck(
    journal: Journal, run: RunRecord, capabilities: Capabilities, *, strict: bool
) -> None:
    """Refuse, after ``prepare``, what breaks the limits that the vendor itself told."""
    refused, looked_at = False, ""

    def against(record: DocumentRecord) -> ErrorInfo | None:
        reasons = reasons_against(record.document, capabilities)
        return _why(run.target, reasons) if reasons else None

    async for record in documents_of(journal, run.id):
        refused |= record.outcome is Outcome.REFUSED  # also by who was interrupted here
        if record.unit_id is None or record.unit_id == looked_at:
            continue  # the documents of a batch stand together
        if against(record):
            looked_at = record.unit_id
            refused |= await _refuse(journal, looked_at, against)
    if strict and refused:
        await _refuse_all(journal, run)
    await journal.change_run(run.id, checked=True)


async def _refuse_all(journal: Journal, run: RunRecord) -> None:
    async for unit in units_of(journal, run.id):
        await _refuse(journal, unit.id, lambda _: _STRICT)


async def _refuse(
    journal: Journal, unit_id: str, against: Callable[[DocumentRecord], ErrorInfo | None]
) -> bool:
    """Refuse documents of a batch, and the batch with the last; tell whether any was.

    Nothing of a batch that was begun: the vendor knows of it.
    """
    if _begun(await journal.facts(unit_id)):  # it is not taken from whoever moves it
        return False
    (taken,) = await journal.take(unit_id)
    if _begun(taken):
        return False
    found = {r.document.id: error for r in taken.documents if (error := against(r)) is not None}
    alone = len(found) == len(taken.documents)
    writes: list[Write] = [ChangeUnit({"settled": True, "outcome": Outcome.REFUSED})] * alone
    for id, error in found.items():
        changes = {"outcome": Outcome.REFUSED, "error": error}
        writes.append(ChangeDocument(id, changes if alone else {**changes, "unit_id": None}))
    await journal.commit(unit_id, taken.unit.epoch, writes)
    return True


def _begun(taken: Taken) -> bool:
    unit = taken.unit  # what is known of earlier attempts is history: they were given up
    known = any(fact.attempt == unit.attempt for fact in taken.facts)
    return known or unit.settled or unit.accepted_at is not None
