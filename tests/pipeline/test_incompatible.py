"""A run that another state version of its provider wrote: what begins afresh."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count

import pytest

from longshore.errors import IncompatibleState, JournalError, RunInUse, RunNotFound
from longshore.lifecycle import Outcome, Setup
from longshore.pipeline import (
    Unit,
    advance,
    cancel_run,
    execute,
    hold_run,
    open_engine,
    prepare,
    restart_incompatible,
)
from longshore.redaction import Redactor
from tests.pipeline.support import Acme, OneRequest, World, hasty
from tests.pipeline.versions import (
    Mute,
    Narrow,
    OnePost,
    Secret,
    begun,
    cut_short,
    goes,
    killed_at,
    now,
    resumed,
    unit,
    with_a_job,
    words,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("versions")]


async def test_by_default_it_is_an_error_that_names_both_ways() -> None:
    """The version to install, and what to type instead; nothing changes."""
    world = now(await begun())
    with pytest.raises(IncompatibleState, match=r"acme 1\.0 \(state version 1, now 2\)") as caught:
        await resumed(world, restart=False)
    assert "install version 1.0" in caught.value.hint
    assert "longshore resume run --on-incompatible restart" in caught.value.hint
    assert (await world.journal.run("run")).state_version == 1


async def test_what_was_not_begun_simply_goes_on() -> None:
    """Nothing is given up: the batch keeps its attempt."""
    world = now(await begun())
    report = await resumed(world)
    assert (report.outcomes, (await unit(world)).attempt) == ({Outcome.SUCCEEDED: 1}, 1)
    run = await world.journal.run("run")
    assert (run.state_version, run.provider_version) == (2, "2.0")
    assert words(world.events) == [
        "run run goes on with acme 2.0; batches of acme 1.0: 0 begun afresh, 0 held"
    ]


@pytest.mark.parametrize("parts", [0, 2])
async def test_a_session_that_made_nobody_work_is_given_up(parts: int) -> None:
    """A fresh one carries everything, and the old one goes back to the vendor."""
    world = await begun()
    await goes(world, lambda unit: unit.session is not None and len(unit.receipts) == parts)
    world = now(world)
    report = await resumed(world)
    assert report.outcomes == {Outcome.SUCCEEDED: 1}
    assert ((await unit(world)).attempt, world.vendor.count("PUT /parts/s2")) == (2, 3)
    assert world.vendor.count("DELETE /sessions/s1") == 1
    assert world.vendor.count("PUT /parts/s1") == 0
    assert "1 begun afresh, 0 held" in words(world.events)[0]


async def test_no_more_secrets_are_hidden_than_those_of_a_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of a hundred thousand sessions would make every line slower."""
    world = await begun(Secret)
    await goes(world, lambda unit: unit.session is not None)
    redactors: list[Redactor] = []
    learn = Redactor.learn

    def note(self: Redactor, secrets: Iterable[str]) -> None:
        redactors.append(self)
        learn(self, secrets)

    monkeypatch.setattr(Redactor, "learn", note)
    world = now(world)
    await restart_incompatible(world.journal, world.target(), "run", world.environment())
    assert "key-of-session" in {r.text("key-of-session") for r in redactors}


async def test_a_request_that_makes_nobody_work_may_have_arrived() -> None:
    """Killed while a session was begun: whatever came of that, another one is begun."""
    world = await begun()
    killed_at(world, "/start")
    await goes(world)
    world = now(world)
    assert (await resumed(world)).outcomes == {Outcome.SUCCEEDED: 1}
    assert ((await unit(world)).attempt, world.vendor.count("POST /start")) == (2, 1)
    assert "1 begun afresh, 0 held" in words(world.events)[0]


async def test_a_session_that_cannot_be_given_back_is_told() -> None:
    """The present version offers no abort: somebody may want to know what is left there."""
    world = await begun()
    await goes(world, lambda unit: unit.session is not None)
    world = now(world, Mute)
    assert (await resumed(world)).outcomes == {Outcome.SUCCEEDED: 1}
    assert words(world.events)[1:] == [
        "sessions left at the vendor, for acme 2.0 cannot give them back: 1"
    ]


async def test_a_list_of_what_is_to_be_sent_is_no_session_of_the_vendor() -> None:
    """Where the vendor has none, there is none to be told of either."""
    world = await begun(OneRequest)
    await goes(world, lambda unit: unit.session is not None)
    world = now(world, OnePost)
    assert (await resumed(world)).outcomes == {Outcome.SUCCEEDED: 1}
    assert (len(words(world.events)), world.vendor.count("POST /upload")) == (1, 1)


async def test_what_prepare_found_is_asked_for_again() -> None:
    """It may mean something else, too; and its limits hold for what was not begun."""
    world = await begun()
    await goes(world, lambda unit: True)
    assert (await world.journal.unit("run")).settled
    world = now(world)
    await resumed(world)
    assert world.vendor.count("GET /project") == 1
    assert Unit.load(await world.journal.facts("run"), 0.0).setup == Setup(data={"project": "p1"})


async def test_limits_that_are_told_by_now_hold_for_what_was_not_begun() -> None:
    """The plan is of the version before; the documents are held against the limits once more."""
    world = await begun()
    await world.journal.change_run("run", checked=True)
    world = now(world, Narrow)
    assert (await resumed(world)).outcomes == {Outcome.REFUSED: 1}
    assert world.vendor.made == 0


# ------------------------------------------------------------------------------ interruptions


@pytest.mark.parametrize("fails", [operator.eq, operator.ge])
async def test_any_write_may_fail(fails: Callable[[int, int], bool]) -> None:
    """One of them, or all from there on: the same comes out, and each document is there once."""
    for crash in range(40):
        world = hasty()
        await world.plan([12], [12], [12], [12])
        await world.journal.change_run("run", provider_version="1.0")
        engine = await world.engine()
        await prepare(engine)
        await _follow(world, "b0000")
        await advance("b0001", engine=engine, until=lambda unit: unit.job is not None)
        await advance("b0002", engine=engine, until=lambda unit: len(unit.receipts) == 1)
        world = now(world)
        writes = count()
        world.journal.refuse = lambda _, writes=writes, crash=crash: fails(next(writes), crash)
        with suppress(JournalError):
            await restart_incompatible(world.journal, world.target(), "run", world.environment())
        world.journal.refuse = None
        await resumed(world)
        assert await world.outcomes() == ["succeeded", "unknown", "succeeded", "succeeded"]
        assert (world.vendor.made, world.vendor.count("POST /complete")) == (5, 2)
        if next(writes) <= crash:  # nothing was refused
            assert crash > 3
            return
    raise AssertionError("it writes too much")


async def _follow(world: World, unit_id: str) -> None:
    engine = await world.engine()
    job = await advance(unit_id, engine=engine)
    await asyncio.sleep(job.at - world.clock.now())
    assert (await advance(unit_id, engine=engine)).state == "finished"


async def test_a_restart_that_was_cut_short_is_none_for_the_version_that_wrote_it() -> None:
    """The run changes hands last: until then the old version goes on, and asks about its jobs."""
    world = await begun()
    await with_a_job(world)
    world = now(world)
    await cut_short(world)
    assert (await resumed(now(world, Acme), restart=False)).outcomes == {Outcome.SUCCEEDED: 1}


async def test_a_way_back_that_was_cut_short_changes_nothing_either() -> None:
    """The run is still the second version's: what the first one wrote stays held for that."""
    world = await begun()
    await with_a_job(world)
    second = now(world)
    await resumed(second)
    await cut_short(now(second, Acme))
    second = now(second)
    assert (await resumed(second, restart=False)).outcomes == {Outcome.UNKNOWN: 1}
    assert world.vendor.count("GET /jobs") == 0
    assert (await resumed(now(second, Acme))).outcomes == {Outcome.SUCCEEDED: 1}


async def test_after_a_restart_that_was_cut_short_its_own_version_can_cancel() -> None:
    """What it wrote itself it can tell: here, that the vendor has nothing to work on."""
    world = await begun()
    await goes(world, lambda unit: len(unit.receipts) == 3)
    await cut_short(now(world))
    first = now(world, Acme)
    run = await first.journal.run("run")
    async with open_engine(first.journal, first.target(), run, first.environment()) as engine:
        await cancel_run(engine)
    assert (await unit(world)).outcome is Outcome.CANCELLED


async def test_nobody_else_executes_the_run_meanwhile() -> None:
    """It is refused while another process has it."""
    world = now(await begun())
    async with world.journal.lock_run("run"):
        with pytest.raises(RunInUse):
            await resumed(world)


async def test_what_was_read_before_it_changed_hands_is_not_believed() -> None:
    """A process of the old version read the run, and comes to hold it when the new one had it."""
    world = await begun()
    before = await world.journal.run("run")
    await restart_incompatible(world.journal, now(world).target(), "run", world.environment())
    with pytest.raises(IncompatibleState, match="state version 2, now 1"):
        await execute(world.journal, world.target(), before, world.environment())
    assert world.vendor.log == []
    with pytest.raises(IncompatibleState, match="state version 2, now 1"):
        async with hold_run(world.journal, world.target(), before, world.environment()):
            pytest.fail("it is not to be worked on")


async def test_who_read_the_run_before_its_own_version_had_it_goes_on() -> None:
    """Another process of the same version was faster, and it is gone."""
    second = now(await begun())
    before = await second.journal.run("run")
    await restart_incompatible(second.journal, second.target(), "run", second.environment())
    report = await execute(second.journal, second.target(), before, second.environment())
    assert report.outcomes == {Outcome.SUCCEEDED: 1}


async def test_what_another_process_left_since_the_run_was_read_is_known_under_the_lock() -> None:
    """When that process was last alive says how long its requests may still arrive."""
    world = await begun()
    before = await world.journal.run("run")
    await world.journal.change_run("run", alive_at=before.alive_at + 100.0)
    async with hold_run(world.journal, world.target(), before, world.environment()) as engine:
        assert engine.run.alive_at == before.alive_at + 100.0
    await world.journal.forget_run("run")
    with pytest.raises(RunNotFound):
        async with hold_run(world.journal, world.target(), before, world.environment()):
            pytest.fail("it is not there any more")
