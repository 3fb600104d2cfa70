"""``resume`` without RUN: what it says of several runs, and of none that it can have."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

import longshore.pipeline
from longshore.cli import _carry, _route
from longshore.journal import open_journal
from longshore.migrate import Leg
from longshore.pipeline import Event, RunFinished
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


def test_a_warning_about_settings_is_given_once(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run fills its target: that others may read a key is still one thing to mend."""
    key = shore.folder / "key"
    key.write_text("any-key")
    key.chmod(0o644)
    for name in ("SENDAI", "SUBWORKFLOW"):
        monkeypatch.setenv(f"LONGSHORE_{name}_API_KEY", f"file:{key}")
    for target in ("subworkflow", "sendai"):
        begun(shore, target)
    assert shore.run("resume").err.count("other users may read the secret file") == 1


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


def test_two_ctrl_c_name_the_other_runs_too(
    shore: Shore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process ends at once; that one of several was stopped is not all there is to say."""
    runs, tell = [begun(shore), begun(shore, "sendai")], _carry._tell

    def interrupted(*arguments: Any) -> None:
        tell(*arguments)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        monkeypatch.setattr(_carry, "_tell", tell)

    monkeypatch.setattr(_carry, "_tell", interrupted)
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit, match="130"):
        shore.run("resume", "--json")
    assert capsys.readouterr().err.splitlines()[-2:] == [
        f"longshore resume {runs[0]} --journal {shore.journal}",
        f"longshore resume --journal {shore.journal}",
    ]


def test_ctrl_c_while_only_copies_are_left_says_how_to_go_on(
    shore: Shore, trouble: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is over, so an upload is 0; a resume that did not come to other runs is 130."""
    table = '[routes.main]\nprimary = "sendai"\nshadow = ["subworkflow"]\n'
    (shore.folder / "longshore.toml").write_text(table)
    trouble([], "subworkflow.walk=IN_PROGRESS:3600,SUCCESS", only="subworkflow")
    see = _route._Watch.see

    def interrupted(watch: _route._Watch, leg: Leg, event: Event) -> None:
        see(watch, leg, event)
        if leg.role == "main" and isinstance(event, RunFinished):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(_route._Watch, "see", interrupted)
    first = shore.run("upload", shore.file("a.pdf"), "--to", "route:main", "--json")
    begun(shore, "plangrep")
    ended = shore.run("resume", "--json")
    again = f"longshore resume {first.line('shadow_run')['run_id']} --journal {shore.journal}"
    assert (first.code, first.err.splitlines()[-1]) == (0, again)
    assert (ended.code, ended.line("document")["state"]) == (130, "succeeded")
    every = f"longshore resume --journal {shore.journal}"
    assert ended.err.splitlines()[-2:] == [again, every]


def test_ctrl_c_while_failed_documents_are_planned_again(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are; none is sent, each is told of, and the last line goes on."""
    failed = shore.run("upload", shore.file("fail.pdf"), "--to", "subworkflow", "--json")
    run, plan = failed.line("run"), longshore.pipeline.rerun

    async def interrupted(*arguments: Any, **more: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return await plan(*arguments, **more)

    monkeypatch.setattr("longshore.pipeline.rerun", interrupted)
    ended = shore.run("rerun", run["run_id"], "--failed", "--json")
    again = f"longshore resume {run['run_id']} --journal {shore.journal}"
    assert (ended.code, ended.line("document")["state"]) == (130, "running")
    assert ended.line("run")["requests"] == run["requests"]
    assert ended.err.splitlines()[-1] == again
