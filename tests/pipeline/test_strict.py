"""All or nothing (``--strict``), by the limits that a vendor tells only when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from longshore.capabilities import Limits
from longshore.journal import ChangeUnit, Write
from longshore.lifecycle import Outcome, Setup
from longshore.pipeline import RunReport, advance, execute, prepare, restart_incompatible
from longshore.provider import Flow, Request
from tests.pipeline.support import Acme, World, hasty

pytestmark = pytest.mark.asyncio


class Telling(Acme):
    """Its vendor tells how large a document may be."""

    most = 10

    def prepare(self) -> Flow[Setup]:
        yield Request.get("/limits")
        limits = Limits(bytes_per_document=self.most)
        return Setup(capabilities=self.capabilities().changed({"limits": limits}))


class Telling2(Telling):
    """Its next version, by when the vendor takes less."""

    state_version = 2
    most = 6


async def test_interrupted_while_refusing_it_goes_on_refusing() -> None:
    """What one document broke before the process ended still holds for the others."""
    world = hasty(Telling)
    await world.plan([40], [4], [4], strict=True)
    refusals = 0

    def second(writes: Sequence[Write]) -> bool:
        nonlocal refusals
        refused = ChangeUnit({"settled": True, "outcome": Outcome.REFUSED})
        refusals += refused in writes
        return refusals == 2

    world.journal.refuse = second
    report = await _carried(world)
    assert report.trouble is not None
    assert await world.outcomes() == ["refused", "running", "running"]
    world.journal.refuse = None
    report = await _carried(world)
    assert report.outcomes == {Outcome.REFUSED: 3}
    assert world.vendor.count("POST") == 0


async def test_what_the_vendor_has_is_refused_no_more(versions: None) -> None:
    """A limit that came with another version keeps back what was not begun, and nothing else."""
    world = hasty(Telling, poll_interval=0.0)
    await world.plan([4], [4], [8], [4], strict=True)
    engine = await world.engine()
    await prepare(engine)
    await advance("b0000", engine=engine, until=lambda unit: unit.record.settled)
    await advance("b0001", engine=engine, until=lambda unit: unit.job is not None)
    world = replace(world, provider=Telling2(world.provider.settings))
    await restart_incompatible(world.journal, world.target(), "run", world.environment())
    await _carried(world)
    assert await world.outcomes() == ["succeeded", "unknown", "refused", "refused"]


@pytest.mark.parametrize("sizes", [([4], [8]), ([8], [4])])
async def test_what_was_given_up_is_refused_like_any_other(
    versions: None, sizes: tuple[list[int], list[int]]
) -> None:
    """A batch that begins afresh with another version has nothing at the vendor any more."""
    world = hasty(Telling)
    await world.plan(*sizes, strict=True)
    engine = await world.engine()
    await prepare(engine)
    await advance("b0000", engine=engine, until=lambda unit: unit.session is not None)
    world = replace(world, provider=Telling2(world.provider.settings))
    await restart_incompatible(world.journal, world.target(), "run", world.environment())
    report = await _carried(world)
    assert report.outcomes == {Outcome.REFUSED: 2}
    assert (world.vendor.count("POST"), world.vendor.count("DELETE /sessions/s1")) == (1, 1)


async def _carried(world: World) -> RunReport:
    run = await world.journal.run("run")
    return await execute(world.journal, world.target(), run, world.environment())
