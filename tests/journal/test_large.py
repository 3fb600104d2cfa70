"""A journal that is used for a year: what is asked costs, not what is long over."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from longshore.errors import RunNotFound
from longshore.journal import (
    ChangeUnit,
    DocumentRecord,
    FactKind,
    SQLiteJournal,
    UnitRecord,
    documents_of,
    open_journal,
    units_of,
    with_units,
)
from longshore.lifecycle import Outcome
from tests.journal.records import RUN, document, fact, mode, unit


async def fill(journal: SQLiteJournal, run: str, count: int, *, each: int = 1) -> None:
    """Put a run with so many finished batches into a journal."""
    await journal.create_run(RUN.model_copy(update={"id": run}))
    for first in range(0, count, 500):
        await journal.enqueue(*batches(run, range(first, min(first + 500, count)), each))


def batches(run: str, numbers: range, each: int) -> tuple[list[UnitRecord], list[DocumentRecord]]:
    """Make batches that succeeded, with their documents."""
    units: list[UnitRecord] = []
    documents: list[DocumentRecord] = []
    for number in numbers:
        made = unit(f"{run}-{number:05d}", run=run, settled=True)
        units.append(
            made.model_copy(update={"job_id": f"j-{number}", "outcome": Outcome.SUCCEEDED})
        )
        for place in range(each):
            record = document(f"{made.id}-{place}", made.id, run=run)
            documents.append(record.model_copy(update={"outcome": Outcome.SUCCEEDED}))
    return units, documents


# ---------------------------------------------------------------------- forgetting


def log_size(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size


async def test_a_large_run_is_forgotten_without_room_for_it(path: Path) -> None:
    """The log does not take in the whole run: it goes in pieces, also from a full disk."""
    async with open_journal(path) as journal:
        await fill(journal, "large", 10_000)  # the log has its usual size now
        before = log_size(path)

        await journal.forget_run("large")

        assert log_size(path) < 1.5 * before
        assert await journal.runs() == ()


async def test_a_run_that_was_half_forgotten_is_a_smaller_run(path: Path) -> None:
    """A process that ends meanwhile leaves no document without its batch."""
    async with open_journal(path) as journal:
        await fill(journal, "large", 700, each=3)
        forgetting = asyncio.create_task(journal.forget_run("large"))
        await asyncio.sleep(0)
        await journal.post("large", "cancel", {})  # written behind the first piece
        forgetting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await forgetting

        left = [record.unit_id async for record, _ in with_units(journal, "large")]
        assert 0 < len(left) < 2100
        assert {u.id async for u in units_of(journal, "large")} == set(left)

        await journal.forget_run("large")
        with pytest.raises(RunNotFound):
            await journal.forget_run("large")
        assert [record async for record in documents_of(journal, "large")] == []


# ---------------------------------------------------------------------- copies


async def test_a_copy_made_while_it_is_used_is_a_journal(path: Path) -> None:
    """As the reference says: of one moment, also while others write."""
    copy = path.with_name("copy.db")
    async with open_journal(path) as journal:
        await fill(journal, "early", 20)
        with closing(sqlite3.connect(path)) as other:
            other.execute("VACUUM INTO ?", (str(copy),))
        await fill(journal, "late", 20)

    async with open_journal(copy) as journal:
        assert [run.id for run in await journal.runs()] == ["early"]
        assert await journal.outcomes("early") == {Outcome.SUCCEEDED: 20}
        assert mode(copy) == 0o600


# ---------------------------------------------------------------------- asking


async def steps(journal: SQLiteJournal, asking: Coroutine[Any, Any, object]) -> int:
    """Count what SQLite does for an answer, in hundreds of its virtual machine's steps."""
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 1

    def watch(connection: sqlite3.Connection, handler: Any) -> None:
        connection.set_progress_handler(handler, 100)

    await journal._read(lambda connection: watch(connection, count))
    await asking
    await journal._read(lambda connection: watch(connection, None))
    return counted


async def test_a_lost_answer_costs_nothing_for_batches_that_are_over(path: Path) -> None:
    """Rivals are sought among what is open."""
    async with open_journal(path) as journal:
        await fill(journal, "first", 1)
        few = await steps(journal, journal.rivals("acme", "send/1", "post", besides="me"))
        await fill(journal, "long-over", 2000)
        many = await steps(journal, journal.rivals("acme", "send/1", "post", besides="me"))
    assert many <= few + 2


async def test_a_batch_whose_outcome_is_unknown_is_a_rival(path: Path) -> None:
    """It is settled, and yet its receipt may stand for the job that is looked for."""
    async with open_journal(path) as journal:
        await journal.create_run(RUN)
        await journal.enqueue([unit("b1")], [document("d1", "b1")])
        lost = {"settled": True, "outcome": Outcome.UNKNOWN}
        await journal.commit("b1", 0, [fact(FactKind.RECEIPT, "", "1"), ChangeUnit(lost)])
        await journal.change_documents("run1", {"d1": {"outcome": Outcome.UNKNOWN}})
        found = await journal.rivals("acme", "send/1", "post", besides="me")
    assert [rival.id for rival in found] == ["d1"]


async def test_a_run_is_found_without_a_look_at_all_others(path: Path) -> None:
    """By its id, or by the beginning of it."""
    async with open_journal(path) as journal:
        for number in range(400):
            await journal.create_run(RUN.model_copy(update={"id": f"{number:04x}beef"}))
        whole = await steps(journal, journal.run("00ffbeef"))
        beginning = await steps(journal, journal.run("00ff"))
    assert max(whole, beginning) <= 1


async def test_a_page_of_documents_reads_its_batches_at_once(path: Path) -> None:
    """The journal's thread is not waited for once for each document."""
    async with open_journal(path) as journal:
        await fill(journal, "run", 300)
        transactions: list[str] = []

        def listen(connection: sqlite3.Connection) -> None:
            def hear(statement: str) -> None:
                transactions.extend([statement] if statement.startswith("BEGIN") else [])

            connection.set_trace_callback(hear)

        await journal._read(listen)
        found = [unit.id async for _, unit in with_units(journal, "run") if unit is not None]
    assert len(found) == 300
    assert len(transactions) < 10
