"""Which documents a command told of; what is left to tell when a second signal ends it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore.journal import DocumentRecord, Journal, RunRecord
    from longshore.pipeline import DocumentFinished

__all__ = ["Told"]


class Told:
    """Remembers which documents of a run were told of: a byte each, by its place in the run."""

    def __init__(self) -> None:
        self._places = bytearray()

    def note(self, record: DocumentRecord) -> None:
        """Remember one."""
        self._places.extend(bytes(max(record.place + 1 - len(self._places), 0)))
        self._places[record.place] = True

    def _knows(self, record: DocumentRecord) -> bool:
        return record.place < len(self._places) and bool(self._places[record.place])

    async def rest(self, journal: Journal, run: RunRecord) -> AsyncIterator[DocumentFinished]:
        """Yield the documents of a run that nobody told of, as the journal knows them."""
        from longshore.journal import with_units
        from longshore.pipeline import DocumentFinished

        async for record, unit in with_units(journal, run.id, lambda one: not self._knows(one)):
            yield DocumentFinished(run, record, unit)
