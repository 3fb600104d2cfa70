"""Bytes that may lie in memory or on disk: what bodies, parts and documents are made of."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path

CHUNK = 1 << 20


class SpoolFile:
    """One file of a `Spool`: removed as soon as no blob refers to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        weakref.finalize(self, _remove, path)

    def read(self, offset: int, size: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(size)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


class Spool:
    """A temporary directory for bodies too large for memory; empty until the first one comes."""

    def __init__(self, parent: str | os.PathLike[str] | None = None) -> None:
        self._parent = parent
        self._directory: Path | None = None
        self._count = 0

    def new_path(self) -> Path:
        """Return the path of a file that does not exist yet."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="longshore-sandbox-", dir=self._parent))
            self._finalizer = weakref.finalize(self, shutil.rmtree, self._directory, True)
        self._count += 1
        return self._directory / f"body-{self._count}"

    def close(self) -> None:
        """Remove the directory and everything in it."""
        if self._directory is not None:
            self._finalizer()
            self._directory = None


_Span = tuple["bytes | SpoolFile", int, int]


class Blob:
    """An immutable run of bytes: in memory, in spooled files, or a join of both.

    Slices and joins copy nothing; digests are computed when first asked for, piece by piece.
    """

    __slots__ = ("_digests", "_spans", "size")

    def __init__(self, data: bytes = b"") -> None:
        self._spans: tuple[_Span, ...] = ((data, 0, len(data)),) if data else ()
        self.size = len(data)
        self._digests: dict[str, str] = {}

    @classmethod
    def _of(cls, spans: Iterable[_Span]) -> Blob:
        blob = cls()
        blob._spans = tuple(spans)
        blob.size = sum(length for _, _, length in blob._spans)
        return blob

    @classmethod
    def spooled(cls, path: Path) -> Blob:
        """Take over a file of a `Spool`: it is removed with the last blob that refers to it."""
        return cls._of([(SpoolFile(path), 0, path.stat().st_size)])

    @classmethod
    def join(cls, blobs: Iterable[Blob]) -> Blob:
        """Put blobs one after the other without copying a byte."""
        return cls._of(span for blob in blobs for span in blob._spans)  # noqa: SLF001

    def slice(self, offset: int, size: int | None = None) -> Blob:
        """Return `size` bytes from `offset` on (all that follow by default) as a blob."""
        end = self.size if size is None else min(self.size, offset + size)
        return self._of(self._between(offset, end))

    def _between(self, start: int, end: int) -> Iterator[_Span]:
        at = 0
        for source, offset, length in self._spans:
            low, high = max(start, at), min(end, at + length)
            if low < high:
                yield source, offset + low - at, high - low
            at += length
            if at >= end:
                return

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """Return `size` bytes from `offset` on (all that follow by default)."""
        end = self.size if size is None else min(self.size, offset + size)
        if len(self._spans) == 1:  # nearly always
            source, begin, _ = self._spans[0]
            return _load((source, begin + offset, max(end - offset, 0)))
        return b"".join(_load(span) for span in self._between(offset, end))

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """Yield the bytes in order, at most `size` at a time."""
        for source, offset, length in self._spans:
            for at in range(0, length, size):
                yield _load((source, offset + at, min(size, length - at)))

    def find(self, needle: bytes, start: int = 0) -> int:
        """Return the first offset of `needle` at or after `start`, or -1."""
        if len(self._spans) == 1 and isinstance(data := self._spans[0][0], bytes):
            _, offset, length = self._spans[0]
            found = data.find(needle, offset + start, offset + length)
            return found - offset if found >= 0 else -1
        tail, at = b"", start
        for chunk in self.slice(start).chunks():
            window = tail + chunk
            found = window.find(needle)
            if found >= 0:
                return at - len(tail) + found
            at += len(chunk)
            tail = window[max(0, len(window) - len(needle) + 1) :]
        return -1

    def digest(self, algorithm: str) -> str:
        """Return the hex digest by `hashlib` name."""
        if algorithm not in self._digests:
            state = hashlib.new(algorithm, usedforsecurity=False)
            for chunk in self.chunks():
                state.update(chunk)
            self._digests[algorithm] = state.hexdigest()
        return self._digests[algorithm]

    @property
    def sha256(self) -> str:
        """The SHA-256 in lower-case hex."""
        return self.digest("sha256")

    @property
    def md5(self) -> str:
        """The MD5 in lower-case hex."""
        return self.digest("md5")

    def __bytes__(self) -> bytes:
        return self.read()

    def __len__(self) -> int:
        return self.size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Blob):
            return NotImplemented
        return self.size == other.size and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"Blob({self.size} bytes)"


def _load(span: _Span) -> bytes:
    source, offset, length = span
    if isinstance(source, SpoolFile):
        return source.read(offset, length)
    return source if length == len(source) else source[offset : offset + length]
