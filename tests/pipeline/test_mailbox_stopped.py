"""A stop while the mailbox has something done itself: that may end, as all requests in flight."""

from __future__ import annotations

import asyncio

import pytest

from longshore.lifecycle import Action, Job, Outcome, Status
from longshore.pipeline import _executor
from longshore.provider import Flow, Response
from longshore.transfer import Outgoing
from tests.pipeline.support import Acme, Vendor, hasty, reply
from tests.pipeline.test_executor import run

pytestmark = pytest.mark.usefixtures("short")


class Retried(Acme):
    """A job that failed can be tried again."""

    def poll(self, job: Job) -> Flow[Status]:
        """Offer that."""
        status = yield from super().poll(job)
        offered = (Action(name="retry"),) if status.word == "broken" else ()
        return status.changed({"actions": offered})


class Slow(Vendor):
    """Answers an action late."""

    def __init__(self) -> None:
        super().__init__()
        self.acting, self.comes = asyncio.Event(), asyncio.Event()

    async def send(self, outgoing: Outgoing) -> Response:
        """Answer, sooner or later."""
        if "/act/" in outgoing.url:
            self.acting.set()
            await self.comes.wait()
        return await super().send(outgoing)


async def test_an_action_on_a_job_out_of_memory_may_end_after_a_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its answer is kept: the job is followed again, and the action is not done twice."""
    monkeypatch.setattr(_executor, "GRACE", 60.0)
    world, stop = hasty(Retried), asyncio.Event()
    world.vendor = vendor = Slow()
    await world.plan([4], [4])
    failed, busy = reply({"state": "broken"}), reply({"state": "busy"})
    vendor.always = {"GET /jobs/job-s1": failed, "GET /jobs/job-s2": busy}
    running = asyncio.create_task(run(world, stop=stop))
    while "failed" not in await world.outcomes():  # noqa: ASYNC110 - it leaves memory then
        await asyncio.sleep(0.01)
    await world.journal.post("run", "act", {"unit": "b0000", "action": "retry"})
    await asyncio.wait_for(vendor.acting.wait(), 20)
    vendor.always = {}
    stop.set()
    asyncio.get_running_loop().call_later(0.05, vendor.comes.set)
    await asyncio.wait_for(running, 20)
    report = await asyncio.wait_for(run(world), 20)
    assert (report.outcomes, vendor.count("POST /act")) == ({Outcome.SUCCEEDED: 2}, 1)
    assert await world.journal.mail("run") == ()
