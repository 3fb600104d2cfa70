"""Telling the listener about each document once in a command."""

from __future__ import annotations

from longshore.journal import DocumentRecord, UnitRecord
from longshore.pipeline._engine import Engine
from longshore.pipeline._events import DocumentFinished

__all__ = ["Teller", "Told"]


class Told:
    """Remembers documents of a run: one bit each, by its place.

    Attributes:
        count: how many there are.
    """

    def __init__(self) -> None:
        self._bits = bytearray()
        self.count = 0

    def add(self, record: DocumentRecord) -> bool:
        """Remember a document; returns whether it is a new one."""
        byte, bit = divmod(record.place, 8)
        self._bits.extend(bytes(max(byte + 1 - len(self._bits), 0)))
        known = self._bits[byte] >> bit & 1
        self._bits[byte] |= 1 << bit
        self.count += 1 - known
        return not known

    def __contains__(self, record: DocumentRecord) -> bool:
        byte, bit = divmod(record.place, 8)
        return byte < len(self._bits) and bool(self._bits[byte] >> bit & 1)


class Teller:
    """Tells the listener about documents, each once.

    Attributes:
        told: which ones.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.told = Told()

    def tell(self, record: DocumentRecord, unit: UnitRecord | None) -> None:
        """Tell the listener about a document, unless this command already did."""
        if self.told.add(record):
            self._engine.emit(DocumentFinished(self._engine.run, record, unit))
