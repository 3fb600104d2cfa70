"""The tables of the SQLite journal, and how an older journal becomes a current one.

Records are kept whole as JSON; a column of its own has only what is searched, sorted or counted.
"""

from __future__ import annotations

import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from longshore.errors import JournalError

__all__ = ["check_owner", "prepare_schema", "version_of"]

APPLICATION_ID = 0x4C53484A  # "LSHJ": tells our file from any other SQLite database

_FIRST = (
    """CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        account TEXT NOT NULL,
        target TEXT NOT NULL,
        created_at REAL NOT NULL,
        record TEXT NOT NULL
    )""",
    # seq: equally urgent units go in the order in which they were planned
    """CREATE TABLE units (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        attempt INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        settled INTEGER NOT NULL,
        at REAL NOT NULL,
        job_id TEXT,
        record TEXT NOT NULL
    )""",
    "CREATE INDEX units_of_run ON units (run_id, id)",
    "CREATE INDEX units_due ON units (run_id, at) WHERE settled = 0",
    "CREATE INDEX units_of_job ON units (job_id) WHERE job_id IS NOT NULL",
    """CREATE TABLE documents (
        run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        id TEXT NOT NULL,
        unit_id TEXT,
        outcome TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (run_id, seq),
        UNIQUE (run_id, id)
    )""",
    "CREATE INDEX documents_of_unit ON documents (unit_id, seq) WHERE unit_id IS NOT NULL",
    "CREATE INDEX documents_by_outcome ON documents (run_id, outcome)",
    """CREATE TABLE facts (
        unit_id TEXT NOT NULL REFERENCES units (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        flow TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (unit_id, kind, attempt, flow, name)
    ) WITHOUT ROWID""",
    "CREATE INDEX facts_open ON facts (flow, name) WHERE kind = 'intent'",
    # Without a reference: a claim outlives its run, or the job could be claimed once more.
    """CREATE TABLE claims (
        account TEXT NOT NULL,
        job_id TEXT NOT NULL,
        unit_id TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (account, job_id)
    ) WITHOUT ROWID""",
    "CREATE INDEX claims_by_time ON claims (account, at)",
    # AUTOINCREMENT: an id that was dealt with never comes again as something else.
    """CREATE TABLE abandoned (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        unit_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        session TEXT NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        at REAL NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX abandoned_of_run ON abandoned (run_id)",
    """CREATE TABLE mailbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        verb TEXT NOT NULL,
        body TEXT NOT NULL,
        posted_at REAL NOT NULL
    )""",
    "CREATE INDEX mailbox_of_run ON mailbox (run_id)",
)

# One entry per version, never edited once released: entry n leads from version n to n + 1.
_VERSIONS = (_FIRST,)

SCHEMA_VERSION = len(_VERSIONS)


def prepare_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables, or bring those of an older version up to date, in one transaction.

    Raises:
        JournalError: see ``version_of``.
    """
    if version_of(connection, path) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statements in _VERSIONS[version_of(connection, path) :]:  # another process may be faster
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('written_by', ?)", (_our_version(),))
    connection.execute("COMMIT")


def check_owner(owner: int, path: Path, *, empty: bool) -> None:
    """Refuse a database that is not ours.

    Args:
        owner: its ``application_id``.
        path: of its file.
        empty: it has no tables.

    Raises:
        JournalError: it is another program's.
    """
    if owner != APPLICATION_ID and (owner or not empty):
        raise JournalError(
            f"{path} is another program's database, not a journal",
            hint="name another file with --journal",
        )


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return a journal's version, 0 for an empty file; changes nothing.

    Raises:
        JournalError: another program's database, or written by a newer version.
    """
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    check_owner(owner, path, empty=not tables)
    if found > SCHEMA_VERSION:
        query = "SELECT value FROM meta WHERE name = 'written_by'"
        (writer,) = connection.execute(query).fetchone() or ("a newer version",)
        raise JournalError(
            f"{path} was written by longshore {writer} (journal version {found}); "
            f"this is {_our_version()} (journal version {SCHEMA_VERSION})",
            hint=f"upgrade longshore to {writer} or newer, or name another file with --journal",
        )
    return found


def _our_version() -> str:
    try:
        return version("longshore")
    except PackageNotFoundError:
        return "unknown"
