"""Jobs that wait for their next poll: kept in memory or read again, it comes to the same."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from longshore.journal import Taken
from longshore.lifecycle import Outcome, State, Status
from longshore.pipeline import _active, _executor, advance
from longshore.pipeline._aside import Aside
from longshore.pipeline._scratch import Intent
from longshore.pipeline._unit import Unit
from tests.pipeline.support import World, hasty
from tests.pipeline.test_executor import run

_JOBS = 100
_POLLS = 7


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world with more jobs than the window holds, each of which takes some polls."""
    monkeypatch.setattr(_executor, "_TICK", 0.01)
    monkeypatch.setattr(_executor, "_KEEP", 0.0)
    world = hasty()
    world.vendor.states = ["busy"] * (_POLLS - 1) + ["done"]
    return world


def count_takes(world: World) -> Counter[str]:
    """Count how often each batch is taken from the journal."""
    taken: Counter[str] = Counter()
    take = world.journal.take

    async def counted(*unit_ids: str) -> tuple[Taken, ...]:
        taken.update(unit_ids)
        return await take(*unit_ids)

    world.journal.take = counted  # type: ignore[method-assign]
    return taken


@pytest.mark.parametrize(
    ("room", "least", "most"), [(_JOBS * 2, 1, 2), (_JOBS, 1, 7), (0, 3, 8)]
)  # where some are kept, a busy machine decides which
async def test_what_is_kept_is_not_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch, room: int, least: int, most: int
) -> None:
    """Each job gets its polls, and is read again only where there is no room to keep it."""
    monkeypatch.setattr(_active, "_KEPT", room)
    taken = count_takes(world)
    await world.plan(*[[4, 4]] * _JOBS, concurrency=4)

    report = await run(world)

    assert report.outcomes == {Outcome.SUCCEEDED: 2 * _JOBS}
    assert set(world.vendor.polled.values()) == {_POLLS}
    assert least <= max(taken.values()) <= most


async def test_a_kept_job_gives_way_to_whoever_asks_something_of_it(world: World) -> None:
    """A webhook's wake takes it from the journal; what was kept could write no more."""
    world.vendor.states = ["busy"]
    taken = count_takes(world)
    wakes: list[asyncio.Task[None]] = []

    async def wake() -> None:
        for number in range(_JOBS):
            await world.journal.post("run", "wake", {"unit": f"b{number:04}"})

    def look(_: object) -> None:
        if not wakes and world.vendor.polled.total() > 2 * _JOBS:
            wakes.append(asyncio.create_task(wake()))
        # at most 32 are in the executor's hands, and are woken there
        if wakes and wakes[0].done() and taken.total() > _JOBS * 3 // 2:
            world.vendor.states = ["done"]

    world.vendor.on_request = look
    await world.plan(*[[4]] * _JOBS, concurrency=4)

    report = await asyncio.wait_for(run(world), 30)

    assert report.outcomes == {Outcome.SUCCEEDED: _JOBS}


async def test_only_a_job_that_was_asked_about_is_kept() -> None:
    """More than its status is needed of one that waits for something else, or of a lost request."""
    world = hasty()
    await world.plan([4, 4])
    await advance("b0000", engine=await world.engine(), until=lambda unit: unit.job is not None)
    unit = Unit.load(await world.journal.facts("b0000"), alive_at=0.0)
    aside = Aside(2)

    aside.put(unit)
    assert aside.pop(unit.id) is None

    unit.status = Status(state=State.RUNNING, word="busy")
    for _ in range(3):  # the room is there again each time
        aside.put(unit)
        kept = aside.pop(unit.id)
        assert kept is not None
        assert (kept.record, kept.documents, kept.job) == (unit.record, unit.documents, unit.job)
        assert (kept.counters, kept.status) == (unit.counters, unit.status)

    unit.intents[("act/x", "x")] = Intent("", 0.0)
    aside.put(unit)
    assert aside.pop(unit.id) is None
