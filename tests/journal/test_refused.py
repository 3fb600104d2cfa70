"""What is no journal, or no journal of this version, is told and left as it is."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from longshore.errors import JournalError
from longshore.journal import ChangeUnit, SQLiteJournal, UnitRecord, open_journal
from tests.journal.records import RUN, mode


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SQLiteJournal]:
    async with open_journal(path) as journal:
        await journal.create_run(RUN)
        await journal.enqueue([UnitRecord(id="b1", run_id=RUN.id)], [])
        yield journal


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"not a database at all " * 100, "not a journal"), (None, "is a directory")],
)
def test_what_is_no_journal_is_refused(path: Path, content: bytes | None, message: str) -> None:
    """The file is left as it was."""
    path.parent.mkdir()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(JournalError, match=message) as caught:
        SQLiteJournal(path)

    assert "--journal" in caught.value.hint
    assert content is None or path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A file where the directory should be."""
    (tmp_path / "file").touch()

    with pytest.raises(JournalError, match="cannot be written"):
        SQLiteJournal(tmp_path / "file" / "journal.db")


@pytest.mark.parametrize(
    "made",
    ["CREATE TABLE runs (id)", "PRAGMA application_id = 7", "PRAGMA application_id = -7"],
)
def test_another_programs_database_is_refused(path: Path, made: str) -> None:
    """Its tables are not mixed with ours; it stays as it is, and nothing is left beside it."""
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute(made)
    other.close()
    path.chmod(0o644)
    before = path.read_bytes()

    with pytest.raises(JournalError, match="another program"):
        SQLiteJournal(path)

    assert (path.read_bytes(), mode(path)) == (before, 0o644)
    assert list(path.parent.iterdir()) == [path]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A device stays open to everybody: ``--journal /dev/null`` must not close it to others."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "pipe").chmod(0o666)

    with pytest.raises(JournalError, match="no regular file"):
        SQLiteJournal(tmp_path / "pipe")

    assert mode(tmp_path / "pipe") == 0o666


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    """They lead to no file."""
    (tmp_path / "journal.db").symlink_to(tmp_path / "journal.db")

    with pytest.raises(JournalError, match="cannot be written"):
        SQLiteJournal(tmp_path / "journal.db")


async def test_a_newer_journal_is_refused(path: Path) -> None:
    """The message says which version wrote it."""
    async with open_journal(path):
        pass
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.execute("UPDATE meta SET value = '7.1' WHERE name = 'written_by'")
    newer.commit()
    newer.close()

    with pytest.raises(JournalError, match=r"written by longshore 7\.1") as caught:
        SQLiteJournal(path)

    assert "upgrade longshore to 7.1" in caught.value.hint


async def test_a_record_of_a_newer_version_is_not_misread(journal: SQLiteJournal) -> None:
    """A field that is not known is an error with a hint, not a guess."""
    statement = "UPDATE units SET record = json_set(record, '$.future', 1) WHERE id = 'b1'"
    await journal._change(statement)

    with pytest.raises(JournalError, match="UnitRecord") as caught:
        await journal.unit("b1")

    assert "upgrade" in caught.value.hint


async def test_a_record_that_is_damaged_is_told(journal: SQLiteJournal) -> None:
    """SQLite has no checksums: what a disk changed within a record is noticed by its reader."""
    await journal._change("UPDATE units SET record = replace(record, ':', ';') WHERE id = 'b1'")
    reads = (journal.cost("run1"), journal.commit("b1", 0, [ChangeUnit({"at": 1.0})]))
    for read in reads:
        with pytest.raises(JournalError, match="damaged") as caught:
            await read
        assert "sqlite3 FILE .recover" in caught.value.hint


async def test_a_record_that_is_no_text_is_told_without_it(journal: SQLiteJournal) -> None:
    """It may hold upload tokens."""
    broken = "UPDATE units SET record = CAST(x'FF' || record AS TEXT) WHERE id = 'b1'"
    await journal._change(broken)
    with pytest.raises(JournalError, match="damaged") as caught:
        await journal.unit("b1")
    assert "run1" not in caught.value.message
