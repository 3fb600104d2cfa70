"""What only the journal on disk promises: durable, private, shared, and clear when it cannot."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from fcntl import LOCK_EX, LOCK_NB
from pathlib import Path

import pytest

from longshore.errors import ClaimTaken, JournalError, RunInUse, StaleEpoch
from longshore.journal import (
    ChangeUnit,
    ClaimJob,
    Fact,
    FactKind,
    PutFact,
    RunRecord,
    SQLiteJournal,
    UnitRecord,
    default_journal_path,
    open_journal,
)
from tests.journal.records import mode, session

RUN = RunRecord(id="run1", target="north", provider="sea", account="acme")


def receipt(name: str, value: str = "x") -> PutFact:
    return PutFact(Fact(FactKind.RECEIPT, 1, "", name, value))


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SQLiteJournal]:
    async with open_journal(path) as journal:
        await journal.create_run(RUN)
        await journal.enqueue([UnitRecord(id=id, run_id="run1") for id in ("b1", "b2")], [])
        yield journal


async def receipts(journal: SQLiteJournal, unit_id: str = "b1") -> set[str]:
    return {fact.name for fact in (await journal.facts(unit_id)).facts}


def run_child(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


# ---------------------------------------------------------------------- durable


async def test_what_was_committed_is_there_after_reopening(path: Path) -> None:
    """Closing finishes what was begun."""
    async with open_journal(path) as journal:
        await journal.create_run(RUN)
        await journal.commit("run1", 0, [receipt("1"), ChangeUnit({"at": 4.5})])

    async with open_journal(path) as journal:
        taken = await journal.facts("run1")

    assert taken.unit == UnitRecord(id="run1", run_id="run1", at=4.5)
    assert taken.facts == (receipt("1").fact,)


async def test_the_session_of_a_large_document_is_no_large_text(
    journal: SQLiteJournal, path: Path
) -> None:
    """SQLite copies a text several times: 20 GiB with their signed URLs would be 2 MB each time."""
    await journal.commit("b1", 0, [PutFact(Fact(FactKind.SESSION, 1, "", "", session(2560)))])

    with closing(sqlite3.connect(path)) as database:
        (longest,) = database.execute("SELECT max(length(value)) FROM facts").fetchone()
    assert longest < 64 << 10


COMMITTER = """
import asyncio, os, sys
from pathlib import Path
from longshore.journal import Fact, FactKind, PutFact, RunRecord, SQLiteJournal, UnitRecord

async def executor(journal, unit_id):
    for number in range(100_000):
        name = f"{unit_id}/{number}"
        await journal.commit(unit_id, 0, [PutFact(Fact(FactKind.RECEIPT, 1, "", name, "x" * 200))])
        os.write(1, f"{name}\\n".encode())

async def main():
    journal = SQLiteJournal(Path(sys.argv[1]))
    await journal.create_run(RunRecord(id="run1", target="t", provider="p"))
    units = [UnitRecord(id=f"b{number}", run_id="run1") for number in range(16)]
    await journal.enqueue(units, [])
    async with journal.lock_run("run1"):
        await asyncio.gather(*(executor(journal, unit.id) for unit in units))

asyncio.run(main())
"""


@pytest.mark.process
async def test_a_killed_process_loses_no_acknowledged_commit(path: Path) -> None:
    """After kill -9 everything that was confirmed is there, and the run is free again."""
    with run_child(COMMITTER, path) as child:
        assert child.stdout is not None
        confirmed = [child.stdout.readline() for _ in range(500)]
        child.kill()
        confirmed += child.stdout.readlines()

    async with open_journal(path) as journal, journal.lock_run("run1"):
        kept = set[str]()
        for number in range(16):
            kept |= await receipts(journal, f"b{number}")

    lost = {line.strip() for line in confirmed if line.endswith("\n")} - kept
    assert lost == set()


async def test_a_refused_commit_does_not_undo_its_neighbours(journal: SQLiteJournal) -> None:
    """Commits that reach the disk together succeed and fail each by itself."""
    hold = threading.Event()
    blocked = asyncio.create_task(journal._write(lambda _: hold.wait(10)))
    await journal.runs()  # by now the writer is busy, and the next commits form one group
    group = asyncio.gather(
        journal.commit("b1", 0, [receipt("1"), ClaimJob("acme", "j1", 1.0)]),
        journal.commit("b1", 7, [receipt("stale")]),
        journal.commit("b2", 0, [receipt("2"), ClaimJob("acme", "j1", 1.0)]),
        journal.commit("b2", 0, [receipt("odd"), ChangeUnit({"no_such_field": 1})]),
        journal.commit("b2", 0, [receipt("3")]),
        return_exceptions=True,
    )
    asyncio.get_running_loop().call_soon(hold.set)
    results = await group
    await blocked

    kinds = [type(result) for result in results]
    assert [kinds[0], kinds[1], kinds[2], kinds[4]] == [
        type(None), StaleEpoch, ClaimTaken, type(None),
    ]  # fmt: skip
    assert issubclass(kinds[3], ValueError)
    assert await receipts(journal, "b1") == {"1"}
    assert await receipts(journal, "b2") == {"3"}


async def test_a_cancelled_wait_does_not_disturb_the_journal(journal: SQLiteJournal) -> None:
    """Ctrl-C while a commit is on its way: it is written, and the next one works."""
    task = asyncio.create_task(journal.commit("b1", 0, [receipt("1")]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await journal.commit("b1", 0, [receipt("2")])

    assert await receipts(journal) == {"1", "2"}


async def test_a_full_disk_is_said_and_loses_nothing(journal: SQLiteJournal, path: Path) -> None:
    """Small commits of the same group still go; once there is space, the large one does."""
    await journal.commit("b1", 0, [receipt("before")])
    (pages,) = (await journal._select("PRAGMA page_count"))[0]
    await journal._change(f"PRAGMA max_page_count = {pages + 2}")

    large = [receipt("large", "x" * 1_000_000)]
    with pytest.raises(JournalError, match="disk is full") as caught:
        await journal.commit("b1", 0, large)
    small, failed = await asyncio.gather(
        journal.commit("b1", 0, [receipt("small")]),
        journal.commit("b1", 0, large),
        return_exceptions=True,
    )

    assert "resume; if that finds nothing, the command again" in caught.value.hint
    assert (small, type(failed)) == (None, JournalError)
    assert await receipts(journal) == {"before", "small"}
    await journal._change("PRAGMA max_page_count = 1000000")
    await journal.commit("b1", 0, large)
    assert await receipts(journal) == {"before", "small", "large"}


async def test_a_closed_journal_says_so(path: Path) -> None:
    """Nothing waits for a thread that has ended; closing twice is harmless."""
    journal = SQLiteJournal(path)
    await journal.close()
    await journal.close()

    for call in (journal.runs(), journal.create_run(RUN)):
        with pytest.raises(JournalError, match="closed"):
            await call


# ---------------------------------------------------------------------- private


async def test_the_files_are_for_their_owner_only(journal: SQLiteJournal, path: Path) -> None:
    """Upload tokens lie in them, also beside the database."""
    async with journal.lock_run("run1"):
        files = [str(path), f"{path}-wal", f"{path}-shm", f"{path}.locks/run1.lock"]

        assert [mode(file) for file in files] == [0o600] * 4
        assert [mode(path.parent), mode(f"{path}.locks")] == [0o700] * 2


async def test_a_journal_that_others_may_read_is_closed_to_them(path: Path) -> None:
    """As after a copy with another umask."""
    async with open_journal(path):
        pass
    await asyncio.to_thread(path.chmod, 0o644)
    async with open_journal(path):
        assert mode(path) == 0o600


async def test_a_forgotten_secret_is_not_left_in_the_file(path: Path) -> None:
    """What is deleted is overwritten."""
    secret = "token-" + "s" * 5000
    async with open_journal(path) as journal:
        await journal.create_run(RUN)
        await journal.commit("run1", 0, [receipt("1", secret)])
    before = await asyncio.to_thread(path.read_bytes)
    async with open_journal(path) as journal:
        await journal.forget_run("run1")
    after = await asyncio.to_thread(path.read_bytes)

    assert (b"ssssss" in before, b"ssssss" in after) == (True, False)


# ---------------------------------------------------------------------- shared

OTHER = """
import asyncio, sys
from pathlib import Path
from longshore.errors import RunInUse
from longshore.journal import open_journal

async def main():
    async with open_journal(Path(sys.argv[1])) as journal:
        print(len((await journal.facts("b1")).facts))
        await journal.post("run1", "cancel", {})
        try:
            async with journal.lock_run("run1"):
                print("locked")
        except RunInUse as error:
            print(error.message)

asyncio.run(main())
"""


@pytest.mark.process
async def test_another_process_reads_and_posts_but_does_not_execute(
    journal: SQLiteJournal, path: Path
) -> None:
    """It sees what was committed, leaves mail, and is told who executes the run."""
    await journal.commit("b1", 0, [receipt("1")])
    async with journal.lock_run("run1"):
        with run_child(OTHER, path) as child:
            out, _ = await asyncio.to_thread(child.communicate)

    assert out.splitlines() == ["1", f"run run1 is in use by process {os.getpid()}"]
    assert [message.verb for message in await journal.mail("run1")] == ["cancel"]


async def test_two_journals_on_one_file_share_it(journal: SQLiteJournal, path: Path) -> None:
    """A reader sees what another writes, and a lock holds between them too."""
    async with open_journal(path) as second, journal.lock_run("run1"):
        await journal.commit("b1", 0, [receipt("1")])
        await second.commit("b1", 0, [receipt("2")])

        assert await receipts(journal) == await receipts(second) == {"1", "2"}
        with pytest.raises(RunInUse, match=f"process {os.getpid()}"):
            await second.lock_run("run1").__aenter__()


async def test_a_lock_holds_by_whatever_name_the_journal_is_reached(
    journal: SQLiteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link in another folder, and a relative path."""
    await asyncio.to_thread(lambda: (path.parent.parent / "link.db").symlink_to(path))
    monkeypatch.chdir(path.parent)
    async with journal.lock_run("run1"):
        for name in (path.parent.parent / "link.db", Path("journal.db")):
            async with open_journal(name) as same:
                with pytest.raises(RunInUse):
                    await same.lock_run("run1").__aenter__()


async def _open_at(path: Path) -> None:
    async with open_journal(path) as journal:
        await journal.create_run(RUN.model_copy(update={"id": str(os.getpid())}))


def _opener(path: Path, start: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    asyncio.run(_open_at(path))


@pytest.mark.process
async def test_processes_may_create_a_journal_at_the_same_time(path: Path) -> None:
    """One creates the tables, the others wait for it."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    children = [context.Process(target=_opener, args=(path, start)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        await asyncio.to_thread(child.join)

    assert [child.exitcode for child in children] == [0, 0, 0]
    async with open_journal(path) as journal:
        assert len(await journal.runs()) == 3


async def test_whoever_only_reads_does_not_wait_for_a_writer(
    journal: SQLiteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program keeps the journal locked: it is read and closed all the same."""
    monkeypatch.setattr("longshore.journal._database._BUSY_SECONDS", 0.0)
    monkeypatch.setattr(threading, "excepthook", lambda trouble: pytest.fail(str(trouble)))
    async with open_journal(path) as second:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert [run.id for run in await second.runs()] == ["run1"]
        await second.close()
        assert not second._writer._thread.is_alive()
        other.execute("COMMIT")
        other.close()


async def test_writes_that_wait_for_another_program_give_up_together(
    journal: SQLiteJournal, path: Path
) -> None:
    """Each after the other, they would hold up the run for half a minute each."""
    begun: list[str] = []
    journal._writer._connection.execute("PRAGMA busy_timeout = 1")
    journal._writer._connection.set_trace_callback(begun.append)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    ended = await asyncio.gather(
        *(journal.commit("b1", 0, [receipt(str(number))]) for number in range(9)),
        return_exceptions=True,
    )

    assert ["locked" in str(error) for error in ended] == [True] * 9
    assert begun.count("BEGIN IMMEDIATE") <= 1
    other.execute("COMMIT")
    other.close()
    await journal.commit("b1", 0, [receipt("10")])
    assert await receipts(journal) == {"10"}


async def test_locks_leave_no_files(journal: SQLiteJournal, path: Path) -> None:
    """A released lock is gone, also one with a strange name."""
    async with journal.lock_run("../run 1"):
        pass

    left = await asyncio.to_thread(os.listdir, f"{path}.locks")
    assert left == ["opening"]


async def test_a_lock_that_cannot_be_deleted_ends_nothing(
    journal: SQLiteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder or a disk became read-only meanwhile: the run is over, and free, all the same."""

    def refuse(_path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        async with journal.lock_run("run1"):
            pass
    async with journal.lock_run("run1"):
        pass


@pytest.mark.parametrize("call", [LOCK_EX, LOCK_EX | LOCK_NB])
async def test_a_disk_without_locks_is_refused(
    journal: SQLiteJournal, path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """It is not taken for a run that another process executes."""

    def flock(_file: int, how: int) -> None:
        if how == call:
            raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(JournalError, match="cannot be locked: No locks available") as caught:
        async with open_journal(path), journal.lock_run("run1"):
            pass
    assert not isinstance(caught.value, RunInUse)


def test_the_default_place_is_the_state_directory() -> None:
    """Beside no document, and kept when caches are emptied."""
    if sys.platform == "linux":
        assert default_journal_path() == Path(os.environ["XDG_STATE_HOME"], "longshore/journal.db")
    assert default_journal_path().name == "journal.db"
