"""Telling the listener about each document once in a command."""

from __future__ import annotations

from longshore.journal import DocumentRecord, UnitRecord
from longshore.pipeline._engine import Engine
from longshore.pipeline._events import DocumentFinished

__all__ = ["Teller"]


class Teller:
    """Remembers which documents were told of: one bit each, by its place in the run.

    Attributes:
        count: how many were told of.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told = bytearray()
        self.count = 0

    def tell(self, record: DocumentRecord, unit: UnitRecord | None) -> None:
        """Tell the listener about a document, unless this command already did."""
        byte, bit = divmod(record.place, 8)
        if self.told(record):
            return
        self._told.extend(bytes(max(byte + 1 - len(self._told), 0)))
        self._told[byte] |= 1 << bit
        self.count += 1
        self._engine.emit(DocumentFinished(self._engine.run, record, unit))

    def told(self, record: DocumentRecord) -> bool:
        """Tell whether the listener knows about a document."""
        byte, bit = divmod(record.place, 8)
        return byte < len(self._told) and bool(self._told[byte] >> bit & 1)
