"""One document for each file that is named, however often it is: as `cp` does, and says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b

from longshore._shelf import Scratch
from longshore.pipeline._intake import Candidate, find_documents
from longshore.urls import is_absolute

__all__ = ["find_once"]


def find_once(paths: Sequence[str], tell: Callable[[str], object]) -> Iterator[Candidate]:
    """Expand what a user named, and leave out what was named before; a link is a name of its own.

    A manifest is taken line by line: it was written by a program, and may have millions of them.

    Args:
        paths: see ``find_documents``.
        tell: is told, at the end, what was left out.

    Raises:
        UsageError: a directory holds no file, a glob matches none, or a manifest is malformed.
        ConfigurationError: a package for a URL is missing.
    """
    found = find_documents(paths)
    if len(paths) == 1 or "-" in paths:  # a folder or a glob gives each file once
        return found
    return _once(found, tell)


def _once(found: Iterator[Candidate], tell: Callable[[str], object]) -> Iterator[Candidate]:
    again, example, places = 0, "", _Places()
    for candidate in found:
        if places.add(candidate.path):
            yield candidate
        else:
            again, example = again + 1, candidate.shown
    if again == 1:
        tell(f"{example} is named more than once; it goes once")
    elif again:
        tell(f"{again} names stand there again, such as {example}; each file goes once")


class _Places:
    """Remembers files: there may be too many for the memory."""

    def __init__(self) -> None:
        self._scratch = Scratch("CREATE TABLE places (place BLOB PRIMARY KEY) WITHOUT ROWID")
        self._real = lru_cache(64)(os.path.realpath)  # many files lie in one folder

    def add(self, path: str) -> bool:
        """Remember a file; tell whether it is a new one.

        Raises:
            JournalError: the disk of temporary files is full.
        """
        place = self._place(path).encode(errors="surrogatepass")
        digest = blake2b(place, digest_size=16).digest()
        return bool(self._scratch.do("INSERT OR IGNORE INTO places VALUES (?)", digest))

    def _place(self, path: str) -> str:
        if is_absolute(path):
            return path
        folder, name = os.path.split(path)
        with suppress(ValueError):  # no name at all: it holds a NUL
            folder = self._real(folder)
        return f"{folder}/{name}"
