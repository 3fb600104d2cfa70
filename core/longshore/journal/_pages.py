"""Reading a run from its beginning to its end, a page at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection

from longshore.journal._port import Journal
from longshore.journal._records import DocumentRecord, UnitRecord

__all__ = ["beside_units", "documents_of", "units_of", "with_units"]


async def documents_of(journal: Journal, run_id: str) -> AsyncIterator[DocumentRecord]:
    """Yield the documents of a run, in their order."""
    async for page in _pages(journal, run_id):
        for record in page:
            yield record


async def _pages(journal: Journal, run_id: str) -> AsyncIterator[list[DocumentRecord]]:
    after = -1
    while page := await journal.documents(run_id, after=after):
        after = page[-1][0]
        yield [record for _, record in page]


async def with_units(
    journal: Journal, run_id: str, wanted: Callable[[DocumentRecord], bool] | None = None
) -> AsyncIterator[tuple[DocumentRecord, UnitRecord | None]]:
    """Yield the (wanted) documents of a run with their batches; a refused document has none."""
    async for page in _pages(journal, run_id):
        records = [record for record in page if wanted is None or wanted(record)]
        for found in await beside_units(journal, records):
            yield found


async def beside_units(
    journal: Journal, records: Collection[DocumentRecord]
) -> list[tuple[DocumentRecord, UnitRecord | None]]:
    """Return some documents with their batches."""
    ids = {record.unit_id for record in records if record.unit_id is not None}
    # asked for at once: one after the other, each would wait for the journal's thread
    units = {unit.id: unit for unit in await asyncio.gather(*map(journal.unit, ids))}
    return [(record, units[record.unit_id] if record.unit_id else None) for record in records]


async def units_of(
    journal: Journal, run_id: str, *, amiss: bool = False
) -> AsyncIterator[UnitRecord]:
    """Yield the batches of a run (that are amiss), in the order of their ids."""
    after = ""
    while page := await journal.units(run_id, after=after, amiss=amiss):
        after = page[-1].id
        for unit in page:
            yield unit
