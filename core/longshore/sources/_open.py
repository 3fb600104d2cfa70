"""Opening any document, wherever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self

from longshore.documents import Document, Fingerprint, SourceFile
from longshore.errors import SourceUnreadable
from longshore.sources._remote import RemoteFile
from longshore.urls import is_absolute

__all__ = ["SMALL", "OpenDocument", "digest_of", "is_small", "open_document"]

SMALL = 1 << 16
"""Bytes: a document this small is hashed (40 us) sooner than a thread is woken."""


class OpenDocument(Protocol):
    """What can be done with an open document.

    Attributes:
        proved: the marks with which it is known to be the planned one.
    """

    proved: Fingerprint | None

    def check(self) -> None:
        """Raise ``SourceChanged`` when it is no longer the planned one."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Read up to ``size`` bytes at ``offset``; fewer only at its end."""
        ...

    def sha256(self, between: Callable[[], None] | None = None) -> str:
        """Hash all of it; what ``between`` raises before a chunk ends that."""
        ...

    def close(self) -> None:
        """Close it; closing twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


def open_document(document: Document) -> OpenDocument:
    """Open a document: a local file by its path, anything else by its URL.

    Raises:
        SourceMissing: the file is gone.
        SourceUnreadable: it may not be read.
    """
    return RemoteFile(document) if is_absolute(document.source) else SourceFile(document)


def is_small(document: Document, most: int = SMALL) -> bool:
    """Tell whether a document is hashed at once: a local one of no more than so many bytes."""
    return document.size <= most and not is_absolute(document.source)


def digest_of(document: Document, between: Callable[[], None] | None = None) -> str:
    """Hash a document, and make sure that it did not change meanwhile.

    Args:
        document: to be hashed.
        between: called before each chunk; what it raises ends the hashing.

    Raises:
        DocumentError: it is gone, cannot be read, or is not the planned one any more.
    """
    with open_document(document) as source:
        source.check()
        try:
            value = source.sha256(between)
        except OSError as error:
            words = f"{document.source}: {error.strerror or error}"
            raise SourceUnreadable(words, document=document.id) from error
        source.check()
    return value
