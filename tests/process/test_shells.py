"""Two shells on one journal: two runs at once, a second executor, cancel and act on a live run."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.process.shells import Ended, Shell, journal_receipts, sandboxes, wait_for

pytestmark = pytest.mark.process

MIB = 2**20
# Long enough for a second shell to come in between, on a busy machine too.
SLOW = [{"path": "*/storage/*", "delay": 0.25}]
WALK = "plangrep.walk=processing:20,completed"
ASSUMPTIONS = (
    WALK,
    "sendai.tasks_in_upload=true",
    "geolens.threshold=1000000",
    f"geolens.part_size={MIB}",
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """The sandboxes; parts take their time."""
    folder = tmp_path_factory.mktemp("shells")
    (folder / "faults.json").write_text(json.dumps(SLOW))
    assume = [word for text in ASSUMPTIONS for word in ("--assume", text)]
    with sandboxes(folder, "--port", "0", "--faults", "faults.json", *assume) as shell:
        for name in shell.urls:
            shell.more[f"LONGSHORE_{name.upper()}_POLL_INTERVAL"] = "0.1"
        yield shell


@pytest.fixture
def shell(sandbox: Shell, tmp_path: Path) -> Shell:
    """A folder and a journal of one's own."""
    return replace(sandbox, folder=tmp_path)


def make(shell: Shell, name: str, size: int = 5 * MIB) -> str:
    """Write a document, its first bytes fitting its ending; return its SHA-256."""
    head = {".tif": b"II*\0", ".pdf": b"%PDF-1.4\n"}[Path(name).suffix]
    content = head + random.Random(f"{shell.folder}{name}").randbytes(size - len(head))
    (shell.folder / name).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def begin(shell: Shell, name: str, *more: str) -> subprocess.Popen[str]:
    """Begin to send a document to GeoLens, one part after the other."""
    return shell.start("upload", name, "--to", "geolens", "--json", "--concurrency", "1", *more)


def sending(shell: Shell, runs: int = 1) -> list[str]:
    """Wait until so many runs have a receipt; return their ids."""

    def found() -> list[str]:
        receipts = journal_receipts(shell.journal) if shell.journal.exists() else {}
        return [run_id for run_id, numbers in receipts.items() if numbers]

    wait_for(lambda: len(found()) >= runs)
    return found()


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait for a command's end."""
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out, err)


def digests(shell: Shell, provider: str) -> list[str]:
    """Return what a vendor holds."""
    return [document["sha256"] for document in shell.state(provider)["documents"]]


def test_two_runs_at_once_share_a_journal(shell: Shell) -> None:
    """Each ends as if it were alone, and both are in the list of runs."""
    sent = [make(shell, "one.tif"), make(shell, "two.tif")]
    processes = [begin(shell, "one.tif"), begin(shell, "two.tif")]
    both = sending(shell, runs=2)
    ended = [end(process) for process in processes]

    assert [(each.code, each.run["succeeded"]) for each in ended] == [(0, 1), (0, 1)]
    assert sorted(each.run["run_id"] for each in ended) == sorted(both)
    held = digests(shell, "geolens")
    assert [held.count(digest) for digest in sent] == [1, 1]
    listed = shell.run("status", "--json").lines
    assert sorted(line["run_id"] for line in listed) == sorted(both)


def test_a_run_has_one_executor(shell: Shell) -> None:
    """The second one ends with 2 and says who has it; the first is not disturbed."""
    digest = make(shell, "one.tif")
    first = begin(shell, "one.tif")
    (run_id,) = sending(shell)
    first.send_signal(signal.SIGSTOP)  # it will still be there, however long the second takes

    second = shell.run("resume", run_id, "--json")

    first.send_signal(signal.SIGCONT)
    assert (second.code, second.out) == (2, "")
    assert f"run {run_id} is in use by process {first.pid}" in second.err
    ended = end(first)
    assert (ended.code, ended.run["succeeded"]) == (0, 1)
    assert digests(shell, "geolens").count(digest) == 1


def test_sigterm_repeats_no_finished_part(shell: Shell) -> None:
    """130 and how to go on; the resume in another shell sends the rest, each part once."""
    digest = make(shell, "one.tif")
    before = shell.state("geolens")["parts"].keys()
    process = begin(shell, "one.tif")
    (run_id,) = sending(shell)
    process.send_signal(signal.SIGTERM)
    ended = end(process)
    assert (ended.code, ended.run["running"]) == (130, 1)
    assert ended.err.splitlines()[-1] == f"longshore resume {run_id} --journal {shell.journal}"
    (finished,) = journal_receipts(shell.journal).values()
    assert 0 < len(finished) < 5

    again = shell.run("resume", run_id, "--json")

    assert (again.code, again.run["succeeded"]) == (0, 1)
    assert digests(shell, "geolens").count(digest) == 1
    parts = shell.state("geolens")["parts"]
    (counts,) = (parts[key] for key in parts.keys() - before)
    assert counts == dict.fromkeys("12345", 1)


def test_cancel_ends_a_live_run(shell: Shell) -> None:
    """Cancelled from a second shell, the first one ends with 1, and the vendor's job is over."""
    make(shell, "plan.pdf", 1000)
    process = shell.start("upload", "plan.pdf", "--to", "plangrep", "--json")
    (run_id,) = working(shell, "plangrep", "plan.pdf", process)

    asked = shell.run("cancel", run_id, "--json")

    ended = end(process)
    assert asked.code == 0
    assert (ended.code, ended.run["cancelled"]) == (1, 1)
    states = [job["state"] for job in shell.state("plangrep")["jobs"]]
    assert states[-1] == "cancelled"


def working(shell: Shell, provider: str, name: str, process: subprocess.Popen[str]) -> set[str]:
    """Wait until the vendor works on a document; return the runs."""
    jobs = shell.state(provider)["jobs"]

    def begun() -> bool:
        assert process.poll() is None, process.communicate()
        now = shell.state(provider)["jobs"][len(jobs) :]
        held = [job for job in now if name in job["documents"]]
        return bool(held) and bool(status(shell)["vendor_status"])

    wait_for(begun)
    return set(journal_receipts(shell.journal))


def status(shell: Shell) -> dict[str, Any]:
    """Return the first document of the only run, as the journal has it."""
    (run_id,) = journal_receipts(shell.journal)
    return shell.run("status", run_id, "--json").lines[0]


# The second job's first poll takes so long that the run is still there for what is to be proved.
HANGING = [{"method": "GET", "path": "*_000002*", "first": 1, "delay": 30}]


@pytest.mark.parametrize(
    ("provider", "name", "word"),
    [("plangrep", "blocked", "resume"), ("sendai", "review", "complete")],
)
def test_act_reaches_a_live_run(tmp_path: Path, provider: str, name: str, word: str) -> None:
    """What one job waits for is done from a second shell, while the run follows another job."""
    (tmp_path / "faults.json").write_text(json.dumps(HANGING))
    assume = ("--assume", "sendai.tasks_in_upload=true") if provider == "sendai" else ()
    arguments = ("--port", "0", "--provider", provider, "--faults", "faults.json", *assume)
    with sandboxes(tmp_path, *arguments) as shell:
        shell.more[f"LONGSHORE_{provider.upper()}_POLL_INTERVAL"] = "0.1"
        names = [f"{name}-1.pdf", f"{name}-2.pdf"]
        for each in names:
            make(shell, each, 1000)
        process = shell.start("upload", *names, "--to", provider, "--batch-size", "1", "--json")
        action = offered(shell, process, word)
        job = action["vendor_job_id"]
        before = state_of(shell, provider, job)

        done = shell.run(*action["command"].split()[1:], "--json")

        asked = {key: done.lines[-1][key] for key in ("event", "vendor_job_id", "action")}
        assert (done.code, len(done.lines)) == (0, 1)
        assert asked == {"event": "asked", "vendor_job_id": job, "action": action["action"]}
        assert "asked the process" in done.err
        wait_for(lambda: state_of(shell, provider, job) != before)
        assert process.poll() is None  # it was the first shell that did it
        process.kill()
        process.communicate()


def offered(shell: Shell, process: subprocess.Popen[str], word: str) -> dict[str, Any]:
    """Wait until the journal has an action of this name, and return its line."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        assert process.poll() is None, process.communicate()
        if shell.journal.exists() and any(journal_receipts(shell.journal).values()):
            found[:] = [
                line
                for line in shell.run("actions", "--json").lines
                if line["action"].partition(":")[0] == word
            ]
        return bool(found)

    wait_for(look)
    return found[0]


def state_of(shell: Shell, provider: str, job_id: str) -> str:
    """Return the state of one of the vendor's jobs."""
    (found,) = [job for job in shell.state(provider)["jobs"] if job["id"] == job_id]
    state: str = found["state"]
    return state
