"""Documents whose bytes are in memory, and may change while they are sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from longshore.documents import Document
from longshore.errors import SourceChanged, SourceMissing
from longshore.transfer import Source

__all__ = ["MemorySources", "sha256_of"]


@lru_cache(maxsize=1024)
def sha256_of(content: bytes) -> str:
    """Return the SHA-256 of a document, the same few in every history."""
    return hashlib.sha256(content).hexdigest()


class MemorySources:
    """Documents by their id.

    Attributes:
        contents: what each holds now.
        touched: ids of those that are not what was planned.
        altered: of those, the ones whose bytes changed; the others are only gone.
    """

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.contents = dict(contents)
        self._planned = contents
        self.touched: set[str] = set()
        self.altered: set[str] = set()
        self._deleted: dict[str, bytes] = {}

    def open(self, document: Document) -> _MemorySource:
        """Open a document."""
        if document.id not in self.contents:
            raise SourceMissing(f"{document.name}: gone", document=document.id)
        return _MemorySource(self, document.id)

    async def digest(self, document: Document) -> str:
        """Return the SHA-256 of a document."""
        self.open(document).check()
        return sha256_of(self._planned[document.id])

    def touch(self, id: str, how: str) -> None:
        """Change a file under our hands: ``changed``, ``cut`` or ``deleted``."""
        content = self.contents[id]
        self.touched.add(id)
        if how == "deleted":
            self._deleted[id] = self.contents.pop(id)
            return
        self.altered.add(id)
        if how == "cut":
            self.contents[id] = content[: len(content) // 2]
        else:
            self.contents[id] = bytes(byte ^ 1 for byte in content)

    def held(self, id: str) -> bytes:
        """Return the bytes that an open file has now, although its name may be gone."""
        return self.contents[id] if id in self.contents else self._deleted[id]


class _MemorySource:
    """An open document; like an open file it outlives its deletion."""

    def __init__(self, sources: MemorySources, id: str) -> None:
        self._sources = sources
        self._id = id

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def check(self) -> None:
        """Compare with what was planned."""
        if self._id in self._sources.altered:  # also when it was deleted after that
            raise SourceChanged(f"{self._id}: the file changed", document=self._id)

    def read(self, offset: int, size: int) -> bytes:
        return self._sources.held(self._id)[offset : offset + size]
