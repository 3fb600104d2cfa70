"""A migration of many documents: what is held in memory, and what is begun at once."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from longshore.documents import Document
from longshore.journal import DocumentRecord, RunRecord, UnitRecord, open_journal
from longshore.lifecycle import Outcome
from longshore.migrate import (
    Check,
    Leg,
    Problem,
    RouteRequest,
    begin_passage,
    migrate_async,
    open_map,
    verify_async,
)
from longshore.pipeline import (
    DocumentFinished,
    Environment,
    Event,
    Listener,
    RunReport,
    execute,
)
from tests.migrate.conftest import Road

FEW, MANY = 1000, 2000
"""A page of the journal, and two: both are held while the second one is read."""

RUN = RunRecord(id="run", target="plangrep", provider="plangrep", created_at=1.0, planned=True)


async def fill(path: Path, folder: Path, count: int) -> None:
    """Put a run into a journal whose documents all succeeded."""
    units: list[UnitRecord] = []
    records: list[DocumentRecord] = []
    for n in range(count):
        source = str(folder / f"{n}.pdf")
        batch = UnitRecord(id=f"b{n}", run_id="run", job_id=f"j{n}", outcome=Outcome.SUCCEEDED)
        units.append(batch)
        records.append(
            DocumentRecord(
                document=Document(
                    id=f"d{n}", name=f"{n}.pdf", size=1, source=source, sha256=f"{n:064x}"
                ),
                run_id="run",
                unit_id=batch.id,
                path=source,
                place=n,
                outcome=Outcome.SUCCEEDED,
            )
        )
    async with open_journal(path) as journal:
        await journal.create_run(RUN)
        await journal.enqueue(units, records)


async def peak(work: Callable[[int], Awaitable[object]], count: int) -> int:
    """Return the most bytes that Python held meanwhile, more than before."""
    gc.collect()
    tracemalloc.start()
    try:
        await work(count)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def takes_less(
    than: int, work: Callable[[int], Awaitable[object]], few: int = FEW, many: int = MANY
) -> None:
    """Each document takes fewer bytes than that, of what is held at once.

    Python has one table of the names that it shares, those of all paths among them. Whatever ran
    before, it may grow just now, at once by megabytes: that is not there the next time.
    """
    await work(10)  # what is made once
    found: list[float] = []
    while len(found) < 3 and min(found, default=than) >= than:
        found.append((await peak(work, many) - await peak(work, few)) / (many - few))
    assert min(found) < than, found


@pytest.mark.parametrize("there", [True, False])
async def test_a_plan_takes_no_memory_for_each_document(
    tmp_path: Path, vendors: Callable[..., None], there: bool
) -> None:
    """Whether the sources are there or gone, and no task for each of them."""
    vendors("geolens")
    most = 0

    async def digest(document: Document) -> str:
        nonlocal most
        most = max(most, len(asyncio.all_tasks()))
        return f"{int(document.stem):064x}"

    for count in (10, FEW, MANY):
        await fill(tmp_path / f"{count}.db", tmp_path, count)
    for n in range(MANY if there else 0):
        (tmp_path / f"{n}.pdf").write_bytes(b"1")

    async def plan(count: int) -> object:
        made = await migrate_async(
            "plangrep",
            "geolens",
            dry_run=True,
            journal=tmp_path / f"{count}.db",
            environment=Environment(digest=digest),
        )
        line = made.plan_line() or {}
        assert (line["documents"], len(made.kept_out)) == ((count, 0) if there else (0, count))
        return made

    await takes_less(1800, plan)
    assert most < 100


async def test_a_route_takes_no_memory_for_each_document(
    tmp_path: Path, vendors: Callable[..., None]
) -> None:
    """Although each is hashed before it is known where it goes."""
    vendors("plangrep")
    vendors("sendai")
    table = 'primary = "plangrep"\npercent = {sendai = 50}'
    (tmp_path / "longshore.toml").write_text(f"[routes.main]\n{table}\n")
    (tmp_path / "documents").mkdir()
    for n in range(2 * MANY):
        (tmp_path / "documents" / f"{n}.pdf").write_bytes(b"1")

    async def digest(document: Document) -> str:
        return f"{int(document.stem):064x}"

    async def plan(count: int) -> object:
        paths = tuple(str(tmp_path / "documents" / f"{n}.pdf") for n in range(count))
        request = RouteRequest("main", paths)
        async with open_journal(tmp_path / f"{count}.db") as journal:
            return await begin_passage(journal, request, Environment(digest=digest))

    await takes_less(700, plan, MANY, 2 * MANY)  # a commit is of 500 for each


async def test_a_map_takes_no_memory_for_each_document(tmp_path: Path) -> None:
    """Neither while it is written, also over other lines, nor when it is verified."""
    names = ("provider", "run_id", "batch_id", "job_id", "document_id")
    side = {**dict.fromkeys(names, ""), "target": "new", "state": "failed"}

    def write(path: Path, count: int, state: str) -> None:
        with open_map(path, "new") as map:
            for n in range(count):
                map.put({
                    "path": f"/documents/{n}.pdf",
                    "sha256": f"{n:064x}",
                    "name": f"{n}.pdf",
                    "size": 1,
                    "from": None,
                    "to": {**side, "state": state},
                    "error": None,
                })  # fmt: skip

    async def check(count: int) -> object:
        path = tmp_path / f"{count}.jsonl"
        write(path, count, "running")
        write(path, count, "failed")
        found = await verify_async(path, journal=tmp_path / "journal.db")
        assert [len(check.problems) for check in found.checks] == [count]
        return found

    await takes_less(500, check)
    lines = (tmp_path / f"{MANY}.jsonl").read_text().splitlines()
    assert [json.loads(line)["to"]["state"] for line in lines] == ["failed"] * MANY


def test_findings_are_a_list() -> None:
    """As long as it may be: scripts index, slice, compare and print it."""
    made = [Problem("missing", "to", {"path": str(n)}, "gone") for n in range(600)]
    problems = Check("new", "to").problems
    problems.extend(made[:599])
    problems.append(made[599])

    assert problems == made
    assert (problems[0], problems[-1], problems[1:3]) == (made[0], made[-1], made[1:3])
    assert list(problems[::-200]) == made[::-200]
    assert (list(reversed(problems)), problems[5:5]) == (made[::-1], [])
    assert str(problems) == f"{str(made[:10])[:-1]}, and 590 more]"
    with pytest.raises(IndexError):
        problems[600]


async def test_a_route_holds_no_document_that_is_left_open(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interruption may leave a million of them; the journal has them until they are told."""
    road.build('primary = "plangrep"', "plangrep")
    heard: list[weakref.ref[DocumentRecord]] = []
    held: list[int] = []
    told: list[str] = []

    async def executed(*given: Any, listener: Listener, **named: Any) -> RunReport:
        def listen(event: Event) -> None:
            if isinstance(event, DocumentFinished):
                heard.append(weakref.ref(event.record))
            listener(event)

        report = await execute(*given, listener=listen, **named)
        gc.collect()
        held.append(sum(ref() is not None for ref in heard))
        return report

    def watch(_leg: Leg, event: Event) -> None:
        if isinstance(event, DocumentFinished):
            told.append(event.record.document.name)

    monkeypatch.setattr("longshore.migrate.routes._carry.execute", executed)
    stop, paths = asyncio.Event(), road.files(20)
    stop.set()
    arrival = await road.upload(paths, stop=stop, listener=watch)
    assert arrival.outcomes == {Outcome.RUNNING: 20}
    assert (len(heard), held[0] < 3, len(set(told)), len(told)) == (20, True, 20, 20)
