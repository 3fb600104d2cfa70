"""Records as rows: every statement that touches runs, units and documents.

All functions work within a transaction of their caller.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from longshore._model import Frozen
from longshore.errors import ClaimTaken, RunNotFound, StaleEpoch
from longshore.journal._facts import drop_facts, facts_of, put_fact
from longshore.journal._json import changed, dump, load, parse
from longshore.journal._records import (
    BesidesUnit,
    ChangeDocument,
    ChangeUnit,
    ClaimJob,
    Counters,
    DocumentRecord,
    DropFacts,
    DropMail,
    PutFact,
    QueueAbort,
    RunRecord,
    Taken,
    UnitRecord,
    Write,
)
from longshore.lifecycle import Outcome

__all__ = [
    "add_documents", "add_run", "add_units", "change", "change_run", "commit", "cost",
    "find_run", "forget_some", "known", "reopen", "size", "take", "unit_row",
]  # fmt: skip

# What has a column of its own, in the order of the statements that write all of them.
_OF_UNIT = ("attempt", "epoch", "outcome", "settled", "at", "job_id")
_OF_DOCUMENT = ("unit_id", "outcome")

_TABLES: dict[type[Frozen], tuple[str, str, tuple[str, ...]]] = {
    RunRecord: ("runs", "id = ?", ()),  # its columns stay
    UnitRecord: ("units", "id = ?", _OF_UNIT),
    DocumentRecord: ("documents", "run_id = ? AND id = ?", _OF_DOCUMENT),
}
"""Where records are: in which table, by which key, and what has a column beside them."""


# ---------------------------------------------------------------------- changes


def change(
    connection: sqlite3.Connection,
    model: type[Frozen],
    key: tuple[str, ...],
    changes: Mapping[str, object],
    *,
    text: str | None = None,
) -> bool:
    """Change fields of a record, which may be known as its text; tell whether it is there."""
    table, where, names = _TABLES[model]
    if text is None:
        query = f"SELECT record FROM {table} WHERE {where}"  # noqa: S608 - our own words
        row = connection.execute(query, key).fetchone()
        text = row[0] if row else None
    if text is None:
        return False
    columns = _columns(names, changes)
    values = (*columns.values(), changed(model, text, changes), *key)
    connection.execute(_update(table, tuple(columns), where), values)
    return True


def _columns(names: tuple[str, ...], fields: Mapping[str, object]) -> dict[str, object]:
    """Return what has a column of its own."""
    # str() of an enum takes a seventh of the time of ``.value``
    return {
        name: str(fields[name]) if name == "outcome" else fields[name]
        for name in names
        if name in fields
    }


@cache
def _update(table: str, columns: tuple[str, ...], where: str) -> str:
    """Name only what changes: SQLite writes every index of a column that is named."""
    named = ", ".join(f"{column} = ?" for column in (*columns, "record"))
    return f"UPDATE {table} SET {named} WHERE {where}"  # noqa: S608 - our own words


# ---------------------------------------------------------------------- runs


def add_run(connection: sqlite3.Connection, run: RunRecord) -> None:
    """Write a new run and its ``prepare`` unit."""
    connection.execute(
        "INSERT INTO runs (id, account, target, created_at, record) VALUES (?, ?, ?, ?, ?)",
        (run.id, run.account, run.target, run.created_at, dump(run)),
    )
    add_units(connection, [UnitRecord(id=run.id, run_id=run.id, created_at=run.created_at)])


def change_run(connection: sqlite3.Connection, run_id: str, changes: Mapping[str, object]) -> None:
    """Change fields of a run, but for those that have a column: they stay."""
    if not change(connection, RunRecord, (run_id,), changes):
        raise RunNotFound(f"no run {run_id!r}")


def find_run(connection: sqlite3.Connection, beginning: str) -> RunRecord:
    """Return the run of this id, or the only one whose id begins like this; not like nothing."""
    rows = connection.execute(
        # no LIKE: it has wildcards and takes a for A; the id itself comes before longer ones
        "SELECT id, record FROM runs WHERE id >= :first AND id < :first || char(1114111)"
        " ORDER BY id LIMIT 2",
        {"first": beginning},
    ).fetchall()
    if not (rows and beginning):
        raise RunNotFound(f"no run {beginning!r}", hint="longshore status lists all runs")
    if len(rows) > 1 and rows[0][0] != beginning:
        raise RunNotFound(f"{beginning!r} is ambiguous", hint="type more of the run's id")
    return parse(RunRecord, rows[0][1])


def forget_some(connection: sqlite3.Connection, run_id: str, limit: int) -> bool:
    """Delete some of a run's documents with their batches, or the run when there are none.

    What is left is a smaller run, as whole as before.

    Returns:
        Whether something is left.

    Raises:
        RunNotFound: there is no such run.
    """
    query = "SELECT rowid, unit_id FROM documents WHERE run_id = ? ORDER BY seq LIMIT ?"
    if page := connection.execute(query, (run_id, limit)).fetchall():
        units = {(unit_id,) for _, unit_id in page if unit_id is not None}
        rows = [(row,) for row, _ in page]
        connection.executemany("DELETE FROM documents WHERE rowid = ?", rows)
        connection.executemany("DELETE FROM documents WHERE unit_id = ?", units)
        connection.executemany("DELETE FROM units WHERE id = ?", units)
    elif not connection.execute("DELETE FROM runs WHERE id = ?", (run_id,)).rowcount:
        raise RunNotFound(f"no run {run_id!r}")
    return bool(page)


# ---------------------------------------------------------------------- units


def add_units(connection: sqlite3.Connection, units: Iterable[UnitRecord]) -> None:
    """Write new units."""
    connection.executemany(
        "INSERT INTO units (id, run_id, attempt, epoch, outcome, settled, at, job_id, record)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (unit.id, unit.run_id, *_columns(_OF_UNIT, vars(unit)).values(), dump(unit))
            for unit in units
        ],
    )


def unit_row(connection: sqlite3.Connection, unit_id: str) -> UnitRecord:
    """Return a unit.

    Raises:
        RunNotFound: there is none.
    """
    row = connection.execute("SELECT record FROM units WHERE id = ?", (unit_id,)).fetchone()
    if row is None:
        raise _no_unit(unit_id)
    return parse(UnitRecord, row[0])


def _no_unit(unit_id: str) -> RunNotFound:
    return RunNotFound(
        f"the journal holds no batch {unit_id}", hint="was its run forgotten meanwhile?"
    )


def take(connection: sqlite3.Connection, unit_id: str) -> Taken:
    """Raise the epoch and return all that is known."""
    unit = unit_row(connection, unit_id)
    unit = unit.changed({"epoch": unit.epoch + 1})
    connection.execute(_update("units", ("epoch",), "id = ?"), (unit.epoch, dump(unit), unit_id))
    return _with_all(connection, unit)


def reopen(connection: sqlite3.Connection, run_id: str, sooner: float) -> int:
    """Look again at batches that nobody looks at by themselves; count what is not settled."""
    found = connection.execute(
        "SELECT id FROM units WHERE run_id = ? AND id <> run_id"
        " AND (outcome IN (?, ?) OR (outcome = ? AND settled = 1))",
        (run_id, str(Outcome.NEEDS_ACTION), str(Outcome.UNKNOWN), str(Outcome.RUNNING)),
    )
    for (unit_id,) in found.fetchall():
        change(connection, UnitRecord, (unit_id,), {"settled": False, "at": 0.0})
    if sooner > 0:
        query = "SELECT record FROM units WHERE run_id = ? AND settled = 0"
        for (record,) in connection.execute(query, (run_id,)).fetchall():
            unit = parse(UnitRecord, record)
            change(connection, UnitRecord, (unit.id,), unit.sooner(sooner), text=record)
    query = "SELECT count(*) FROM units WHERE run_id = ? AND settled = 0 AND id <> run_id"
    count: int = connection.execute(query, (run_id,)).fetchone()[0]
    return count


def known(connection: sqlite3.Connection, unit_id: str) -> Taken:
    """Return a unit with its documents and facts."""
    return _with_all(connection, unit_row(connection, unit_id))


def _with_all(connection: sqlite3.Connection, unit: UnitRecord) -> Taken:
    documents = connection.execute(
        "SELECT record FROM documents WHERE unit_id = ? AND run_id = ? ORDER BY seq",
        (unit.id, unit.run_id),
    )
    return Taken(
        unit,
        tuple(parse(DocumentRecord, text) for (text,) in documents),
        facts_of(connection, unit.id),
    )


def cost(connection: sqlite3.Connection, run_id: str) -> Counters:
    """Sum up the counters; nothing else of the records is looked at."""
    mine = "FROM units WHERE run_id = ?"
    names = ("bytes_sent", "requests", "retries")
    sums = (f"coalesce(sum(json_extract(record, '$.counters.{name}')), 0)" for name in names)
    counts = connection.execute(f"SELECT {', '.join(sums)} {mine}", (run_id,)).fetchone()
    troubles: Counter[str] = Counter()
    told = "json_extract(record, '$.counters.troubles')"
    some = """instr(record, '"troubles":{}') = 0"""  # few have any
    for (text,) in connection.execute(f"SELECT {told} {mine} AND {some}", (run_id,)):
        troubles.update(load(text))
    return Counters(**dict(zip(names, counts, strict=True)), troubles=dict(troubles))


# ---------------------------------------------------------------------- documents


def add_documents(connection: sqlite3.Connection, records: Iterable[DocumentRecord]) -> None:
    """Write new documents behind those that their runs have already."""
    places: dict[str, int] = {}
    rows: list[tuple[object, ...]] = []
    for record in records:
        run_id = record.run_id
        if run_id not in places:
            query = "SELECT coalesce(max(seq) + 1, 0) FROM documents WHERE run_id = ?"
            (places[run_id],) = connection.execute(query, (run_id,)).fetchone()
        columns = _columns(_OF_DOCUMENT, vars(record)).values()
        rows.append((run_id, places[run_id], record.document.id, *columns, dump(record)))
        places[run_id] += 1
    connection.executemany(
        "INSERT INTO documents (run_id, seq, id, unit_id, outcome, record)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )


def size(connection: sqlite3.Connection, run_id: str) -> int:
    """Sum up the documents that travel with a batch."""
    query = (
        "SELECT coalesce(sum(json_extract(record, '$.document.size')), 0) FROM documents"
        " WHERE run_id = ? AND unit_id IS NOT NULL"
    )
    total: int = connection.execute(query, (run_id,)).fetchone()[0]
    return total


# ---------------------------------------------------------------------- commits


def commit(
    connection: sqlite3.Connection, unit_id: str, epoch: int, writes: Sequence[Write]
) -> None:
    """Do all writes of a unit's executor; the caller undoes them when one is refused."""
    query = "SELECT epoch, run_id, record FROM units WHERE id = ?"
    row = connection.execute(query, (unit_id,)).fetchone()
    if row is None:
        raise _no_unit(unit_id)
    if row[0] != epoch:
        raise StaleEpoch(f"batch {unit_id} was taken over by another executor")
    changes: dict[str, object] = {}
    for write in writes:
        if isinstance(write, ChangeUnit):
            changes |= write.changes
        else:
            _write(connection, row[1], unit_id, write)
    if changes:
        change(connection, UnitRecord, (unit_id,), changes, text=row[2])


def _write(connection: sqlite3.Connection, run_id: str, unit_id: str, write: BesidesUnit) -> None:
    match write:
        case PutFact(fact):
            put_fact(connection, unit_id, fact)
        case DropFacts():
            drop_facts(connection, unit_id, write)
        case ChangeDocument(document_id, changes):
            change(connection, DocumentRecord, (run_id, document_id), changes)
        case ClaimJob():
            _claim(connection, unit_id, write)
        case QueueAbort(attempt, session):
            connection.execute(
                "INSERT INTO abandoned (run_id, unit_id, attempt, session) VALUES (?, ?, ?, ?)",
                (run_id, unit_id, attempt, dump(session)),
            )
        case DropMail(id):
            connection.execute("DELETE FROM mailbox WHERE id = ?", (id,))


def _claim(connection: sqlite3.Connection, unit_id: str, claim: ClaimJob) -> None:
    written = connection.execute(
        "INSERT INTO claims (account, job_id, unit_id, at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, job_id)"
        " DO UPDATE SET unit_id = excluded.unit_id, at = excluded.at WHERE claims.at < ?",
        (claim.account, claim.job_id, unit_id, claim.at, claim.planned_at),
    )
    if written.rowcount:
        return
    query = "SELECT unit_id FROM claims WHERE account = ? AND job_id = ?"
    (owner,) = connection.execute(query, (claim.account, claim.job_id)).fetchone()
    if owner != unit_id:
        raise ClaimTaken(f"job {claim.job_id} belongs to another batch")
