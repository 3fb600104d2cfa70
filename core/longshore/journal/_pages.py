"""Reading a run from its beginning to its end, a page at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from longshore.journal._port import Journal
from longshore.journal._records import DocumentRecord, UnitRecord

__all__ = ["documents_of", "units_of", "with_units"]


async def documents_of(journal: Journal, run_id: str) -> AsyncIterator[DocumentRecord]:
    """Yield the documents of a run, in their order."""
    after = -1
    while page := await journal.documents(run_id, after=after):
        after = page[-1][0]
        for _, record in page:
            yield record


async def with_units(
    journal: Journal, run_id: str, wanted: Callable[[DocumentRecord], bool] | None = None
) -> AsyncIterator[tuple[DocumentRecord, UnitRecord | None]]:
    """Yield the (wanted) documents of a run with their batches; a refused document has none.

    The documents of a batch stand together, so each batch is read about once.
    """
    unit: UnitRecord | None = None
    async for record in documents_of(journal, run_id):
        if wanted is not None and not wanted(record):
            continue
        if record.unit_id is None:
            yield record, None
            continue
        if unit is None or unit.id != record.unit_id:
            unit = await journal.unit(record.unit_id)
        yield record, unit


async def units_of(journal: Journal, run_id: str) -> AsyncIterator[UnitRecord]:
    """Yield the batches of a run, in the order of their ids."""
    after = ""
    while page := await journal.units(run_id, after=after):
        after = page[-1].id
        for unit in page:
            yield unit
