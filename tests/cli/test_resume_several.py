"""``resume`` without RUN: what it says of several runs, and of none that it can have."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from longshore.cli import _carry
from longshore.journal import open_journal
from tests.cli.conftest import Ended, Shore


def begun(shore: Shore, target: str = "subworkflow") -> str:
    """Begin a run whose job nobody waits for."""
    ended = shore.run("upload", shore.file("a.pdf"), "--to", target, "--no-wait", "--json")
    return str(ended.line("run")["run_id"])


def test_what_another_process_has_is_left_to_it(shore: Shore) -> None:
    """Said once for that run; that there is nothing to resume would be wrong."""
    run_id = begun(shore)

    async def resumed_meanwhile() -> Ended:
        async with open_journal(shore.journal) as journal, journal.lock_run(run_id):
            return await asyncio.to_thread(shore.run, "resume")

    ended = asyncio.run(resumed_meanwhile())
    assert (ended.code, ended.out) == (0, "")
    (line,) = ended.err.splitlines()
    assert line.startswith(f"longshore: run {run_id} is in use by process ")
    assert line.endswith("; left to it")


def test_a_setting_may_be_for_the_runs_of_one_target(shore: Shore) -> None:
    """As `upload` and `compare` take it; a slip of the pen is not passed over in silence."""
    for target in ("subworkflow", "sendai"):
        begun(shore, target)
    wrong = shore.run("resume", "--set", "sendia:timeout=5")
    ended = shore.run("resume", "--json", "--set", "sendai:timeout=5")
    assert (wrong.code, "there are: subworkflow, sendai" in wrong.err) == (2, True)
    assert (ended.code, [line["event"] for line in ended.lines].count("run")) == (0, 2)


def test_a_setting_may_be_for_one_target_of_a_route(shore: Shore) -> None:
    """Also where one of its runs is sent again; a fallback that was not needed counts, too."""
    table = '[routes.main]\nprimary = "subworkflow"\nfallback = ["sendai"]\n'
    (shore.folder / "longshore.toml").write_text(table)
    failed = shore.run("upload", shore.file("fail.pdf"), "--to", "route:main", "--json")
    run_id = failed.line("run")["run_id"]
    settings = ("--set", "subworkflow:timeout=5", "--set", "sendai:timeout=5")
    again = shore.run("rerun", run_id, "--failed", "--json", *settings)
    wrong = shore.run("rerun", run_id, "--failed", "--set", "plangrep:timeout=5")
    assert (failed.code, again.code) == (1, 1)
    assert again.line("run")["requests"] > failed.line("run")["requests"]
    assert (wrong.code, "there are: subworkflow, sendai" in wrong.err) == (2, True)


def test_ctrl_c_leaves_the_other_runs_and_says_how_to_resume_all(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line on stderr goes on with every run, not only with the one that was stopped."""
    runs, tell = [begun(shore), begun(shore, "sendai")], _carry._tell

    def interrupted(*arguments: Any) -> None:
        tell(*arguments)
        os.kill(os.getpid(), signal.SIGINT)
        monkeypatch.setattr(_carry, "_tell", tell)

    monkeypatch.setattr(_carry, "_tell", interrupted)
    ended = shore.run("resume", "--json")
    assert (ended.code, ended.line("run")["run_id"]) == (130, runs[0])
    assert ended.err.splitlines()[-2:] == [
        f"longshore resume {runs[0]} --journal {shore.journal}",
        f"longshore resume --journal {shore.journal}",
    ]
