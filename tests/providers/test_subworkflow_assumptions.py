"""Subworkflow's documentation leaves things open: what follows where it is otherwise."""

from __future__ import annotations

import pytest

from longshore.provider import (
    Forbidden,
    Found,
    NotDone,
    PaymentRequired,
    Refused,
    State,
)
from tests.providers.driving_subworkflow import MIB, START, AnswerIsLost, world

PDF = b"%PDF-1.7 some pages"
LARGE = bytes(11 * MIB)


def test_a_job_that_is_listed_late_is_not_seen_before() -> None:
    """A minute later the list that had nothing has it."""
    w = world({"listed_after": 60.0})
    w.losing.add("post")
    with pytest.raises(AnswerIsLost) as caught:
        w.upload(w.batch("plan.pdf", PDF))

    assert w.ask(caught.value.request, asked=1) == NotDone()
    w.now += 60
    assert isinstance(w.ask(caught.value.request, asked=1), Found)


@pytest.mark.parametrize("order", ["oldest_first", "by_id"])
def test_a_list_in_another_order_is_read_to_its_end(order: str) -> None:
    """More than a page of old jobs may stand before the new one."""
    w = world({"job_order": order})
    w.now = START - 3600
    for number in range(101):
        w.now += 1
        w.upload(w.batch(f"old-{number}.pdf", PDF, id=f"old-{number}"))
    w.now = START
    w.losing.add("post")
    with pytest.raises(AnswerIsLost) as caught:
        w.upload(w.batch("plan.pdf", PDF))

    assert isinstance(w.ask(caught.value.request, asked=1), Found)


def test_a_lost_session_that_is_told_by_400_fails_its_document() -> None:
    """Only 404 is read as "the key is not known"; 400 may mean anything, so it is shown."""
    w = world({"gone_status": 400}, session_threshold=MIB)
    batch = w.batch("large.pdf", LARGE)
    session = w.session(batch)
    w.vendor.sessions.clear()

    with pytest.raises(Refused, match="upload session not found"):
        w.send_all(batch, session)


@pytest.mark.parametrize(
    ("status", "error"), [(400, Refused), (402, PaymentRequired), (403, Forbidden)]
)
def test_a_plan_without_sessions_is_named_as_a_reason(status: int, error: type[Exception]) -> None:
    """Whatever the status is; 402 and 403 stop the target, 400 fails the document."""
    w = world({"sessions_allowed": False, "plan_status": status}, session_threshold=MIB)

    with pytest.raises(error, match="not part of this plan"):
        w.session(w.batch("large.pdf", LARGE))


def test_without_a_way_to_cancel_the_job_goes_on() -> None:
    """The call has no page of its own; where it is not there, the job itself is told."""
    w = world({"cancel_call": False, "walk": "IN_PROGRESS:60,SUCCESS"})
    job = w.upload(w.batch("plan.pdf", PDF))

    assert w.run(w.provider.cancel(job)).state is State.RUNNING
