"""Sending again what failed: planned in the journal first, as far as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from longshore.errors import JournalError
from longshore.journal import ChangeDocument, RunRecord, Write
from longshore.lifecycle import Outcome
from longshore.pipeline import RunReport, enqueue, execute, find_documents, plan, rerun
from tests.pipeline.support import World, hasty, reply


@pytest.fixture
def world() -> World:
    """Return a world with a vendor that takes no part."""
    world = hasty()
    world.vendor.always = {"PUT /parts": reply({}, 422)}
    return world


async def go(world: World, run: RunRecord) -> RunReport:
    return await execute(world.journal, world.target(), run, world.environment())


async def failed_run(world: World, folder: Path) -> RunRecord:
    """Carry two files in vain."""
    files = [folder / "a.pdf", folder / "b.pdf"]
    for file in files:
        file.write_bytes(b"%PDF-1.4\n")
    await world.plan()
    run, new_id = await world.journal.run("run"), world.environment().new_id
    planned = plan(
        find_documents([str(file) for file in files]),
        world.provider.capabilities(),
        run_id=run.id,
        target=run.target,
        new_id=new_id,
        part_size=None,
        batch_size=None,
    )
    now = world.clock.now()
    await enqueue(world.journal, run, planned, new_id=new_id, now=now, strict=False)
    report = await go(world, run)
    assert report.outcomes == {Outcome.FAILED: 2}
    assert report.open == 0
    world.vendor.always = {}
    return await world.journal.run(run.id)


async def again(world: World, run: RunRecord) -> int:
    environment = world.environment()
    capabilities = world.provider.capabilities()
    return await rerun(
        world.journal, run, capabilities, new_id=environment.new_id, now=world.clock.now()
    )


async def test_a_rerun_that_is_killed_while_it_plans_can_be_resumed(
    world: World, tmp_path: Path
) -> None:
    """The run is unfinished from the first batch on: `resume` without an id finds it."""
    run = await failed_run(world, tmp_path)
    assert run.finished_at is not None
    moved = 0

    def killed(writes: Sequence[Write]) -> bool:
        nonlocal moved
        moved += any(isinstance(write, ChangeDocument) for write in writes)
        return moved == 2

    world.journal.refuse = killed
    with pytest.raises(JournalError):
        await again(world, run)
    world.journal.refuse = None

    assert (await world.journal.run(run.id)).finished_at is None
    assert (await go(world, run)).outcomes == {Outcome.SUCCEEDED: 1, Outcome.FAILED: 1}


async def test_a_cancel_that_was_left_is_not_meant_for_what_is_sent_again(
    world: World, tmp_path: Path
) -> None:
    """It was for the batches before; an unrelated message stays."""
    run = await failed_run(world, tmp_path)
    await world.journal.post(run.id, "cancel", {})
    await world.journal.post(run.id, "wake", {"unit": run.id})

    assert await again(world, run) == 2
    assert [message.verb for message in await world.journal.mail(run.id)] == ["wake"]
    assert (await go(world, run)).outcomes == {Outcome.SUCCEEDED: 2}


async def test_nothing_to_send_again_leaves_the_run_finished(world: World, tmp_path: Path) -> None:
    """All succeeded: nothing is planned, and `resume` does not look at the run."""
    run = await failed_run(world, tmp_path)
    await again(world, run)
    await go(world, run)

    assert await again(world, run) == 0
    assert (await world.journal.run(run.id)).finished_at is not None
