"""What people do with an upload: complete, discard, and what is refused."""

from __future__ import annotations

import pytest

from longshore.provider import (
    Action,
    Forbidden,
    Remedy,
    State,
)
from tests.providers.driving_sendai import Harbour, Lost, reviewed

TASKS = {"tasks_in_upload": True}


@pytest.mark.parametrize(("verb", "end"), [("complete", "COMPLETED"), ("discard", "DISCARDED")])
def test_one_task_is_acted_upon(verb: str, end: str) -> None:
    """An action that names its task works whether or not the reply names the tasks."""
    harbour = Harbour()
    _, job = reviewed(harbour, "review-a.pdf", "review-b.pdf")
    status = harbour.run(harbour.provider.act(job, Action.parse(f"{verb}:{harbour.task_ids()[0]}")))
    harbour.later()
    assert status.error is None
    assert harbour.task_words() == [end, "REVIEWING"]


@pytest.mark.parametrize(("verb", "end"), [("complete", "COMPLETED"), ("discard", "DISCARDED")])
def test_a_bare_action_means_every_task_that_offers_it(verb: str, end: str) -> None:
    """Only tasks under review are touched."""
    harbour = Harbour(TASKS)
    _, job = reviewed(harbour, "review-a.pdf", "fail.pdf", "review-b.pdf")
    status = harbour.run(harbour.provider.act(job, Action(name=verb)))
    harbour.later()
    assert verb not in (status.error or "")
    assert harbour.task_words() == [end, "FAILED", end]


def test_a_completed_upload_succeeds_after_review() -> None:
    """A complete starts the processing again; the poll tells when it is done."""
    harbour = Harbour(TASKS)
    _, job = reviewed(harbour, "review.pdf")
    now = harbour.run(harbour.provider.act(job, Action(name="complete")))
    harbour.later()
    after = harbour.run(harbour.provider.poll(job))
    assert [now.state, after.state] == [State.RUNNING, State.SUCCEEDED]


def test_a_task_that_is_not_valid_needs_review_again() -> None:
    """After a complete that does not validate, the same action is offered once more."""
    harbour = Harbour(TASKS)
    _, job = reviewed(harbour, "invalid.pdf")
    harbour.run(harbour.provider.act(job, Action(name="complete")))
    harbour.later()
    again = harbour.run(harbour.provider.poll(job))
    assert [str(a) for a in again.actions][:1] == [f"complete:{harbour.task_ids()[0]}"]


@pytest.mark.parametrize("wrong", [200, 400, 409])
def test_a_lost_answer_to_complete_is_asked_about(wrong: int) -> None:
    """Run again, the flow sees that the task has moved and does not complete it twice."""
    harbour = Harbour({"complete_wrong_state": wrong})
    _, job = reviewed(harbour, "review.pdf")
    action = Action(name="complete", object=harbour.task_ids()[0])
    harbour.lose = {f"complete-{action.object}"}
    with pytest.raises(Lost) as lost:
        harbour.run(harbour.provider.act(job, action))
    status = harbour.run(harbour.provider.act(job, action))
    assert lost.value.remedy is Remedy.RERUN
    assert [r.method for r in harbour.requests if r.step] == ["POST"]
    assert (status.error, harbour.task_words()) == (None, ["PROCESSING"])


def test_a_lost_answer_to_discard_is_sent_again() -> None:
    """A discard is ignored in any other state, so twice is the same as once."""
    harbour = Harbour()
    _, job = reviewed(harbour, "review.pdf")
    task = harbour.task_ids()[0]
    harbour.lose = {f"discard-{task}"}
    status = harbour.run(harbour.provider.act(job, Action(name="discard", object=task)))
    assert [r.method for r in harbour.requests if r.step] == ["POST", "POST"]
    assert (status.error, harbour.task_words()) == (None, ["DISCARDED"])


def test_refused_actions_leave_the_batch_alone() -> None:
    """An unknown verb, an unknown task or tasks that nobody names end in a status that says so."""
    harbour = Harbour()
    _, job = reviewed(harbour, "review.pdf")
    acts = [Action.parse(text) for text in ("explode", "complete:task_x", "discard:t", "complete")]
    errors = [harbour.run(harbour.provider.act(job, act)).error for act in acts]
    assert errors == [
        "'explode' is not offered: use complete or discard",
        "complete:task_x: the vendor refused (404): task not found",
        "discard:t: the vendor refused (404): task not found",
        "the vendor's reply names no tasks: say which one, as in complete:task_123",
    ]
    assert harbour.task_words() == ["REVIEWING"]


def test_an_action_without_its_scope_stops_the_account() -> None:
    """A key that may not edit tasks is the account's trouble."""
    harbour = Harbour({"scopes": "upload.create upload.read task.read"})
    _, job = reviewed(harbour, "review.pdf")
    with pytest.raises(Forbidden):
        harbour.run(harbour.provider.act(job, Action(name="discard", object="task_000001")))
