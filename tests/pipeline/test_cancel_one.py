"""``act JOB cancel``: one job of a run, where the vendor offers that for any job."""

from __future__ import annotations

import asyncio

import pytest

from longshore.errors import UsageError
from longshore.lifecycle import Action, Job, Outcome, Status
from longshore.pipeline import act_on, take
from longshore.provider import Flow, Provider
from tests.pipeline.support import Acme, AcmeSettings, World, hasty
from tests.pipeline.test_executor import run


class Lasting(Provider[AcmeSettings]):
    """Acme without a way to cancel."""

    name = "lasting"
    Settings = AcmeSettings
    capabilities = Acme.capabilities
    part, ordered, digest_first, per_batch = 4, False, False, 1
    start = Acme.start
    send = Acme.send
    complete = Acme.complete

    def poll(self, job: Job) -> Flow[Status]:
        return (yield from Acme.poll(self, job))  # type: ignore[arg-type]


async def two_jobs(world: World) -> None:
    """Carry two documents whose jobs go on at the vendor."""
    await world.plan([4], [4], wait=False)
    world.vendor.states = ["busy"]
    await run(world)


async def test_one_job_is_cancelled_the_other_goes_on() -> None:
    """Although its status offers nothing: the vendor cancels any job."""
    world = hasty()
    await two_jobs(world)
    engine = await world.engine()
    await act_on(engine, await take(engine, "b0000"), Action(name="cancel"))

    assert await world.outcomes() == ["cancelled", "running"]
    assert world.vendor.count("POST /cancel") == 1


async def test_another_action_is_told_that_it_can_be_cancelled() -> None:
    """What the vendor does with any job stands in the hint, as what the job offers itself."""
    world = hasty()
    await two_jobs(world)
    engine = await world.engine()
    with pytest.raises(UsageError) as refused:
        await act_on(engine, await take(engine, "b0000"), Action(name="retry"))
    assert refused.value.hint == "it offers: cancel"


async def test_the_process_that_executes_the_run_can_be_asked() -> None:
    """Through the mailbox, as any other action."""
    world = hasty()
    await two_jobs(world)
    await world.journal.change_run("run", options={"wait": True, "checksum": False})
    await world.journal.post("run", "act", {"unit": "b0001", "action": "cancel"})
    world.vendor.states = ["busy", "busy", "done"]
    report = await asyncio.wait_for(run(world), 20)

    assert report.outcomes == {Outcome.SUCCEEDED: 1, Outcome.CANCELLED: 1}
    assert await world.outcomes() == ["succeeded", "cancelled"]


async def test_what_the_vendor_does_not_offer_is_told() -> None:
    """Neither the job nor the vendor offers it."""
    world = hasty(Lasting)
    await two_jobs(world)
    engine = await world.engine()
    with pytest.raises(UsageError, match="does not offer cancel"):
        await act_on(engine, await take(engine, "b0000"), Action(name="cancel"))


async def test_a_job_that_is_over_is_not_cancelled() -> None:
    """It keeps what it ended as."""
    world = hasty()
    await world.plan([4])
    await run(world)
    engine = await world.engine()
    with pytest.raises(UsageError):
        await act_on(engine, await take(engine, "b0000"), Action(name="cancel"))

    assert (await world.outcomes(), world.vendor.count("POST /cancel")) == (["succeeded"], 0)
