"""Documents whose digest is known before they are planned: what a migration and a route share."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from longshore.documents import Document
from longshore.pipeline import Candidate, capabilities_of
from longshore.planning import reasons_against
from longshore.targets import Target

__all__ = ["Checked", "bucket", "in_order", "taker"]

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_BEGUN = 64
"""Most sources of which each is being hashed, waits for its turn, or for one before it."""


@dataclass(frozen=True, slots=True)
class Checked(Candidate):
    """A candidate whose digest is known already.

    Attributes:
        known: as it was when it was hashed.
        label: what the user knows it by, if that is not its path.
    """

    known: Document | None = field(default=None, compare=False, repr=False)
    label: str = ""

    @property
    def shown(self) -> str:
        """The path as it may be printed and kept."""
        return self.label or Candidate.shown.__get__(self)

    def document(self, id: str) -> Document:
        """Describe the file; its digest counts as long as its marks are the same.

        Raises:
            DocumentError: it is missing or cannot be read.
        """
        document = Candidate.document(self, id)
        if self.known is None or self.known.fingerprint != document.fingerprint:
            return document
        return document.changed({"sha256": self.known.sha256})


async def in_order(
    work: Callable[[ItemT], Coroutine[Any, Any, ResultT]], items: Iterable[ItemT]
) -> AsyncIterator[ResultT]:
    """Do a work for each item, some at a time, and yield what comes of it in the items' order."""
    begun: deque[asyncio.Task[ResultT]] = deque()
    try:
        for item in items:
            begun.append(asyncio.create_task(work(item)))
            if len(begun) == _BEGUN:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


def bucket(salt: str, document: Document) -> float:
    """Place a document by its SHA-256 between 0 and 1: evenly, and always at the same place.

    The salt makes two choices independent of each other.
    """
    digest = hashlib.sha256(f"{salt}:{document.sha256 or document.source}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def taker(target: Target) -> Callable[[Document], bool]:
    """Return what tells of a document whether a target takes it."""
    capabilities = capabilities_of(target.provider).for_upload()
    return lambda document: not reasons_against(document, capabilities)
