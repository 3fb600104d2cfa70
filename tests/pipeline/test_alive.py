"""What keeps a run alive: jobs that move, also those that are out of memory."""

from __future__ import annotations

import asyncio

import pytest

from longshore.lifecycle import Outcome
from longshore.pipeline import _executor
from tests.pipeline.support import hasty, reply
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
