"""The map of identities, written as documents are carried: JSON Lines, or SQLite by its suffix.

The journal is the truth; a map can always be written again from it. So a line is given to the
operating system at once, and to the disk only at the end.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from longshore._shelf import Scratch
from longshore.errors import UsageError

__all__ = ["Line", "Map", "open_map", "read_map"]

Line: TypeAlias = Mapping[str, Any]
"""``path``, ``sha256``, ``name``, ``size``, ``from``, ``to``, ``error``; see the how-to."""

_SQLITE = (".sqlite", ".sqlite3", ".db")
_SIDES = ("from", "to")
_COLUMNS = ("target", "provider", "run_id", "batch_id", "job_id", "document_id", "state")
_FIELDS = ("path", "sha256", "name", "size", *_SIDES, "error")
_BEGIN = '{"path": "'
"""How each line of a map begins."""


class Map(Protocol):
    """Takes lines; one that is there already is not written twice."""

    def put(self, line: Line) -> None:
        """Write a line, or replace the one of the same path and SHA-256."""
        ...


@contextmanager
def open_map(path: Path, to: str) -> Iterator[Map]:
    """Open a map for writing; what is in it stays.

    Args:
        path: the file.
        to: the target that its documents go to.

    Raises:
        UsageError: the file holds something else, or cannot be written.
    """
    opened: Callable[[Path], Any] = _Table if _is_sqlite(path) else _Lines
    existed = path.exists()
    if existed and not _is_empty(path):
        _check(path, to)
    try:
        made = opened(path)
        try:
            yield made
        except BaseException:
            if not existed and made.empty:
                path.unlink(missing_ok=True)  # nothing was begun: leave nothing behind
            raise
        finally:
            made.close()
    except (OSError, sqlite3.Error) as error:
        words = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: {words}", hint="choose another file for the map") from None


def read_map(path: Path) -> Iterator[Line]:
    """Read a map.

    Raises:
        UsageError: there is none, or the file holds something else.
    """
    if not path.is_file():
        words = "this is no file" if path.exists() else "there is no such file"
        raise UsageError(f"{path}: {words}", hint="longshore migrate --map FILE")
    try:
        if _is_sqlite(path):
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                yield from _rows(db)
        else:
            yield from (line for line, _ in _lines(path))
    except (OSError, sqlite3.Error) as error:
        raise UsageError(f"{path}: {error}", hint="is it a map?") from None


def _check(path: Path, to: str) -> None:
    """Make sure that a file is a map, and that of a migration to this target."""
    for line in read_map(path):
        other = line["to"]["target"]
        if other != to:
            raise UsageError(
                f"{path} is the map of a migration to {other!r}",
                hint="choose another file for the map",
            )


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


def _is_sqlite(path: Path) -> bool:
    return path.suffix.lower() in _SQLITE


def _key(line: Line) -> tuple[str, str]:
    return str(line["path"]), str(line["sha256"] or "")


# ------------------------------------------------------------------------------ JSON Lines


def _lines(path: Path) -> Iterator[tuple[Line, str]]:
    """Yield the whole lines of a file; what a kill left of the last one is passed over."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for number, text in enumerate(file, 1):
            whole = text.endswith("\n")
            line = _parsed(text)
            if line is None and (whole or (number == 1 and not _is_torn(text))):
                raise UsageError(
                    f"{path}, line {number}: this is no map of a migration",
                    hint="choose another file",
                )
            if line is None or not whole:
                return
            yield line, text


def _parsed(text: str) -> Line | None:
    """Read a line; None for what is none, such as one that somebody else wrote."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or not all(name in line for name in _FIELDS):
        return None
    sides = (line["to"], line["from"] or line["to"])  # where it comes from may be unknown
    return line if isinstance(line["path"], str) and all(map(_is_side, sides)) else None


def _is_side(value: Any) -> bool:
    return isinstance(value, dict) and all(name in value for name in _COLUMNS)


def _is_torn(text: str) -> bool:
    """Tell whether a text may be what a kill left of a line: then it is no whole value, either."""
    try:
        json.loads(text)
    except ValueError:
        return _BEGIN.startswith(text[: len(_BEGIN)])
    return False


def _open_alone(path: Path) -> FileIO:
    """Open a file to append to, which nobody else does until it is closed.

    Raises:
        UsageError: somebody does already.
    """
    while True:
        file = path.open("ab", buffering=0)
        try:
            with suppress(OSError):  # a disk without locks
                _lock(file, path)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
        except BaseException:
            file.close()
            raise
        file.close()  # whoever had it has put another file in its place


def _lock(file: FileIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"{path} is in use: another migration writes it",
            hint="wait until that has ended, or choose another file for the map",
        ) from None


class _Lines:
    """Appends; what changed is put in its place at the end, by a file that replaces this one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = Scratch(
            "CREATE TABLE known (path TEXT, sha256 TEXT, mark INTEGER, changed TEXT,"
            " PRIMARY KEY (path, sha256)) WITHOUT ROWID"
        )
        self._changed = False
        self._file = _open_alone(path)
        try:
            self._file.truncate(self._read())
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> int:
        """Take in what is there; returns how many bytes of it are whole lines."""
        whole = 0
        for line, text in _lines(self._path):
            self._know(_key(line), text)
            whole += len(text.encode())
        return whole

    def put(self, line: Line) -> None:
        key, text = _key(line), json.dumps(line, ensure_ascii=False) + "\n"
        row = self._known.first("SELECT mark FROM known WHERE path = ? AND sha256 = ?", *key)
        if row is None:
            self._append(text.encode())
            self._know(key, text)
        elif row[0] != hash(text):
            self._know(key, text, changed=text)
            self._changed = True

    def _append(self, line: bytes) -> None:
        """Write a line in one call: a kill, or a full disk, leaves all of it, or a torn end."""
        if self._file.write(line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _know(self, key: tuple[str, str], text: str, *, changed: str | None = None) -> None:
        statement = "INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?)"
        self._known.do(statement, *key, hash(text), changed)

    def _now(self, key: tuple[str, str]) -> str | None:
        """Return the line that a line has become; None if it is the same."""
        query = "SELECT changed FROM known WHERE path = ? AND sha256 = ?"
        row = self._known.first(query, *key)
        return row[0] if row else None

    @property
    def empty(self) -> bool:
        return self._known.first("SELECT 1 FROM known LIMIT 1") is None

    def close(self) -> None:
        with self._file:
            os.fsync(self._file.fileno())
            if self._changed:
                self._replace()

    def _replace(self) -> None:
        folder = self._path.absolute().parent
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                for line, text in _lines(self._path):
                    file.write(self._now(_key(line)) or text)
                file.flush()
                os.fsync(file.fileno())
            with suppress(OSError):
                Path(name).chmod(self._path.stat().st_mode & 0o777)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


# ---------------------------------------------------------------------------------- SQLite

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS documents (
    path TEXT NOT NULL, sha256 TEXT NOT NULL, name TEXT, size INTEGER,
    {", ".join(f"{side}_{column} TEXT" for side in _SIDES for column in _COLUMNS)},
    error TEXT,
    PRIMARY KEY (path, sha256)
)
"""


class _Table:
    """One row for each document."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute(_SCHEMA)  # first: a kill leaves a map, or an empty file
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # whole after a kill, whatever was lost

    @property
    def empty(self) -> bool:
        return self._db.execute("SELECT 1 FROM documents LIMIT 1").fetchone() is None

    def put(self, line: Line) -> None:
        values = [*_key(line), line["name"], line["size"]]
        for side in _SIDES:
            values += [(line[side] or {}).get(column) for column in _COLUMNS]
        values.append(json.dumps(line["error"]) if line["error"] else None)
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT OR REPLACE INTO documents VALUES ({marks})", values)  # noqa: S608

    def close(self) -> None:
        with suppress(sqlite3.OperationalError):  # somebody reads it: the log stays beside it
            self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.close()


def _rows(db: sqlite3.Connection) -> Iterator[Line]:
    db.row_factory = sqlite3.Row
    for row in db.execute("SELECT * FROM documents ORDER BY path, sha256"):
        sides = {side: {column: row[f"{side}_{column}"] for column in _COLUMNS} for side in _SIDES}
        yield {
            "path": row["path"],
            "sha256": row["sha256"] or None,
            "name": row["name"],
            "size": row["size"],
            "from": sides["from"] if sides["from"]["target"] else None,
            "to": sides["to"],
            "error": json.loads(row["error"]) if row["error"] else None,
        }
