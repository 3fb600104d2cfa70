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
