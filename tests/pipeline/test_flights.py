"""What is counted of the steps that are being run."""

from __future__ import annotations

import asyncio

import pytest

from longshore.pipeline import Step, take
from longshore.pipeline._flights import Flights
from tests.pipeline.support import hasty


@pytest.mark.asyncio
async def test_a_digest_that_fails_leaves_its_place() -> None:
    """The end of its batch follows it in the same task; afterwards nothing is counted wrongly."""
    world = hasty()
    await world.plan([4])
    unit = await take(await world.engine(), "b0000")
    flights = Flights()

    async def work() -> None:
        assert flights.turn_to(Step("conclude"))

    flights.begin(work(), unit, Step("digest"))
    await flights.wait(1.0)
    assert [step.verb for _, _, step in flights.ended()] == ["conclude"]
    flights.begin(asyncio.sleep(0), unit, Step("start"))
    assert flights.in_flight == 1
    await flights.cancel()


def test_what_is_due_at_once_needs_no_timer() -> None:
    """On uvloop the handle of such a call does not know when it is due."""
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not made for Windows")

    async def run() -> None:
        flights = Flights()
        flights.wake()
        for _ in range(3):
            await flights.wait(0.0)

    uvloop.run(asyncio.wait_for(run(), 10.0))
