"""The journal in one SQLite file: one thread writes in groups, one reads beside it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import JsonValue

from longshore._model import Frozen
from longshore.documents import Document
from longshore.journal import _rows
from longshore.journal._database import open_database
from longshore.journal._json import dump, load, parse
from longshore.journal._locks import hold_run
from longshore.journal._place import default_journal_path, prepare_place
from longshore.journal._records import (
    Abandoned,
    Counters,
    DocumentRecord,
    Message,
    RunRecord,
    Taken,
    UnitRecord,
    Write,
)
from longshore.journal._worker import Work, Worker
from longshore.lifecycle import Outcome

__all__ = ["SQLiteJournal", "open_journal"]

T = TypeVar("T")
RecordT = TypeVar("RecordT", bound=Frozen)


@asynccontextmanager
async def open_journal(path: Path | None = None) -> AsyncIterator[SQLiteJournal]:
    """Open the journal at a path (default: ``default_journal_path()``) and close it afterwards.

    Raises:
        JournalError: it cannot be used; the message says why.
    """
    journal = SQLiteJournal(path or default_journal_path())
    try:
        yield journal
    finally:
        await journal.close()


class SQLiteJournal:
    """The port, kept in a SQLite file on a local disk.

    Several processes may have it open; each run has one executor (``lock_run``).

    Args:
        path: the file; created with mode 0600, its directory with 0700.

    Raises:
        JournalError: it cannot be used; the message says why.
    """

    def __init__(self, path: Path) -> None:
        self.path = path = prepare_place(path)
        writes, reads = open_database(path)
        self._writer = Worker(writes, path, writes=True)
        self._reader = Worker(reads, path, writes=False)

    def _write(self, work: Work[T]) -> Coroutine[Any, Any, T]:
        return self._writer.do(work)

    def _read(self, work: Work[T]) -> Coroutine[Any, Any, T]:
        return self._reader.do(work)

    async def _select(self, query: str, *values: object, **named: object) -> list[tuple[Any, ...]]:
        given = named or values
        return await self._read(lambda connection: connection.execute(query, given).fetchall())

    async def _records(
        self, model: type[RecordT], query: str, **values: object
    ) -> tuple[RecordT, ...]:
        # parsed in the thread: a page of records would hold up the loop
        def work(connection: sqlite3.Connection) -> tuple[RecordT, ...]:
            rows = connection.execute(query, values)
            return tuple(parse(model, text) for (text,) in rows)

        return await self._read(work)

    async def _change(self, statement: str, *values: object) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)

        await self._write(work)

    # ------------------------------------------------------------------ runs

    async def create_run(self, run: RunRecord) -> None:
        await self._write(lambda connection: _rows.add_run(connection, run))

    async def change_run(self, run_id: str, **changes: object) -> None:
        await self._write(lambda connection: _rows.change_run(connection, run_id, changes))

    async def run(self, run_id: str) -> RunRecord:
        return await self._read(lambda connection: _rows.find_run(connection, run_id))

    async def runs(self) -> tuple[RunRecord, ...]:
        return await self._records(RunRecord, "SELECT record FROM runs ORDER BY rowid")

    async def forget_run(self, run_id: str) -> None:
        # In pieces: one transaction would need as much room on the disk again, and keep others,
        # who wait half a minute at most, from writing.
        left = True
        while left:
            left = await self._write(lambda connection: _rows.forget_some(connection, run_id, 1000))
            await asyncio.sleep(0.02 * left)  # for those who wait for the lock

    @asynccontextmanager
    async def lock_run(self, run_id: str) -> AsyncIterator[None]:
        with hold_run(self.path, run_id):
            yield

    async def enqueue(
        self, units: Sequence[UnitRecord], documents: Sequence[DocumentRecord]
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            _rows.add_units(connection, units)
            _rows.add_documents(connection, documents)

        await self._write(work)

    # ------------------------------------------------------------------ units

    async def take(self, *unit_ids: str) -> tuple[Taken, ...]:
        def work(connection: sqlite3.Connection) -> tuple[Taken, ...]:
            return tuple([_rows.take(connection, unit_id) for unit_id in unit_ids])

        return await self._write(work)

    async def facts(self, unit_id: str) -> Taken:
        return await self._read(lambda connection: _rows.known(connection, unit_id))

    async def commit(self, unit_id: str, epoch: int, writes: Sequence[Write]) -> None:
        await self._write(lambda connection: _rows.commit(connection, unit_id, epoch, writes))

    async def due(
        self,
        run_id: str,
        now: float,
        limit: int,
        *,
        besides: frozenset[str] = frozenset(),
        unsent: bool = False,
        begun: bool = False,
    ) -> tuple[str, ...]:
        rows = await self._select(
            "SELECT id FROM units WHERE run_id = :run AND settled = 0 AND at <= :now"
            " AND id <> :run AND NOT (:unsent AND job_id IS NOT NULL) AND at > :after"
            " AND (:after < 0 OR outcome = 'running') ORDER BY at, seq LIMIT :limit",
            run=run_id, now=now, unsent=unsent, after=0.0 if begun else -1.0,
            limit=limit + len(besides),
        )  # fmt: skip
        return tuple(unit_id for (unit_id,) in rows if unit_id not in besides)[:limit]

    async def reopen(self, run_id: str, *, sooner: float = 0.0) -> int:
        return await self._write(lambda connection: _rows.reopen(connection, run_id, sooner))

    async def units(
        self, run_id: str, *, after: str = "", limit: int = 1000, amiss: bool = False
    ) -> tuple[UnitRecord, ...]:
        return await self._records(
            UnitRecord,
            "SELECT record FROM units WHERE run_id = :run AND id > :after AND id <> :run"
            " AND NOT (:amiss AND (job_id IS NULL OR outcome = :succeeded))"
            " ORDER BY id LIMIT :limit",
            run=run_id, after=after, limit=limit, amiss=amiss, succeeded=Outcome.SUCCEEDED.value,
        )  # fmt: skip

    async def unit(self, unit_id: str) -> UnitRecord:
        return await self._read(lambda connection: _rows.unit_row(connection, unit_id))

    # ------------------------------------------------------------------ documents

    async def documents(
        self, run_id: str, *, after: int = -1, limit: int = 1000
    ) -> tuple[tuple[int, DocumentRecord], ...]:
        query = (
            "SELECT seq, record FROM documents WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        )

        def work(connection: sqlite3.Connection) -> tuple[tuple[int, DocumentRecord], ...]:
            rows = connection.execute(query, (run_id, after, limit))
            return tuple((seq, parse(DocumentRecord, text)) for seq, text in rows)

        return await self._read(work)

    async def change_documents(
        self, run_id: str, changes: Mapping[str, Mapping[str, object]]
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for document_id, change in changes.items():
                _rows.change(connection, DocumentRecord, (run_id, document_id), change)

        await self._write(work)

    async def outcomes(self, run_id: str) -> dict[Outcome, int]:
        rows = await self._select(
            "SELECT outcome, count(*) FROM documents WHERE run_id = ? GROUP BY outcome", run_id
        )
        return {Outcome(word): count for word, count in rows}

    async def size(self, run_id: str) -> int:
        return await self._read(lambda connection: _rows.size(connection, run_id))

    async def cost(self, run_id: str) -> Counters:
        return await self._read(lambda connection: _rows.cost(connection, run_id))

    # ------------------------------------------------------------------ across runs

    async def claims(self, account: str, *, since: float, besides: str) -> frozenset[str]:
        rows = await self._select(
            "SELECT job_id FROM claims WHERE account = ? AND at >= ? AND unit_id <> ?",
            account, since, besides,
        )  # fmt: skip
        return frozenset(job_id for (job_id,) in rows)

    async def rivals(
        self, account: str, flow: str, name: str, *, besides: str
    ) -> tuple[Document, ...]:
        # What a batch has written for its upload is deleted when it is over: only those that are
        # not can have such a receipt; the index of intents needs no such help.
        found = await self._records(
            DocumentRecord,
            # CROSS JOIN: in this order, for SQLite would begin with all batches there ever were
            "WITH ours AS (SELECT id FROM runs WHERE account = :account), open AS"
            " (SELECT id FROM units WHERE settled = 0 AND run_id IN ours UNION"
            " SELECT unit_id FROM documents WHERE outcome = :unknown AND run_id IN ours), rival AS"
            " (SELECT unit_id, attempt FROM facts"
            " WHERE kind = 'intent' AND flow = :flow AND name = :name"
            " UNION SELECT unit_id, facts.attempt FROM open CROSS JOIN units USING (id)"
            " CROSS JOIN facts ON unit_id = id AND job_id IS NULL"
            " AND kind = 'receipt' AND flow = '' AND name = :transfer)"
            " SELECT documents.record FROM rival CROSS JOIN units"
            " ON units.id = rival.unit_id AND units.attempt = rival.attempt"
            " CROSS JOIN documents"
            " ON documents.unit_id = units.id AND documents.run_id = units.run_id"
            " WHERE +units.run_id IN ours AND units.id <> :besides"
            " ORDER BY units.seq, documents.seq",
            flow=flow, name=name, transfer=flow.partition("/")[2], account=account,
            besides=besides, unknown=Outcome.UNKNOWN.value,
        )  # fmt: skip
        return tuple(record.document for record in found)

    async def find_job(self, job_id: str, *, target: str = "") -> tuple[UnitRecord, ...]:
        return await self._records(
            UnitRecord,
            "SELECT units.record FROM units JOIN runs ON runs.id = units.run_id"
            " WHERE units.job_id = :job AND :target IN ('', runs.target) ORDER BY units.seq",
            job=job_id, target=target,
        )  # fmt: skip

    async def abandoned(self, run_id: str | None = None) -> tuple[Abandoned, ...]:
        query = "SELECT id, run_id, unit_id, attempt, session, tries, at FROM abandoned"
        if run_id is None:
            rows = await self._select(f"{query} ORDER BY id")
        else:
            rows = await self._select(f"{query} WHERE run_id = ? ORDER BY id", run_id)
        return tuple(
            Abandoned(id, run, unit_id, attempt, load(session), tries, at)
            for id, run, unit_id, attempt, session, tries, at in rows
        )

    async def change_abandoned(self, id: int, *, tries: int, at: float) -> None:
        await self._change("UPDATE abandoned SET tries = ?, at = ? WHERE id = ?", tries, at, id)

    async def drop_abandoned(self, id: int) -> None:
        await self._change("DELETE FROM abandoned WHERE id = ?", id)

    # ------------------------------------------------------------------ mailbox

    async def post(
        self, run_id: str, verb: str, body: dict[str, JsonValue], *, once: bool = False
    ) -> bool:
        values = {
            "run": run_id, "verb": verb, "body": dump(body), "now": time.time(),
            "once": once,
        }  # fmt: skip

        def work(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute(
                "INSERT INTO mailbox (run_id, verb, body, posted_at)"
                " SELECT :run, :verb, :body, :now"
                " WHERE NOT (:once AND EXISTS (SELECT 1 FROM mailbox"
                " WHERE run_id = :run AND verb = :verb AND body = :body))",
                values,
            )
            return cursor.rowcount > 0

        return await self._write(work)

    async def mail(self, run_id: str) -> tuple[Message, ...]:
        rows = await self._select(
            "SELECT id, verb, body FROM mailbox WHERE run_id = ? ORDER BY id", run_id
        )
        return tuple(Message(id, run_id, verb, load(body)) for id, verb, body in rows)

    async def drop_mail(self, ids: Sequence[int]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM mailbox WHERE id = ?", [(id,) for id in ids])

        await self._write(work)

    async def close(self) -> None:
        """Finish what was begun and close; closing twice is harmless."""
        try:
            await self._reader.close()
        finally:  # also where nobody waits for it any more
            await self._writer.close()
