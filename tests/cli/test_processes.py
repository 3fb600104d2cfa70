"""The command line as real processes: Ctrl-C, SIGTERM, a reader that goes away, a sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from longshore.journal import open_journal
from longshore.pipeline import RunReport, summary

pytestmark = pytest.mark.process

PART = 5 * 2**20
Trouble = Callable[..., dict[str, str]]


class Processes:
    """Starts commands, and ends what a test leaves running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self, *arguments: str, program: Sequence[str] = ("-m", "longshore")
    ) -> subprocess.Popen[str]:
        """Start a command with the journal of this test."""
        process = subprocess.Popen(
            [sys.executable, *program, *arguments, "--journal", "journal.db"],
            cwd=self.folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end: exit code, stdout, stderr."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=40)
        return process.returncode, out, err

    def end(self) -> None:
        """End what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes in a folder of their own."""
    made = Processes(tmp_path)
    yield made
    made.end()


@pytest.fixture
def slow(trouble: Trouble, processes: Processes) -> tuple[str, ...]:
    """A document of three parts that takes its time, and how to upload it."""
    trouble([{"method": "POST", "path": "*/append*", "delay": 0.3}], only="subworkflow")
    return _in_parts(processes.folder)


def _in_parts(folder: Path) -> tuple[str, ...]:
    """Write a document of three parts; how to upload it."""
    with (folder / "large.pdf").open("wb") as file:
        file.truncate(3 * PART)
    settings = ("session_threshold=0", f"part_size={PART}", "resend_parts=true")
    return ("upload", "large.pdf", "--to", "subworkflow", "--concurrency", "1",
            *(word for setting in settings for word in ("--set", setting)))  # fmt: skip


def _wait_for(
    processes: Processes, process: subprocess.Popen[str], ready: Callable[[RunReport], bool]
) -> str:
    """Wait until the journal shows what is wanted of every run; the first one's id."""

    async def look() -> list[RunReport]:
        async with open_journal(processes.folder / "journal.db") as journal:
            return [await summary(journal, run) for run in await journal.runs()]

    while process.poll() is None:
        time.sleep(0.02)
        reports = asyncio.run(look())
        if reports and all(map(ready, reports)):
            return reports[0].run.id
    raise AssertionError(process.communicate())


def _first_part(report: RunReport) -> bool:
    """True when a receipt is in the journal."""
    return report.totals.bytes_sent > 0


def _run_line(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert found["event"] == "run"
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_in_good_order(
    processes: Processes, slow: tuple[str, ...], number: signal.Signals
) -> None:
    """130, the run's line, the resume command as the last line; and the rest follows later."""
    process = processes.start(*slow, "--json")
    _wait_for(processes, process, _first_part)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    run = _run_line(out)
    assert (process.returncode, run["running"]) == (130, 1)
    assert f"longshore resume {run['run_id']} --journal journal.db" == err.splitlines()[-1]
    code, out, _ = processes.run("resume", "--json")
    again = _run_line(out)
    assert (code, again["succeeded"], again["bytes_sent"]) == (0, 1, 3 * PART)


def test_two_signals_stop_at_once(processes: Processes, trouble: Trouble) -> None:
    """The second Ctrl-C waits for no answer; lines and counts agree, and the rest goes later."""
    rules = [{"method": "POST", "path": "*/append*", "nth": [2], "delay": 30}]
    trouble(rules, only="subworkflow")
    process = processes.start(*_in_parts(processes.folder), "--json")
    out, err = _stop_twice(processes, process)
    assert [json.loads(line).get("state") for line in out.splitlines()] == ["running", None]
    assert _run_line(out)["running"] == 1
    again = f"longshore resume {_run_line(out)['run_id']} --journal journal.db"
    assert again == err.splitlines()[-1]
    code, out, _ = processes.run("resume", "--json")
    assert (code, _run_line(out)["succeeded"]) == (0, 1)


def _stop_twice(processes: Processes, process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C twice while a part is on its way; what is said on stdout, and on stderr."""
    _wait_for(processes, process, _first_part)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    for line in process.stderr:
        if "Ctrl-C again" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    return out, err


SIGNAL_AT_THE_END = """
import asyncio, os, signal, sys
from longshore.cli import main

class Runner(asyncio.Runner):
    def close(self):
        os.kill(os.getpid(), signal.SIGINT)
        super().close()

asyncio.Runner = Runner
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["upload", "compare"])
def test_a_second_signal_at_the_very_end_adds_nothing(
    processes: Processes, slow: tuple[str, ...], command: str
) -> None:
    """All was told by then; the last line still says how to go on."""
    words = (command, *slow[1:])
    process = processes.start(*words, program=("-c", SIGNAL_AT_THE_END))
    _wait_for(processes, process, _first_part)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    how = {"upload": "longshore resume ", "compare": "go on with it:     longshore compare "}
    assert err.splitlines()[-1].startswith(how[command])


def _at_two(processes: Processes, trouble: Trouble) -> tuple[str, ...]:
    """Three parts to a vendor whose second answer takes long; another vendor is quick."""
    rules = [{"method": "POST", "path": "*/append*", "nth": [2], "delay": 30}]
    trouble([], only="sendai")
    trouble(rules, only="subworkflow")
    _, path, _, _, *options = _in_parts(processes.folder)
    return path, *(
        word if "=" not in word else f"subworkflow:{word}" for word in options
    ), "--json"  # fmt: skip


def test_two_signals_stop_a_comparison_at_once(processes: Processes, trouble: Trouble) -> None:
    """A line for each document and target, counts that agree, and the command that goes on."""
    words = _at_two(processes, trouble)
    targets = ("--to", "subworkflow", "--to", "sendai")
    process = processes.start("compare", *words, *targets, "--csv", "rows.csv")
    out, err = _stop_twice(processes, process)
    again = err.splitlines()[-1].partition("go on with it:     longshore ")[2]
    code, more, told = processes.run(*shlex.split(again)[:-2], "--json")

    lines = [json.loads(line) for line in out.splitlines()]
    documents = {line["target"]: line["state"] for line in lines[:2]}
    assert [line["event"] for line in lines] == ["document", "document", "run", "run"]
    assert [(run["target"], run[documents[run["target"]]]) for run in lines[2:]] == [
        ("subworkflow", 1),
        ("sendai", 1),
    ]
    assert (documents["subworkflow"], lines[2]["seconds"] > 0) == ("running", True)
    assert (code, "going on with comparison" in told) == (0, True)
    assert [json.loads(line)["event"] for line in more.splitlines()].count("document") == 2
    assert (processes.folder / "rows.csv").exists()


def test_two_signals_stop_an_upload_by_a_route_at_once(
    processes: Processes, trouble: Trouble
) -> None:
    """The lines of what counts and of its copies; one command goes on with all of it."""
    table = '[routes.main]\nprimary = "subworkflow"\nshadow = ["sendai"]\n'
    (processes.folder / "longshore.toml").write_text(table)
    words = _at_two(processes, trouble)
    process = processes.start("upload", *words, "--to", "route:main")
    out, err = _stop_twice(processes, process)
    code, more, _ = processes.run("resume", "--json")

    lines = [json.loads(line) for line in out.splitlines()]
    events = sorted(line["event"] for line in lines[:2])
    assert [*events, *(line["event"] for line in lines[2:])] == [
        "document",
        "shadow",
        "shadow_run",
        "run",
    ]
    assert {line["event"]: line["state"] for line in lines[:2]}["document"] == "running"
    assert (lines[-1]["running"], lines[-1]["seconds"] > 0) == (1, True)
    assert f"longshore resume {lines[-1]['run_id']} --journal journal.db" == err.splitlines()[-1]
    assert (code, _run_line(more)["succeeded"]) == (0, 1)


def test_a_signal_before_anything_was_sent(processes: Processes) -> None:
    """Ctrl-C while the list of documents is still being read ends the command, with no run."""
    settings = ("api_key=k", "base_url=http://127.0.0.1:9", "team_id=t", "project_id=p")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "longshore", "upload", "-", "--to", "sendai", "--journal",
            "journal.db", *(word for setting in settings for word in ("--set", setting)),
        ],
        cwd=processes.folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (processes.folder / "journal.db").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


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


def test_one_signal_ends_a_plan_that_reads_its_documents(processes: Processes) -> None:
    """Whoever types `-` and waits in vain presses Ctrl-C once."""
    process = subprocess.Popen(
        [sys.executable, "-m", "longshore", "plan", "-", "--to", "subworkflow", "--quiet"],
        cwd=processes.folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (processes.folder / "a.pdf").write_bytes(b"%PDF-1.4\n")
    assert process.stdin is not None
    process.stdin.write("a.pdf\n" * 40_000)  # more than a pipe holds: now it reads
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        process.communicate()


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
    assert (ended.returncode, _run_line(ended.stdout)["succeeded"]) == (0, 1)
    sandbox.send_signal(signal.SIGINT)
    _, err = sandbox.communicate(timeout=10)
    assert (sandbox.returncode, err) == (0, "")


def test_cancel_reaches_a_run_in_another_process(processes: Processes, trouble: Trouble) -> None:
    """`cancel` posts to the process that executes the run, waits for it, and says what it did."""
    trouble([], "plangrep.walk=queued:60,completed")
    (processes.folder / "a.pdf").write_bytes(b"%PDF-1.4\n")
    process = processes.start("upload", "a.pdf", "--to", "plangrep", "--json")
    run_id = _wait_for(processes, process, lambda report: report.totals.requests >= 4)
    code, told, err = processes.run("cancel", run_id, "--json")
    assert (code, _run_line(told)["cancelled"], err) == (0, 1, "")
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, _run_line(out)["cancelled"]) == (1, 1)


def test_cancel_says_what_a_run_in_another_process_does_not_cancel(
    processes: Processes, trouble: Trouble
) -> None:
    """A vendor that cannot cancel: its job goes on, and the exit code says so."""
    trouble([], "sendai.walk=PROCESSING:60,COMPLETED", only="sendai")
    (processes.folder / "a.pdf").write_bytes(b"%PDF-1.4\n")
    process = processes.start("upload", "a.pdf", "--to", "sendai", "--json")
    run_id = _wait_for(processes, process, lambda report: report.totals.requests >= 2)
    code, told, err = processes.run("cancel", run_id)
    process.kill()
    process.communicate(timeout=30)
    assert (code, "running       a.pdf" in told) == (1, True)
    assert "not cancelled: 1 batch; the process that has the run says why" in err
