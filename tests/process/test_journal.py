"""What can happen to the journal's file: cut, filled up, locked away. Never is a loss silent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.process.shells import Ended, Shell, journal_receipts, sandboxes, wait_for

pytestmark = pytest.mark.process

MIB = 2**20
SETTINGS = ("--set", "upload_mode=signed", "--set", "timeout=2", "--set", "poll_interval=0.05")
SEEDS = int(os.environ.get("LONGSHORE_TEST_CUTS", "3"))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Plangrep's sandbox, with parts of 1 MiB that take their time."""
    folder = tmp_path_factory.mktemp("journal")
    (folder / "faults.json").write_text('[{"path": "*/storage/*", "delay": 0.1}]')
    with sandboxes(
        folder, "--provider", "plangrep", "--port", "0", "--faults", "faults.json",
        "--assume", "plangrep.multipart_above=1000000", "--assume", f"plangrep.part_bytes={MIB}",
    ) as shell:  # fmt: skip
        yield shell


@pytest.fixture
def shell(sandbox: Shell, tmp_path: Path) -> Shell:
    """A folder and a journal of one's own."""
    return replace(sandbox, folder=tmp_path)


@pytest.fixture(scope="module")
def killed(sandbox: Shell, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A journal as kill -9 left it, with some receipts; copied by those who use it."""
    shell = replace(sandbox, folder=tmp_path_factory.mktemp("killed"))
    process = start(shell)
    wait_for(lambda: process.poll() is not None or len(receipts(shell)) >= 2)
    process.kill()
    process.communicate()
    assert len(receipts(shell)) < 6
    return shell


@pytest.fixture(scope="module")
def at_rest(killed: Shell, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The same journal after a command that ended: it has what the log held, and no log is left."""
    shell = copy(killed, tmp_path_factory.mktemp("rest"))
    assert shell.run("status", "--json").lines
    assert not (shell.folder / "journal.db-wal").exists()
    return shell


def start(shell: Shell, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """Begin to upload a document of six parts."""
    path = shell.folder / "plan.pdf"
    path.write_bytes(b"%PDF-1.4\n" + random.Random(str(shell.folder)).randbytes(6 * MIB - 9))
    arguments = ("upload", str(path), "--to", "plangrep", "--json", "--concurrency", "1")
    return shell.start(*arguments, *SETTINGS, before=before)


def receipts(shell: Shell) -> set[int]:
    """Read the numbers of the finished parts of the only run."""
    found = journal_receipts(shell.journal) if shell.journal.exists() else {}
    return set[int]().union(*found.values())


def copy(shell: Shell, folder: Path) -> Shell:
    """Copy a killed shell's journal, with all that lies beside it."""
    for file in shell.folder.glob("journal.db*"):
        if file.is_file():
            shutil.copy(file, folder)
    return replace(shell, folder=folder)


def cut(file: Path, size: int) -> None:
    """Shorten a file."""
    with file.open("r+b") as opened:
        opened.truncate(size)


def said_clearly(ended: Ended) -> None:
    """It ended with 2, in words and with advice, without a traceback."""
    assert ended.code == 2, ended
    assert "Traceback" not in ended.err
    assert "journal" in ended.err
    assert ended.err.count("\n") >= 2, "no advice"


# ---------------------------------------------------------------------- cut


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_last_frames_of_the_log_are_missed(killed: Shell, tmp_path: Path, seed: int) -> None:
    """A log that is cut anywhere is noticed, again and again, until it is put back."""
    shell = copy(killed, tmp_path)
    log = tmp_path / "journal.db-wal"
    whole = log.read_bytes()
    cut(log, random.Random(seed).randrange(len(whole)))

    for _ in range(2):
        ended = shell.run("resume", "--json")
        said_clearly(ended)
        assert "put journal.db-wal back" in ended.err
    log.write_bytes(whole)

    ended = shell.run("status", "--json")
    assert (ended.code, ended.run["running"]) == (0, 1)


def test_a_lost_log_can_be_left_behind(killed: Shell, tmp_path: Path) -> None:
    """Who deletes the shared memory, as the hint says, goes on with what is left."""
    shell = copy(killed, tmp_path)
    (tmp_path / "journal.db-wal").unlink()
    ended = shell.run("resume")
    said_clearly(ended)
    assert "delete journal.db-shm" in ended.err
    (tmp_path / "journal.db-shm").unlink()
    ended = shell.run("resume")
    assert ended.code in (0, 2)
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_cut_journal_is_whole_or_refused(at_rest: Shell, tmp_path: Path, seed: int) -> None:
    """Cut at a random byte it is restored from the log, or called damaged; it is never emptied."""
    shell = copy(at_rest, tmp_path)
    cut(shell.journal, random.Random(seed).randrange(1, shell.journal.stat().st_size))
    kept = shell.journal.read_bytes()

    ended = shell.run("resume", "--json")
    again = shell.run("status", "--json")

    for each in (ended, again):
        said_clearly(each)
    assert shell.journal.read_bytes() == kept


@pytest.mark.parametrize("size", [0, None])
def test_an_emptied_journal_does_not_take_its_log_along(
    killed: Shell, tmp_path: Path, size: int | None
) -> None:
    """SQLite would delete the log of an empty database; here it is kept and told of."""
    shell = copy(killed, tmp_path)
    log = (tmp_path / "journal.db-wal").read_bytes()
    if size is None:
        shell.journal.unlink()
    else:
        cut(shell.journal, size)

    said_clearly(shell.run("resume", "--json"))

    assert (tmp_path / "journal.db-wal").read_bytes() == log


# ---------------------------------------------------------------------- locked away


def without_privileges() -> None:
    """Let permissions hold for root too (in the child, before it becomes the command)."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="prctl is Linux's")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_journal_that_may_not_be_written(killed: Shell, tmp_path: Path, what: str) -> None:
    """It says so and what to check; afterwards the run goes on as if nothing had been."""
    shell = copy(killed, tmp_path)
    for file in tmp_path.glob("journal.db-*"):
        shutil.copy(file, tmp_path / f"kept{file.suffix}")
    place = shell.journal if what == "file" else tmp_path
    before = place.stat().st_mode
    place.chmod(0o400 if what == "file" else 0o500)
    try:
        process = shell.start("resume", "--json", before=without_privileges)
        out, err = process.communicate(timeout=60)
    finally:
        place.chmod(before)

    said_clearly(Ended(process.returncode, out, err))
    assert "written" in err
    ended = shell.run("status", "--json")
    assert (ended.code, ended.run["running"]) == (0, 1)


# ---------------------------------------------------------------------- full


def check_full(shell: Shell, process: subprocess.Popen[str]) -> None:
    """A full disk ends the command with 2; once there is room, resume repeats no finished part."""
    out, err = process.communicate(timeout=60)
    said_clearly(Ended(process.returncode, out, err))
    assert "longshore resume" in err
    finished = receipts(shell)
    then = shell.state("plangrep")["parts"]

    make_room(shell)
    ended = shell.run("resume", "--json")

    assert (ended.code, ended.run["succeeded"]) == (0, 1), ended.err
    now = shell.state("plangrep")["parts"]
    for upload, counts in then.items():
        for number in finished & {int(number) for number in counts}:
            assert now[upload][str(number)] == counts[str(number)]


def make_room(shell: Shell) -> None:
    """Remove what fills a disk."""
    (shell.journal.parent / "ballast").unlink(missing_ok=True)


@pytest.mark.parametrize("less", [0, 16_000])
def test_a_journal_that_cannot_grow(killed: Shell, shell: Shell, less: int) -> None:
    """With a limit for the size of files: the log reaches it in the middle of the upload."""
    room = Path(f"{killed.journal}-wal").stat().st_size - less

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))  # Python ignores SIGXFSZ

    check_full(shell, start(shell, before=limit))


def test_a_full_disk_is_told_before_anything_is_written(at_rest: Shell, tmp_path: Path) -> None:
    """There is no room for the index of the log, without which nothing can be read."""
    shell = copy(at_rest, tmp_path)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, 16_000))

    out, err = (process := shell.start("status", before=limit)).communicate(timeout=60)

    said_clearly(Ended(process.returncode, out, err))
    assert "the disk is full" in err
    assert shell.run("status").code == 0


@pytest.mark.system(reason="mounting a small tmpfs needs root")
def test_a_full_disk_under_the_journal(shell: Shell, tmp_path: Path) -> None:
    """With a real file system that has no room left in the middle of the upload."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=True)
    try:
        there = replace(shell, journal_folder=disk)
        process = start(there)
        wait_for(lambda: process.poll() is not None or len(receipts(there)) >= 1)
        with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))
        check_full(there, process)
    finally:
        subprocess.run(["umount", disk], check=True)
