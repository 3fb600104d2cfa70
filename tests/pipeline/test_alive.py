"""What keeps a run alive: jobs that move, also those that are out of memory."""

from __future__ import annotations

import asyncio

import pytest

from longshore.lifecycle import Batch, Outcome, Session
from longshore.pipeline import _executor, advance
from longshore.provider import Flow, Request, Wait
from longshore.transfer import Outgoing
from tests.pipeline.support import Acme, VirtualClock, hasty, reply
from tests.pipeline.test_executor import run

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("short")]


async def test_enough_failures_let_jobs_out_of_memory_come_to_their_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No new batch begins; what the vendor has is asked about until it is over."""
    monkeypatch.setattr(_executor, "_KEEP", 0.0)
    world = hasty(poll_interval=0.1)
    await world.plan(*[[4]] * 60, concurrency=4, max_failures=1)
    world.vendor.states = ["busy", "busy", "busy", "done"]
    world.vendor.always = {"GET /jobs/job-s60": reply({"state": "broken"})}
    report = await asyncio.wait_for(run(world), 20)
    assert report.outcomes == {Outcome.FAILED: 1, Outcome.SUCCEEDED: 59}


class Waiting(Acme):
    """Waits before it starts."""

    def start(self, batch: Batch) -> Flow[Session]:
        while not (yield Request.get("/slot")).json()["free"]:
            yield Wait("slot", 30.0, 600.0)
        return (yield from super().start(batch))


async def test_enough_failures_leave_what_only_waited_for_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was looked at and has nothing at the vendor: the next resume begins it."""
    monkeypatch.setattr(_executor, "_KEEP", 0.0)
    world = hasty(Waiting, poll_interval=0.1)
    await world.plan(*[[4]] * 40, concurrency=4, max_failures=1)
    world.vendor.script = {"GET /slot": [reply({"free": False})] * 40}
    world.vendor.always = {"GET /slot": reply({"free": True}), "POST /start": reply({}, 422)}
    report = await asyncio.wait_for(run(world), 20)
    assert report.exit_code == 1
    assert report.outcomes[Outcome.FAILED] + report.outcomes[Outcome.RUNNING] == 40
    assert report.outcomes[Outcome.RUNNING] > 20


async def test_a_clock_that_was_set_back_holds_up_no_resume() -> None:
    """What was to be asked in a moment is not asked when that day comes again."""
    world = hasty()
    await world.plan(*[[4]] * 3, wait=False)
    today, now = world.clock, world.clock.now
    world.clock.now = lambda: now() + 86_400.0
    await run(world)
    world.clock = type(today)()
    await world.journal.change_run("run", options={})
    report = await asyncio.wait_for(run(world), 20)
    assert report.outcomes == {Outcome.SUCCEEDED: 3}


async def test_a_clock_that_was_set_back_holds_up_no_job_that_was_asked_about() -> None:
    """Nor does a vendor's least pause begin on a day that is yet to come."""
    world = hasty()
    await world.plan([4])
    stop = asyncio.Event()

    def note(sent: Outgoing) -> None:
        if "/jobs/" in sent.url:
            stop.set()

    world.vendor.states, world.vendor.on_request = ["busy", "done"], note
    today, now = world.clock, world.clock.now
    world.clock.now = lambda: now() + 86_400.0
    assert (await run(world, stop=stop)).interrupted
    world.clock = type(today)()
    report = await asyncio.wait_for(run(world), 20)
    assert report.outcomes == {Outcome.SUCCEEDED: 1}


async def test_a_wait_goes_on_after_a_kill_no_sooner_than_without_it() -> None:
    """The flow is run from its top again, and its first request is what is waited with."""
    world = hasty(Waiting, poll_interval=30.0)
    clock, asked = VirtualClock(), list[float]()
    world.clock = clock
    await world.plan([4])
    clock.time += 5.0
    world.vendor.script = {"GET /slot": [reply({"free": False})]}
    world.vendor.always = {"GET /slot": reply({"free": True})}

    def note(sent: Outgoing) -> None:
        if sent.url.endswith("/slot"):
            asked.append(clock.now())

    world.vendor.on_request = note
    await world.journal.change_run("run", alive_at=clock.now())  # for the last time
    await advance("b0000", engine=await world.engine())
    clock.time += 1.0
    later = await advance("b0000", engine=await world.engine())
    assert (later.state, len(asked)) == ("later", 1)
    engine = await world.engine()
    await advance("b0000", engine=engine)
    clock.time += 30.0  # and not once more with each look
    await advance("b0000", engine=engine)
    assert len(asked) == 2
