"""Connections to the journal's file, and what SQLite's errors mean for a user."""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from threading import Lock
from weakref import WeakSet

from longshore.errors import JournalError
from longshore.journal._locks import opening
from longshore.journal._place import keep_private
from longshore.journal._schema import check_owner, prepare_schema, version_of
from longshore.journal._wal import check_log

__all__ = ["journal_error", "open_database"]

_BUSY_SECONDS = 30.0
_MAGIC = b"SQLite format 3\0"
_HEAD = 105  # bytes: the header, and of the page of the tables' names how many there are


class _Connection(sqlite3.Connection):
    """A connection that knows its file, and the process that opened it."""

    path: Path
    process: int
    open = True

    def close(self) -> None:
        self.open = False
        super().close()


# SQLite's locks belong to the process: whoever has the file open here must not open it otherwise.
_CONNECTIONS: WeakSet[_Connection] = WeakSet()
_ONE_AT_A_TIME = Lock()


def open_database(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open or create a journal.

    Args:
        path: as ``prepare_place`` returned it.

    Returns:
        A connection that writes and one that reads.

    Raises:
        JournalError: it is no journal, or cannot be used; the message says why.
    """
    with _ONE_AT_A_TIME, ExitStack() as undo:
        try:
            ours = [other for other in list(_CONNECTIONS) if other.open and other.path == path]
            _check_inherited(ours, path)
            alone = not ours
            if alone:
                _check_kind(path)  # before a lock folder is made beside it
            with opening(path):
                if alone:
                    check_log(path)
                writer = undo.enter_context(closing(_connect(path)))
                _configure(writer)
                version_of(writer, path)  # before anything is written: it may not be ours
                _use_wal(writer, path)
                prepare_schema(writer, path)
                keep_private(path)
            reader = undo.enter_context(closing(_connect(path)))
            _configure(reader)
            reader.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise journal_error(error, path) from error
        undo.pop_all()
    return writer, reader


def _check_inherited(connections: list[_Connection], path: Path) -> None:
    """Refuse a file on which SQLite believes, in a forked process, to have the parent's locks.

    Where the parent closes it, the log would be taken away under this process.
    Source: sqlite.org/howtocorrupt.html, "Carrying an open database connection across a fork".
    """
    if any(connection.process != os.getpid() for connection in connections):
        raise JournalError(
            f"the journal {path} was open when this process was forked",
            hint="close it, and clients, before the fork, or start processes with `spawn`",
        )


def _check_kind(path: Path) -> None:
    """Look at the first page. Not to be called while this process has the journal open.

    Whose it is and its tables come into the file together, so that a journal never looks like
    another program's. Layout: sqlite.org/fileformat2.html, "Database Header", "B-tree Pages".
    """
    head = b""
    with suppress(OSError), path.open("rb") as file:  # SQLite will say what is wrong
        head = file.read(_HEAD)
    if head and not head.startswith(_MAGIC):
        words, hint = _MEANINGS[sqlite3.SQLITE_NOTADB]
        raise JournalError(words.format(path=path), hint=hint)
    if len(head) == _HEAD:
        owner, tables = int.from_bytes(head[68:72], signed=True), int.from_bytes(head[103:105])
        check_owner(owner, path, empty=not tables)


def _connect(path: Path) -> sqlite3.Connection:
    # every transaction is begun explicitly; each connection serves one thread after the other
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=_Connection,
    )
    connection.path, connection.process = path, os.getpid()
    _CONNECTIONS.add(connection)
    return connection


def _configure(connection: sqlite3.Connection) -> None:
    for pragma in (
        "synchronous = FULL",  # NORMAL may roll back the last commits when the power fails
        "fullfsync = ON",  # macOS: fsync alone does not reach the disk there
        "foreign_keys = ON",
        "secure_delete = ON",  # what is deleted may hold upload tokens and signed URLs
    ):
        connection.execute(f"PRAGMA {pragma}")


def _use_wal(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise JournalError(
            f"the disk of {path} cannot hold a journal (no write-ahead log: {mode})",
            hint="name a file on a local disk with --journal",
        )


def journal_error(error: sqlite3.Error, path: Path) -> JournalError:
    """Say what an error of SQLite means and what to do about it."""
    code = getattr(error, "sqlite_errorcode", 0)
    # No room for the shared memory is the one full disk that has another name.
    code = sqlite3.SQLITE_FULL if code == sqlite3.SQLITE_IOERR_SHMSIZE else code & 0xFF
    said, no_text, _ = str(error).partition(" with text ")  # which follows, with all it may hold
    code = sqlite3.SQLITE_CORRUPT if no_text or said == "malformed JSON" else code
    message, hint = _MEANINGS.get(code, ("the journal {path} cannot be used: {error}", ""))
    return JournalError(message.format(path=path, error=said), hint=hint)


_MEANINGS = {
    sqlite3.SQLITE_FULL: (
        "the disk is full: the journal {path} cannot grow; what it holds is safe",
        "free some space, then run: longshore resume; if that finds nothing, the command again",
    ),
    sqlite3.SQLITE_NOTADB: (
        "{path} is not a journal (not a SQLite database)",
        "name another file with --journal",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the journal {path} is damaged: {error}",
        "keep the file; save what can be read with: sqlite3 FILE .recover",
    ),
    sqlite3.SQLITE_READONLY: (
        "the journal {path} may not be written",
        "check who owns the file and its directory",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "the journal {path} cannot be opened",
        "check who owns the file and its directory",
    ),
    sqlite3.SQLITE_BUSY: (
        "another process keeps the journal {path} locked",
        "end the program that holds it open, or try again",
    ),
    sqlite3.SQLITE_IOERR: (
        "the disk of the journal {path} does not work as it should: {error}",
        "check the disk, then run: longshore resume; if that finds nothing, the command again",
    ),
}
