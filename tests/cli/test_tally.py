"""How far a run is, as its events tell: counts, rate, time left, and what is waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from longshore.capabilities import Capabilities, Rate
from longshore.cli.progress._budget import Budget
from longshore.cli.progress._meter import Meter
from longshore.cli.progress._tally import Tally
from longshore.journal import Counters, UnitRecord
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    BytesMoved,
    DocumentFinished,
    JobAccepted,
    Polled,
    RunStarted,
)
from tests.cli.screen import EVENTS, RECORD, RUN, waiting


class Watch:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_says_how_far_a_run_is() -> None:
    """Documents, bytes, rate, time left, and what the jobs do."""
    clock = Watch()
    tally = Tally(moved=Meter(clock))
    for event in EVENTS:
        tally.see(event)
    for _ in range(10):
        clock.now += 1
        tally.see(BytesMoved("u1", 1_500_000))
    assert tally.text() == (
        "0 of 2 documents, 30.0 MB of 40.0 MB, 1.5 MB/s, about 6.7 s left, jobs: 1 PROCESSING"
    )


def test_no_rate_is_told_from_the_first_bytes() -> None:
    """They only fill the buffers of this machine: no 872 MB/s, and no 133 hours."""
    clock = Watch()
    tally = Tally(moved=Meter(clock))
    for event in EVENTS:
        tally.see(event)
    for _ in range(4):
        assert "/s" not in tally.text()
        assert "left" not in tally.text()
        clock.now += 1
        tally.see(BytesMoved("u1", 1000))
    assert ", 1.0 kB/s, about 6 h 56 m left, " in tally.text()


def small(documents: int, seconds: float, clock: Watch, rate: Rate) -> Tally:
    """Send small documents, one a second, to a vendor that allows so many requests."""
    tally = Tally(moved=Meter(clock), budget=Budget(Capabilities(rate=rate, read_rate=rate), clock))
    tally.see(RunStarted(RUN, documents, 10 * documents))
    for number in range(int(seconds)):
        clock.now += 1
        tally.see(BytesMoved(f"u{number}", 10))
        tally.see(JobAccepted(f"u{number}", f"job_{number}", (f"d{number}",)))
        tally.see(replace(waiting(f"u{number}", None), how="done", error=None, requests=1))
    return tally


def test_a_line_names_the_budget_that_requests_wait_for() -> None:
    """Else nobody knows why 3,000 small documents take an hour."""
    clock = Watch()
    tally = small(3000, 60, clock, Rate(requests=60, seconds=60.0))
    assert tally.text().endswith(
        "10 B/s, about 49 m 00 s left, requests wait for the vendor's budget: 60 requests a minute"
    )
    clock.now += 90
    assert "budget" not in tally.text()


def test_the_time_left_is_never_less_than_the_budget_allows() -> None:
    """The first minute's requests go at once, those of the others do not."""
    clock = Watch()
    clock.now -= 0.95 * 60
    tally = small(3000, 60, clock, Rate(requests=30, seconds=60.0))
    assert ", about 1 h 38 m left, " in tally.text()


def test_while_the_budget_lets_nothing_go_it_tells_the_time_left() -> None:
    """A minute's requests went at once; since then there is no rate to tell."""
    clock = Watch()
    budget = Budget(Capabilities(rate=Rate(requests=60, seconds=60.0)), clock)
    tally = Tally(moved=Meter(clock), budget=budget)
    tally.see(RunStarted(RUN, 300, 3000))
    for number in range(60):
        tally.see(BytesMoved(f"u{number}", 10))
        tally.see(JobAccepted(f"u{number}", f"job_{number}", (f"d{number}",)))
        tally.see(replace(waiting(f"u{number}", None), how="done", error=None, requests=1))
    clock.now += 30

    assert tally.text() == (
        "0 of 300 documents, 600 B of 3.0 kB, about 8 m 00 s left, "
        "requests wait for the vendor's budget: 60 requests a minute"
    )


@pytest.mark.parametrize("rate", [Rate(requests=600, seconds=60.0), Rate(requests=60)])
def test_a_budget_that_nobody_waits_for_is_not_named(rate: Rate) -> None:
    """One request a second, where ten may go."""
    assert "budget" not in small(3000, 60, Watch(), rate).text()


def test_bytes_that_are_sent_again_do_not_pass_the_end() -> None:
    """What is carried is never more than there is."""
    tally = Tally()
    for event in (*EVENTS, BytesMoved("u1", 99_000_000)):
        tally.see(event)
    assert tally.carried == 40_000_000


def test_a_finished_document_is_counted_once_more() -> None:
    """Finished documents are counted, and their jobs are polled no more."""
    tally = Tally()
    for event in (*EVENTS, Polled("u2", "job_2", Outcome.SUCCEEDED, "DONE")):
        tally.see(event)
    tally.see(DocumentFinished(RUN, RECORD, None))
    assert (tally.finished, tally.jobs) == (1, {})


def test_what_the_plan_refused_is_counted_once() -> None:
    """It is finished when the run starts, whenever somebody is told of it."""
    tally = Tally()
    refused = RECORD.changed({"unit_id": None, "outcome": Outcome.REFUSED})
    for event in (RunStarted(RUN, 3, 40, finished=1), DocumentFinished(RUN, refused, None)):
        tally.see(event)
    assert tally.text() == "1 of 3 documents, 0 B of 40 B"


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FAILED, Outcome.CANCELLED])
def test_what_ends_before_it_is_sent_is_not_waited_for(outcome: Outcome) -> None:
    """A batch refused as a whole would keep the bar from its end; one that was sent counts."""
    ended, unsent = RECORD.changed({"outcome": outcome}), UnitRecord(id="u1", run_id="r1")
    sent = unsent.changed({"counters": Counters(bytes_sent=20_000_000)})
    said = []
    for unit in (unsent, sent):
        tally = Tally()
        tally.see(RunStarted(RUN, 2, 40_000_000))
        tally.see(DocumentFinished(RUN, ended, unit))
        said.append(tally.text())
    assert said == [
        "1 of 2 documents, 0 B of 20.0 MB",
        "1 of 2 documents, 0 B of 40.0 MB",
    ]
