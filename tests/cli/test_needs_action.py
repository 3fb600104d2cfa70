"""What waits for a person: listed with its document, and as commands that can be typed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from longshore.journal import open_journal
from tests.cli.conftest import Shore

Trouble = Callable[..., dict[str, str]]


def test_what_the_vendor_names_no_action_for_is_listed_all_the_same(shore: Shore) -> None:
    """Scripts see a line without an action; the hint says how to name an object."""
    shore.run("upload", shore.file("review.pdf"), "--to", "sendai")
    line = shore.run("actions", "--json").line("action")
    ended = shore.run("act", line["vendor_job_id"], "resume")
    shown = shore.bare("providers", "show", "sendai")

    resume = f"longshore resume {line['run_id']} --journal {shore.journal}"
    assert (line["action"], line["command"]) == (None, resume)
    assert ended.code == 2
    assert "resume:ID" not in ended.err  # there is no such action at this vendor
    assert "(ACTION:ID), as longshore providers show sendai tells" in ended.err
    assert "complete:task_123, discard:task_123" in " ".join(shown.out.split())


def test_skip_existing_knows_what_is_still_open_at_the_vendor(shore: Shore) -> None:
    """Sent again beside a job that waits or runs, a document would be read and billed twice."""
    waiting = shore.file("blocked.pdf", b"%PDF waits")
    running = shore.file("runs.pdf", b"%PDF runs")
    shore.run("upload", waiting, "--to", "plangrep")
    shore.run("upload", running, "--to", "plangrep", "--no-wait")
    ended = shore.run("upload", waiting, running, "--to", "plangrep", "--skip-existing", "--json")

    assert (ended.code, ended.line("run")["skipped"], ended.line("run")["requests"]) == (0, 2, 0)


def test_each_task_is_listed_with_its_document(empty_shore: Shore, trouble: Trouble) -> None:
    """One is discarded, all others are completed, and the run comes to its end."""
    shore = empty_shore
    trouble([], "sendai.tasks_in_upload=true", only="sendai")
    names = [shore.file(f"review{number}.pdf", b"%%PDF %d" % number) for number in (1, 2, 3)]
    shore.run("upload", *names, "--to", "sendai")
    listed = shore.run("actions", "--json").lines
    discard = next(line for line in listed if line["action"].startswith("discard"))
    shown = shore.run("actions").out
    shore.run(*discard["command"].split()[1:])
    shore.run("act", discard["vendor_job_id"], "complete")
    ended = shore.run("resume", "--json")

    assert sorted(line["paths"] for line in listed) == sorted([name] for name in names * 2)
    assert f"{discard['command']}  # {discard['paths'][0]}" in shown
    states = {line["path"]: line["state"] for line in ended.lines if line["event"] == "document"}
    assert states == {
        name: "cancelled" if [name] == discard["paths"] else "succeeded" for name in names
    }


def test_an_action_that_the_vendor_refuses_is_no_success(shore: Shore) -> None:
    """A script that goes on after 0 would believe that the task is done."""
    shore.run("upload", shore.file("review.pdf"), "--to", "sendai")
    job = shore.run("actions", "--json").line("action")["vendor_job_id"]
    refused = shore.run("act", job, "complete:task_999")

    assert (refused.code, "the vendor refused (404)" in refused.out) == (1, True)


@pytest.fixture
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for somebody who may have the run only for a moment."""
    monkeypatch.setattr("longshore.pipeline._hold.PATIENCE", 0.0)


class Busy:
    """Keeps a run as the process does that executes it."""

    def __init__(self, shore: Shore) -> None:
        self._shore = shore

    def run(self, run_id: str, *arguments: str) -> tuple[Any, list[str]]:
        """Run a command meanwhile; what it left in the mailbox comes with how it ended."""
        return asyncio.run(self._run(run_id, arguments))

    async def _run(self, run_id: str, arguments: tuple[str, ...]) -> tuple[Any, list[str]]:
        async with open_journal(self._shore.journal) as journal, journal.lock_run(run_id):
            ended = await asyncio.to_thread(self._shore.run, *arguments)
            mail = [str(message.body["action"]) for message in await journal.mail(run_id)]
        return ended, mail


@pytest.mark.usefixtures("_hurry")
def test_a_run_that_is_executed_is_asked_to_act(shore: Shore) -> None:
    """Scripts get a line that says so; the action lies in the mailbox."""
    shore.run("upload", shore.file("blocked.pdf"), "--to", "plangrep")
    line = shore.run("actions", "--json").lines[0]
    job, run = line["vendor_job_id"], line["run_id"]
    ended, mail = Busy(shore).run(run, "act", job, "resume", "--json")

    assert (ended.code, mail) == (0, ["resume"])
    assert ended.line("asked") == {
        "event": "asked", "run_id": run, "target": "plangrep", "batch_id": line["batch_id"],
        "vendor_job_id": job, "action": "resume",
    }  # fmt: skip


def test_a_run_that_is_executed_is_not_asked_in_vain(shore: Shore) -> None:
    """What the job does not offer is refused at once, not lost in the other process."""
    shore.run("upload", shore.file("blocked.pdf"), "--to", "plangrep")
    line = shore.run("actions", "--json").lines[0]
    ended, mail = Busy(shore).run(line["run_id"], "act", line["vendor_job_id"], "complete")

    assert (ended.code, mail) == (2, [])
    assert "does not offer complete: it is blocked_insufficient_credits" in ended.err
    assert "it offers: resume, cancel" in ended.err


@pytest.mark.parametrize("word", ["complete:", ":task_1", ""])
def test_an_action_without_an_object_behind_its_colon_is_not_taken_for_all(
    shore: Shore, word: str
) -> None:
    """As a script writes it whose variable is empty."""
    shore.run("upload", shore.file("review.pdf"), "--to", "sendai")
    job = shore.run("actions", "--json").line("action")["vendor_job_id"]
    ended = shore.run("act", job, word)

    assert (ended.code, "does not say what it is about" in ended.err) == (2, True)


def test_what_is_done_to_a_job_is_in_the_stream_of_events(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An action is a step of its batch, as any other."""
    shore.run("upload", shore.file("blocked.pdf"), "--to", "plangrep")
    job = shore.run("actions", "--json").lines[0]["vendor_job_id"]
    monkeypatch.setenv("LONGSHORE_EVENTS", "events.jsonl")
    shore.run("act", job, "cancel")
    lines = [json.loads(text) for text in (shore.folder / "events.jsonl").read_text().splitlines()]

    assert [line["event"] for line in lines] == [
        "run_started", "step_ended", "document_changed", "document", "run_finished",
    ]  # fmt: skip
    assert {line["target"] for line in lines} == {"plangrep"}
