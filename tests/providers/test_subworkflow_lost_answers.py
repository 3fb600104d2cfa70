"""What Subworkflow's provider finds out when the answer to the commit point is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from longshore.provider import (
    Batch,
    Found,
    Headers,
    LostRequest,
    NotDone,
    Request,
    Response,
    Undecided,
)
from longshore_subworkflow.wire import JobReply
from tests.providers.driving_subworkflow import MIB, START, AnswerIsLost, World, world

PDF = b"%PDF-1.7 some pages"


def lose(w: World, batch: Batch, *, acted: bool) -> Request:
    """Upload a batch so that the answer of its commit point is lost, and return that request."""
    lost = w.losing if acted else w.dropping
    lost |= {"post", "end"}
    with pytest.raises(AnswerIsLost) as caught:
        w.upload(batch)
    lost.clear()
    return caught.value.request


def session_world() -> World:
    return world({"part_minimum": 1}, session_threshold=4, part_size=5 * MIB)


@pytest.mark.parametrize("make", [world, session_world])
def test_job_of_a_lost_answer_is_found(make: Callable[[], World]) -> None:
    """The one job of that name, ending, size and time is the answer that was lost."""
    w = make()
    request = lose(w, w.batch("Plan A.PDF", PDF), acted=True)
    (job,) = w.vendor.jobs
    answer = w.ask(request)
    assert isinstance(answer, Found)
    assert answer.response.parse(JobReply).data.id == job


def test_found_answer_lets_the_flow_go_on() -> None:
    """The flow takes the found job as if its own answer had come."""
    w = world()
    batch = w.batch("plan.pdf", PDF)
    answer = w.ask(lose(w, batch, acted=True))
    assert isinstance(answer, Found)
    session = w.session(batch)
    flow = w.provider.send(batch, session, session.transfers[0])
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(answer.response)
    (job,) = w.vendor.jobs.values()
    assert end.value.value.token == job.id
    assert end.value.value.data == {"dataset_id": job.dataset.id}


def test_nothing_there_is_asked_twice_before_it_counts() -> None:
    """The request may still be under way, so only the second look says that it never acted."""
    w = world()
    request = lose(w, w.batch("plan.pdf", PDF), acted=False)
    assert w.ask(request) == Undecided(30.0, "no such job yet; the request may still arrive")
    assert w.ask(request, asked=1) == NotDone()


def test_claimed_job_is_no_answer() -> None:
    """A job that belongs to another batch is passed over."""
    w = world()
    other = w.upload(w.batch("plan.pdf", PDF, id="first"))
    request = lose(w, w.batch("plan.pdf", PDF, id="second"), acted=False)
    assert w.ask(request, asked=1, claimed={other.id}) == NotDone()


def test_a_page_of_claimed_jobs_is_not_the_last_one() -> None:
    """Others went on for long before the question: ours stands behind all of their jobs."""
    w = world()
    request = lose(w, w.batch("plan.pdf", PDF), acted=True)
    (job,) = w.vendor.jobs
    others = {w.upload(w.batch("other.pdf", b"%PDF", id=f"b{n}")).id for n in range(120)}
    answer = w.ask(request, asked=1, claimed=others)
    assert isinstance(answer, Found)
    assert answer.response.parse(JobReply).data.id == job


def test_two_candidates_are_never_guessed() -> None:
    """Two jobs that fit leave it undecided, however often it was asked."""
    w = world()
    w.upload(w.batch("plan.pdf", PDF, id="first"))
    request = lose(w, w.batch("plan.pdf", PDF, id="second"), acted=True)
    answer = w.ask(request, asked=4)
    assert isinstance(answer, Undecided)
    assert "more than one job" in answer.why


def test_equal_rival_makes_one_candidate_worthless() -> None:
    """While another batch has lost an equal document, one job may be that of either."""
    w = world()
    rival = w.batch("plan.pdf", PDF, id="rival").only()
    request = lose(w, w.batch("plan.pdf", PDF), acted=True)
    answer = w.ask(request, asked=4, rivals=[rival])
    assert isinstance(answer, Undecided)
    assert "equal document" in answer.why


def test_rival_of_another_size_does_not_matter() -> None:
    """Only an equal document can be taken for ours."""
    w = world()
    rival = w.batch("plan.pdf", PDF + b"!", id="rival").only()
    request = lose(w, w.batch("plan.pdf", PDF), acted=True)
    assert isinstance(w.ask(request, rivals=[rival]), Found)


def test_job_of_another_size_is_no_answer() -> None:
    """Whatever its name is, those are not our bytes."""
    w = world()
    w.upload(w.batch("plan.pdf", PDF + b"!", id="other"))
    request = lose(w, w.batch("plan.pdf", PDF), acted=False)
    assert w.ask(request, asked=1) == NotDone()


@pytest.mark.parametrize("name", ["plan.docx", "plans.pdf"])
def test_job_of_our_size_and_another_name_decides_nothing(name: str) -> None:
    """The vendor may have changed the name: sending again could make a second job."""
    w = world()
    w.upload(w.batch(name, PDF, id="other"))
    request = lose(w, w.batch("plan.pdf", PDF), acted=False)
    answer = w.ask(request, asked=4)
    assert isinstance(answer, Undecided)
    assert "its name or size does not tell" in answer.why


@pytest.mark.parametrize(
    "assumptions",
    [
        {"file_names": "altered"},
        {"sizes_told": "at_end"},
        {"sizes_told": "at_end", "not_yet": "zero"},
        {"file_names": "altered", "sizes_told": "at_end"},
    ],
)
def test_a_job_that_may_be_ours_is_not_repeated(assumptions: dict[str, object]) -> None:
    """It did act, but its dataset has another name, or no size yet: never "not done"."""
    w = world({"walk": "IN_PROGRESS:3600,SUCCESS", **assumptions})
    request = lose(w, w.batch("Plan A.pdf", PDF), acted=True)
    (job,) = w.vendor.jobs
    answer = w.ask(request, asked=4)
    assert isinstance(answer, Undecided)
    assert job in answer.why


def test_a_size_that_is_told_late_decides_later() -> None:
    """Once the job has ended its dataset tells the size, and it is found."""
    w = world({"walk": "IN_PROGRESS:60,SUCCESS", "sizes_told": "at_end"})
    request = lose(w, w.batch("plan.pdf", PDF), acted=True)
    assert isinstance(w.ask(request), Undecided)
    w.now += 61
    assert isinstance(w.ask(request, asked=1), Found)


def test_a_job_of_our_name_whose_size_is_not_told_makes_two() -> None:
    """Beside one that fits in everything it leaves the question open."""
    w = world({"walk": "IN_PROGRESS:30,SUCCESS", "sizes_told": "at_end"})
    w.upload(w.batch("plan.pdf", PDF, id="first"))
    w.now += 31
    request = lose(w, w.batch("plan.pdf", PDF, id="second"), acted=True)
    answer = w.ask(request, asked=4)
    assert isinstance(answer, Undecided)
    assert "more than one job" in answer.why


def test_older_job_is_no_answer() -> None:
    """A job of the same document from before the request left is not its job."""
    w = world()
    w.now = START - 61
    w.upload(w.batch("plan.pdf", PDF, id="older"))
    w.now = START
    request = lose(w, w.batch("plan.pdf", PDF), acted=False)
    assert w.ask(request, asked=1) == NotDone()


def test_clock_of_the_vendor_may_be_a_little_behind() -> None:
    """A job from up to a minute before our own time is still looked at."""
    w = world()
    w.now = START - 59
    request = lose(w, w.batch("plan.pdf", PDF), acted=True)
    assert isinstance(w.ask(request), Found)


def test_all_pages_of_recent_jobs_are_looked_through() -> None:
    """The job is found behind more than a page of newer ones."""
    w = world()
    request = lose(w, w.batch("plan.pdf", PDF), acted=True)
    (job,) = w.vendor.jobs
    for number in range(150):
        w.upload(w.batch(f"other-{number}.pdf", PDF, id=f"other-{number}"))
    answer = w.ask(request)
    assert isinstance(answer, Found)
    assert answer.response.parse(JobReply).data.id == job


def test_unreadable_dataset_leaves_it_undecided() -> None:
    """A new job whose dataset is gone may be the one."""
    w = world()
    request = lose(w, w.batch("plan.pdf", PDF), acted=True)
    w.vendor.datasets.clear()
    assert isinstance(w.ask(request, asked=4), Undecided)


@pytest.mark.parametrize(
    ("date", "decided"),
    [
        ("Fri, 31 Oct 2025 13:00:00 GMT", True),
        ("Sat, 01 Nov 2025 13:00:00 GMT", False),
        ("no date", True),
    ],
)
def test_absence_proves_nothing_after_24_hours(date: str, decided: bool) -> None:
    """By the vendor's own clock: ended jobs leave the list, so an empty list stays undecided."""
    w = world()
    request = lose(w, w.batch("plan.pdf", PDF), acted=False)
    assert callable(request.lost)
    flow = request.lost(LostRequest(sent_at=START, asked=1))
    next(flow)
    empty = Response(200, Headers({"Date": date}), b'{"data": []}')
    with pytest.raises(StopIteration) as end:
        flow.send(empty)
    assert isinstance(end.value.value, NotDone if decided else Undecided)


def test_an_answer_that_took_minutes_does_not_hide_the_job() -> None:
    """The vendor's clock is held against the moment at which its answer came.

    A pause after a 429 lies before it, and must not make the job look older than the request.
    """
    w = world()
    request = lose(w, w.batch("plan.pdf", PDF), acted=True)
    (job,) = w.vendor.jobs
    flow = request.lost(LostRequest(sent_at=START, asked=1))  # type: ignore[operator]
    listing = next(flow)
    assert isinstance(listing, Request)
    late = replace(w.exchange(listing), received_at=START + 500.0)
    date = format_datetime(datetime.fromtimestamp(START + 500.0, UTC), usegmt=True)
    late = replace(late, headers=Headers({**late.headers, "Date": date}))
    dataset = flow.send(late)
    assert isinstance(dataset, Request)
    with pytest.raises(StopIteration) as end:
        flow.send(w.exchange(dataset))
    assert isinstance(end.value.value, Found)
    assert job in end.value.value.response.text
