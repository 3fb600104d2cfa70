"""``cancel``: what it ends here and at the vendor, and what it says about it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from longshore.journal import open_journal
from longshore.pipeline import _asked
from tests.cli.conftest import Shore

Trouble = Callable[..., dict[str, str]]


def upload(shore: Shore, name: str, target: str = "plangrep") -> str:
    """Upload a document; the run's id."""
    ended = shore.run("upload", shore.file(name), "--to", target, "--json")
    return str(ended.line("run")["run_id"])


def test_cancel_reaches_the_vendor(shore: Shore) -> None:
    """A job that waits is cancelled at the vendor, and the run is over; its time stands still."""
    run_id = upload(shore, "blocked.pdf")
    ended = shore.run("cancel", run_id, "--json")
    assert (ended.code, ended.line("document")["state"]) == (0, "cancelled")
    status = shore.run("status", run_id, "--json").line("run")
    assert (status["state"], status["seconds"]) == ("finished", ended.line("run")["seconds"])


def test_cancel_finds_a_job_behind_a_batch_without_one(
    empty_shore: Shore, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``prepare`` found is known again before any job is talked about."""
    from longshore.pipeline import Engine, _cancel, prepare

    trouble([{"method": "POST", "path": "*/files", "first": 1, "status": 422}])
    names = [empty_shore.file("blocked1.pdf"), empty_shore.file("blocked2.pdf")]
    sent = ("--to", "plangrep", "--batch-size", "1", "--concurrency", "1", "--json")
    uploaded = empty_shore.run("upload", *names, *sent)
    told = [line for line in uploaded.lines if line["event"] == "document"]
    assert sorted((line["state"], line["vendor_job_id"] is None) for line in told) == [
        ("failed", True),
        ("needs_action", False),
    ]

    prepared: list[str] = []

    async def noted(engine: Engine) -> object:
        prepared.append(engine.run.id)
        return await prepare(engine)

    monkeypatch.setattr(_cancel, "prepare", noted)
    run_id = uploaded.line("run")["run_id"]
    cancelled = empty_shore.run("cancel", run_id, "--json")
    assert (cancelled.line("document")["state"], prepared) == ("cancelled", [run_id])


def test_what_was_to_be_cancelled_and_is_does_not_cancel_a_rerun(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was asked ended before it did it; the next `cancel` did it instead."""
    from longshore.journal._locks import hold_run

    monkeypatch.setattr("longshore.pipeline._hold.PATIENCE", 0.0)
    run_id = upload(shore, "blocked.pdf")
    with hold_run(shore.journal, run_id):
        shore.run("cancel", run_id)
    assert shore.run("cancel", run_id).code == 0

    async def mail() -> list[str]:
        async with open_journal(shore.journal) as journal:
            return [message.verb for message in await journal.mail(run_id)]

    assert asyncio.run(mail()) == []
    again = shore.run("rerun", run_id, "--failed", "--json")
    assert again.line("document")["state"] == "needs_action"


def test_cancel_comes_after_a_process_that_takes_no_mail(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who only polls holds the run for a moment, and knows nothing of what is asked."""
    from longshore.journal._locks import hold_run

    run_id = upload(shore, "blocked.pdf")
    with ExitStack() as held:
        held.enter_context(hold_run(shore.journal, run_id))

        async def sleep(_clock: object, _seconds: float) -> None:
            held.close()

        monkeypatch.setattr("longshore.pipeline._environment.SystemClock.sleep", sleep)
        ended = shore.run("cancel", run_id, "--json")
    assert (ended.code, ended.line("document")["state"]) == (0, "cancelled")


def test_cancel_says_when_there_is_nothing_to_cancel(shore: Shore) -> None:
    """A run that is over stays as it is."""
    ended = shore.run("cancel", upload(shore, "a.pdf", "sendai"))
    assert (ended.code, "was over: nothing is cancelled" in ended.err) == (0, True)


def test_cancel_is_two_when_the_account_is_refused(empty_shore: Shore, trouble: Trouble) -> None:
    """As with every command; what is not cancelled is shown as it is."""
    trouble([{"method": "POST", "path": "*/cancel", "status": 401}], only="plangrep")
    ended = empty_shore.run("cancel", upload(empty_shore, "blocked.pdf"), "--json")
    assert (ended.code, ended.line("run")["needs_action"]) == (2, 1)
    assert "hint: check the API key" in ended.err


def test_ctrl_c_ends_after_the_batch_at_hand_and_says_how_to_go_on(
    empty_shore: Shore, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """130, a line for each document that was not over, and the command that does the rest."""
    shore, one = empty_shore, _asked._cancel
    trouble([], "plangrep.walk=preflighting:3600,completed", only="plangrep")
    names = [shore.file(f"{n}.pdf", b"%%PDF %d" % n) for n in range(3)]
    begun = ("upload", *names, "--to", "plangrep", "--batch-size", "1", "--no-wait", "--json")
    run_id = shore.run(*begun).line("run")["run_id"]

    async def interrupted(*arguments: Any) -> None:
        await one(*arguments)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)

    monkeypatch.setattr(_asked, "_cancel", interrupted)
    ended = shore.run("cancel", run_id, "--json")
    monkeypatch.undo()
    states = sorted(line["state"] for line in ended.lines if line["event"] == "document")
    assert (ended.code, states) == (130, ["cancelled", "running", "running"])
    assert ended.line("run")["running"] == 2
    assert ended.err.splitlines()[-1] == f"longshore cancel {run_id} --journal {shore.journal}"
