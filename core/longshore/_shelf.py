"""What may be too much for the memory: lists and tables in a temporary database.

SQLite keeps a few megabytes of it in memory, the rest in a file without a name (below ``TMPDIR``,
else ``/var/tmp``), which is gone when it is closed or the process ends, however it ends.
"""

from __future__ import annotations

import pickle
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, overload

from longshore.errors import JournalError

__all__ = ["Scratch", "Shelf"]

T = TypeVar("T")

_PAGE = 256
"""Entries of a shelf that are read at a time."""

_SHOWN = 10
"""Entries of a shelf that are printed."""

_SETTINGS = (
    "PRAGMA journal_mode = OFF",  # nothing is ever rolled back
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -4000",  # KiB
)


class Scratch:
    """A temporary database.

    Args:
        schema: statements that make its tables.
    """

    def __init__(self, *schema: str) -> None:
        # A plan is made in several threads, one after the other, and read in others.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._db.close)
        for statement in (*_SETTINGS, *schema, "BEGIN"):
            self.do(statement)

    def do(self, statement: str, *values: object) -> int:
        """Do a statement; returns how many rows it changed.

        Raises:
            JournalError: the disk is full, or cannot be written.
        """
        with _told():
            return self._db.execute(statement, values).rowcount

    def rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Yield what a query finds.

        Raises:
            JournalError: it cannot be read.
        """
        with _told():
            yield from self._db.execute(query, values)

    def first(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """Return the first row that a query finds; None if it finds none.

        Raises:
            JournalError: it cannot be read.
        """
        with _told():
            found: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return found


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(
            f"temporary files cannot be used: {error}",
            hint="make room below /var/tmp, or name another directory with TMPDIR",
        ) from error


class Shelf(Sequence[T]):
    """A list that takes any number of entries; they are copies of what was put there."""

    def __init__(self, entries: Iterable[T] = ()) -> None:
        self._scratch = Scratch("CREATE TABLE entries (place INTEGER PRIMARY KEY, entry BLOB)")
        self._count = 0
        self.extend(entries)

    def append(self, entry: T) -> None:
        """Put an entry behind the others."""
        self._scratch.do("INSERT INTO entries VALUES (?, ?)", self._count, pickle.dumps(entry))
        self._count += 1

    def extend(self, entries: Iterable[T]) -> None:
        """Put entries behind the others."""
        for entry in entries:
            self.append(entry)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        for begin in range(0, self._count, _PAGE):
            yield from self[begin : begin + _PAGE]

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        places = range(self._count)[place]
        if isinstance(places, int):
            return self._read(places, places)[0]
        if places.step != 1:
            return [self[one] for one in places]
        return self._read(places.start, places.stop - 1)

    def _read(self, first: int, last: int) -> list[T]:
        query = "SELECT entry FROM entries WHERE place BETWEEN ? AND ? ORDER BY place"
        # nobody else can have written what is read here
        return [pickle.loads(entry) for (entry,) in self._scratch.rows(query, first, last)]  # noqa: S301

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as any list

    def __repr__(self) -> str:
        # short: asyncio.run() has what a task returned written in full, and throws it away
        shown = [repr(entry) for entry in self[:_SHOWN]]
        if len(self) > _SHOWN:
            shown.append(f"and {len(self) - _SHOWN} more")
        return f"[{', '.join(shown)}]"
