"""`watch` shows how far a run is that another process executes: all it has is the journal."""

from __future__ import annotations

import asyncio
import re

import pytest

from longshore.cli.progress import _display
from longshore.documents import Document
from longshore.journal import (
    ChangeUnit,
    Counters,
    DocumentRecord,
    RunRecord,
    SQLiteJournal,
    UnitRecord,
    open_journal,
)
from longshore.lifecycle import Outcome
from tests.cli.conftest import Shore
from tests.cli.screen import Screen

RUN = RunRecord(
    id="4f1c2a9b", target="subworkflow", provider="subworkflow", planned=True, alive_at=4e9
)
SIZE = 300_000_000
PART = 50_000_000


@pytest.fixture
def uploading(shore: Shore, monkeypatch: pytest.MonkeyPatch) -> Shore:
    """A document of 300 MB of which a part more has arrived at each look, until it is over."""
    parts = 0
    written = SQLiteJournal.run

    async def begin() -> None:
        async with open_journal(shore.journal) as journal:
            await journal.create_run(RUN)
            document = Document(id="d1", name="large.pdf", size=SIZE)
            record = DocumentRecord(
                document=document, run_id=RUN.id, unit_id="u1", path="large.pdf"
            )
            await journal.enqueue([UnitRecord(id="u1", run_id=RUN.id)], [record])

    async def look(journal: SQLiteJournal, run_id: str) -> RunRecord:
        nonlocal parts
        (taken,) = await journal.take("u1")
        parts += parts * PART < SIZE
        counters = Counters(bytes_sent=parts * PART, requests=parts)
        await journal.commit("u1", taken.unit.epoch, [ChangeUnit({"counters": counters})])
        if parts * PART < SIZE:
            return RUN
        done = {"outcome": Outcome.SUCCEEDED}
        await journal.change_documents(run_id, {"d1": done})
        await journal.change_run(run_id, finished_at=4e9)
        return await written(journal, run_id)

    asyncio.run(begin())
    monkeypatch.setattr(SQLiteJournal, "run", look)
    monkeypatch.setattr("longshore.cli._watch.PAUSE", 0.1)
    monkeypatch.setattr("longshore.cli.progress._meter.SETTLES", 0.0)
    monkeypatch.setattr("longshore.cli.progress._meter.TELLS", 0.1)
    monkeypatch.setattr(_display, "PAUSE", 0.04)
    return shore


def test_a_line_now_and_then_says_how_far_the_run_is(uploading: Shore) -> None:
    """Documents, bytes, rate and time left on stderr; nothing of it on stdout."""
    ended = uploading.run("watch", RUN.id, "--json")

    assert [line["event"] for line in ended.lines] == ["document", "run"]
    told = ended.err.splitlines()
    assert told[0].startswith("longshore: 0 of 1 documents, 50.0 MB of 300.0 MB")
    rate = r"longshore: 0 of 1 documents, [12]\d0\.0 MB of 300\.0 MB, \S+ MB/s, about \S+ s left"
    assert any(re.fullmatch(rate, line) for line in told)


def test_on_a_terminal_it_draws_the_bar_of_an_upload(
    uploading: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bar, and the same words."""
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    ended = uploading.run("watch", RUN.id)

    assert ended.code == 0
    assert "0/1 documents" in screen.getvalue()
    assert re.search(r"[12]\d0\.0/300\.0 MB\S* \S+ MB/s\S* \S+ s left", screen.getvalue())


def test_quiet_shows_nothing(uploading: Shore) -> None:
    """--quiet: only what the run came to."""
    ended = uploading.run("watch", RUN.id, "--quiet")

    assert (ended.code, ended.err) == (0, "")
