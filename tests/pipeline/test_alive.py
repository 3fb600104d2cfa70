"""What keeps a run alive: jobs that move, also those that are out of memory."""

from __future__ import annotations

import asyncio

import pytest

from longshore.lifecycle import Batch, Outcome, Session
from longshore.pipeline import _executor
from longshore.provider import Flow, Request, Wait
from tests.pipeline.support import Acme, hasty, reply
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
    report = await asyncio.wait_for(run(world), 10)
    assert report.exit_code == 1
    assert report.outcomes[Outcome.FAILED] + report.outcomes[Outcome.RUNNING] == 40
    assert report.outcomes[Outcome.RUNNING] > 20
