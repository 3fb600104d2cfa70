"""The command line as real processes: a reader that goes away, a full disk, a sandbox."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.processes import Processes, run_line, wait_for

pytestmark = pytest.mark.process

Trouble = Callable[..., dict[str, str]]


def test_a_reader_that_goes_away_interrupts(processes: Processes, trouble: Trouble) -> None:
    """`longshore upload ... --json | head -1`: no traceback, 130, and how to go on."""
    trouble([{"method": "GET", "path": "*/jobs/*", "delay": 0.2}], only="subworkflow")
    for number in range(30):
        (processes.folder / f"{number}.pdf").write_bytes(b"%PDF-1.4\n")
    process = processes.start("upload", ".", "--to", "subworkflow", "--concurrency", "1", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(30) == 130
    assert "Traceback" not in err
    assert "longshore resume " in err.splitlines()[-1]


def test_a_migration_that_nobody_reads_is_interrupted(
    processes: Processes, trouble: Trouble
) -> None:
    """`longshore migrate ... | head -0`: 130 and how to go on; nothing is wrong with its map."""
    trouble([], only="sendai")
    trouble([], only="subworkflow")
    (processes.folder / "a.pdf").write_bytes(b"%PDF-1.4\n")
    assert processes.run("upload", "a.pdf", "--to", "subworkflow")[0] == 0
    command = ("migrate", "--from", "subworkflow", "--to", "sendai", "--map", "map.jsonl")
    process = processes.start(*command)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(30) == 130
    assert "longshore migrate " in err.splitlines()[-1]
    code, _, _ = processes.run(*command)
    assert (code, len((processes.folder / "map.jsonl").read_text().splitlines())) == (0, 1)


def _into(folder: Path, where: str) -> subprocess.CompletedProcess[str]:
    """Upload a document from a shell that leads the streams elsewhere."""
    (folder / "a.pdf").write_bytes(b"%PDF-1.4\n")
    words = ("upload", "a.pdf", "--to", "subworkflow", "--json", "--journal", "journal.db")
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {where}', "sh", sys.executable, "-m", "longshore", *words],
        cwd=folder, capture_output=True, text=True, check=False, timeout=40,
    )  # fmt: skip


full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")


@full_disk
def test_a_full_disk_below_stdout_interrupts(processes: Processes, trouble: Trouble) -> None:
    """`--json > lines.jsonl`: what is wrong, and how to go on; no fault in Longshore."""
    trouble([], only="subworkflow")
    ended = _into(processes.folder, ">/dev/full")

    told, last = ended.stderr.splitlines()
    assert (ended.returncode, told) == (
        130,
        "longshore: stdout cannot be written: No space left on device",
    )
    assert last.startswith("longshore resume ")


@pytest.mark.parametrize(
    "where",
    [">&-", "2>&-", "<&-", pytest.param("2>/dev/full", marks=full_disk)],
)
def test_a_stream_that_is_not_there_stops_no_upload(
    processes: Processes, trouble: Trouble, where: str
) -> None:
    """Some schedulers start commands without one; and a log may be on a full disk."""
    trouble([], only="subworkflow")
    ended = _into(processes.folder, where)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count('"state": "succeeded"') == (where != ">&-")


def test_a_form_may_hold_more_files_than_a_shell_begins_with(
    processes: Processes, trouble: Trouble
) -> None:
    """A process begins with 256 open files on macOS; the machine allows more, to who asks."""
    trouble([], only="sendai")
    (processes.folder / "plans").mkdir()
    for n in range(60):
        (processes.folder / "plans" / f"{n}.pdf").write_bytes(b"%PDF-1.4\n")
    words = ("upload", "plans", "--to", "sendai", "--journal", "journal.db")
    ended = subprocess.run(
        ["sh", "-c", 'ulimit -S -n 50; exec "$@"', "sh", sys.executable, "-m", "longshore", *words],
        cwd=processes.folder, capture_output=True, text=True, check=False, timeout=40,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout.count("60 succeeded")) == (0, 1), ended.stderr


@pytest.mark.parametrize("words", ["upload / --to plangrep", "webhooks serve --port 0"])
def test_in_a_folder_that_is_gone(processes: Processes, words: str) -> None:
    """Another process deleted it: said plainly."""
    gone = processes.folder / "gone"
    gone.mkdir()
    ended = subprocess.run(
        ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", sys.executable, "-m", "longshore",
         *words.split()],
        cwd=gone, capture_output=True, text=True, check=False, timeout=40,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "the folder that this was started in is gone" in ended.stderr


def test_a_demo_that_a_supervisor_ends_leaves_nothing_behind(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM is a Ctrl-C for commands that sum nothing up, too: 60 MB stayed on the disk."""
    (temporary := processes.folder / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    process = processes.start("demo")
    assert process.stderr is not None
    assert "making documents" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=40)
    assert (process.returncode, err) == (130, "longshore: interrupted\n")
    assert list(temporary.iterdir()) == []


def test_the_sandbox_prints_variables_that_work(processes: Processes) -> None:
    """What the sandbox prints is all that an upload needs."""
    sandbox = processes.start("sandbox", "--port", "0", "--json", "--quiet")
    assert sandbox.stdout is not None
    told = json.loads(sandbox.stdout.readline())
    (processes.folder / "a.pdf").write_bytes(b"%PDF-1.4\n")
    ended = subprocess.run(
        [sys.executable, "-m", "longshore", "upload", "a.pdf", "--to", "plangrep", "--json",
         "--journal", "journal.db"],
        cwd=processes.folder, env={**os.environ, **told["variables"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, run_line(ended.stdout)["succeeded"]) == (0, 1)
    sandbox.send_signal(signal.SIGINT)
    _, err = sandbox.communicate(timeout=10)
    assert (sandbox.returncode, err) == (0, "")


def test_cancel_reaches_a_run_in_another_process(processes: Processes, trouble: Trouble) -> None:
    """`cancel` posts to the process that executes the run, waits for it, and says what it did."""
    trouble([], "plangrep.walk=queued:60,completed")
    (processes.folder / "a.pdf").write_bytes(b"%PDF-1.4\n")
    process = processes.start("upload", "a.pdf", "--to", "plangrep", "--json")
    run_id = wait_for(processes, process, lambda report: report.totals.requests >= 4)
    code, told, err = processes.run("cancel", run_id, "--json")
    assert (code, run_line(told)["cancelled"], err) == (0, 1, "")
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, run_line(out)["cancelled"]) == (1, 1)


def test_cancel_says_what_a_run_in_another_process_does_not_cancel(
    processes: Processes, trouble: Trouble
) -> None:
    """A vendor that cannot cancel: its job goes on, and the exit code says so."""
    trouble([], "sendai.walk=PROCESSING:60,COMPLETED", only="sendai")
    (processes.folder / "a.pdf").write_bytes(b"%PDF-1.4\n")
    process = processes.start("upload", "a.pdf", "--to", "sendai", "--json")
    run_id = wait_for(processes, process, lambda report: report.totals.requests >= 2)
    code, told, err = processes.run("cancel", run_id)
    process.kill()
    process.communicate(timeout=30)
    assert (code, "running       a.pdf" in told) == (1, True)
    assert "not cancelled: 1 batch; the process that has the run says why" in err
