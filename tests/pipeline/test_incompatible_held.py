"""A run that another state version of its provider wrote: what is held, and by whom it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from longshore.errors import IncompatibleState, JournalError
from longshore.journal import ChangeUnit, DropFacts, ErrorInfo, FactKind, PutFact
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    Step,
    act_on,
    advance,
    ask,
    cancel_run,
    open_engine,
    prepare,
    restart_incompatible,
    run_step,
    take,
)
from tests.pipeline.support import LOST, Acme, OneRequest, World, reply
from tests.pipeline.versions import (
    Asking,
    Doubtful,
    Listed,
    OnePost,
    Readable,
    ReadableSecond,
    Second,
    Third,
    begun,
    goes,
    killed_at,
    now,
    resumed,
    unit,
    with_a_job,
    words,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("versions")]


async def _at_commit(world: World) -> None:
    killed_at(world, "/complete")
    await goes(world)


async def _before_it_was_told(world: World) -> None:
    """Killed at the commit, by a Longshore whose intents do not say what they are about."""
    await _at_commit(world)
    (intent,) = [
        fact for fact in (await world.journal.facts("b0000")).facts if fact.kind is FactKind.INTENT
    ]
    assert isinstance(intent.value, dict)
    del intent.value["makes_work"]
    (taken,) = await world.journal.take("b0000")
    await world.journal.commit("b0000", taken.unit.epoch, [PutFact(intent)])


async def _all_arrived(world: World) -> None:
    await goes(world, lambda unit: len(unit.receipts) == 3)


async def _unknown(world: World) -> None:
    world.vendor.always = {"POST /complete": LOST, "GET /sessions": reply({"state": "unsure"})}
    assert (await resumed(world, restart=False)).outcomes == {Outcome.UNKNOWN: 1}
    world.vendor.always = {}


@pytest.mark.parametrize(
    "far", [_at_commit, _before_it_was_told, _all_arrived, with_a_job, _unknown]
)
async def test_what_the_vendor_may_work_on_is_held(far: Callable[[World], Any]) -> None:
    """Not one request leaves for it, however often it is resumed; its version is named."""
    world = await begun()
    await far(world)
    world = now(world)
    for restart in (True, False, True):
        report = await resumed(world, restart=restart)
        assert (report.outcomes, report.exit_code) == ({Outcome.UNKNOWN: 1}, 4)
    (document,) = await world.documents()
    assert document.error is not None
    assert document.error.kind == "unknown_outcome"
    assert "of acme 1.0, which acme 2.0 cannot ask about" in document.error.message
    assert "install acme 1.0" in document.error.hint
    assert [line for line in world.vendor.log if not line.startswith("GET /project")] == []
    assert "0 begun afresh, 1 held" in words(world.events)[0]


@pytest.mark.parametrize(
    "far", [_at_commit, _before_it_was_told, _all_arrived, with_a_job, _unknown]
)
async def test_the_version_that_wrote_it_goes_on_with_what_is_held(
    far: Callable[[World], Any],
) -> None:
    """It is installed again, and comes to the end; nothing is there twice."""
    world = await begun()
    await far(world)
    world.vendor.script = {"GET /sessions": [reply({"state": "done", "job": "job-s1"})]}
    second = now(world)
    await resumed(second)
    first = now(second, Acme)
    report = await resumed(first)
    assert report.outcomes == {Outcome.SUCCEEDED: 1}
    assert words(first.events) == [
        "run run goes on with acme 1.0; batches of acme 2.0: 0 begun afresh, 0 held"
    ]
    assert (world.vendor.made, world.vendor.count("POST /complete")) == (1, far is _all_arrived)


@pytest.mark.parametrize("answered", [False, True])
async def test_one_request_that_makes_a_job_is_held(*, answered: bool) -> None:
    """The process died while the POST was on its way, or before it took the receipt for a job."""
    world = await begun(OneRequest)
    if not answered:
        killed_at(world, "/upload")
    await goes(world, lambda unit: bool(unit.receipts))
    world = now(world, OnePost)
    assert (await resumed(world)).outcomes == {Outcome.UNKNOWN: 1}
    assert world.vendor.log == []


async def test_a_session_that_leaves_nothing_to_send_is_held() -> None:
    """What began it may have been all that the vendor needs."""
    world = await begun(Listed)
    await goes(world, lambda unit: unit.session is not None)
    world = now(world)
    assert (await resumed(world)).outcomes == {Outcome.UNKNOWN: 1}
    assert world.vendor.count("POST") == 0


@pytest.mark.parametrize("older", [False, True])
async def test_an_answer_that_was_found_is_held(*, older: bool) -> None:
    """It may be of the request that made the job, though the flow never came to its result.

    An older Longshore dropped the intent of what it had found.
    """
    world = await begun(Asking)
    world.vendor.script = {"POST /upload": [LOST], "GET /sessions": [reply({"id": "s1"})]}
    world.journal.refuse = lambda writes: any(
        isinstance(write, PutFact) and write.fact.kind is FactKind.RECEIPT for write in writes
    )
    engine = await world.engine()
    await prepare(engine)
    later = await advance("b0000", engine=engine)
    await asyncio.sleep(later.at - world.clock.now())
    with pytest.raises(JournalError):
        await advance("b0000", engine=engine)
    world.journal.refuse = None
    (taken,) = await world.journal.take("b0000")
    kinds = {fact.kind for fact in taken.facts}
    assert kinds == {FactKind.SESSION, FactKind.INTENT, FactKind.ANSWER}
    if older:
        drop = DropFacts((FactKind.INTENT,))
        await world.journal.commit("b0000", taken.unit.epoch, [drop])
    world = now(world, OnePost)
    assert (await resumed(world)).outcomes == {Outcome.UNKNOWN: 1}
    assert world.vendor.log == []


async def test_what_was_unknown_stays_so() -> None:
    """Whatever the reason was: this version cannot tell either."""
    world = await begun(Doubtful)
    assert (await resumed(world, restart=False)).outcomes == {Outcome.UNKNOWN: 1}
    world = now(world)
    assert (await resumed(world)).outcomes == {Outcome.UNKNOWN: 1}
    assert world.vendor.made == 0


async def test_a_third_version_knows_who_wrote_what() -> None:
    """The first one is still named, and still goes on; what it has again may be held again."""
    world = await begun()
    world.vendor.states = ["busy"]
    await with_a_job(world)
    for version in (Second, Third):
        world = now(world, version)
        assert (await resumed(world)).outcomes == {Outcome.UNKNOWN: 1}
        (document,) = await world.documents()
        assert document.error is not None
        assert "of acme 1.0" in document.error.message
    world = now(world, Acme)
    await restart_incompatible(world.journal, world.target(), "run", world.environment())
    await world.journal.reopen("run")
    await goes(world)
    assert (await unit(world)).outcome is Outcome.RUNNING
    assert world.vendor.count("GET /jobs") >= 1  # another one where the disk is slower than polls
    world = now(world)
    assert (await resumed(world)).outcomes == {Outcome.UNKNOWN: 1}
    assert "1 held" in words(world.events)[0]
    (document,) = await world.documents()
    assert document.error is not None
    assert "which acme 2.0 cannot" in document.error.message


async def test_what_may_be_sent_twice_is_sent_again() -> None:
    """`--on-unknown resend` decided so for the run; what has a job is held all the same."""
    world = await begun(on_unknown="resend")
    await _at_commit(world)
    world = now(world)
    assert (await resumed(world)).outcomes == {Outcome.SUCCEEDED: 1}
    world = await begun(on_unknown="resend")
    await with_a_job(world)
    world = now(world)
    assert (await resumed(world)).outcomes == {Outcome.UNKNOWN: 1}
    assert world.vendor.count("POST") == 0


async def test_nobody_acts_on_what_another_version_wrote() -> None:
    """`cancel` and `act` are turned down, with the words of who could."""
    world = await begun()
    world.vendor.states = ["review"]
    await resumed(world, restart=False)
    world = now(world)
    await resumed(world)
    run = await world.journal.run("run")
    async with open_engine(
        world.journal, world.target(), run, world.environment(), world.events.append
    ) as engine:
        await cancel_run(engine)
        held = await take(engine, "b0000")
        await act_on(engine, held, held.status.actions[0])  # type: ignore[union-attr]
    told = words(world.events)[1:]
    assert [line.partition(":")[0] for line in told] == ["cancel", "act approve"]
    assert all("which acme 2.0 cannot ask about" in line for line in told)
    assert world.vendor.count("POST") == 0


async def test_what_is_held_without_a_job_cannot_be_cancelled() -> None:
    """It may have one, so nobody can say that it is cancelled."""
    world = await begun()
    await _all_arrived(world)
    world = now(world)
    await resumed(world)
    run = await world.journal.run("run")
    async with open_engine(world.journal, world.target(), run, world.environment()) as engine:
        await cancel_run(engine)
    assert (await unit(world)).outcome is Outcome.UNKNOWN


async def test_what_is_over_stays_as_it_is() -> None:
    """Nothing is sent and nothing is asked; a failed job is not acted upon either."""
    world = await begun()
    world.vendor.states = ["broken"]
    await resumed(world, restart=False)
    (taken,) = await world.journal.take("b0000")
    why = ChangeUnit({"error": ErrorInfo(kind="vendor", message="the page is torn")})
    await world.journal.commit("b0000", taken.unit.epoch, [why])
    before = await unit(world)
    world = now(world)
    assert (await resumed(world)).outcomes == {Outcome.FAILED: 1}
    after = await unit(world)
    assert before.changed({"epoch": after.epoch}) == after
    run = await world.journal.run("run")
    async with open_engine(
        world.journal, world.target(), run, world.environment(), world.events.append
    ) as engine:
        held = await take(engine, "b0000")
        held.ask(Step("act", "retry"))
        await run_step(engine, held, held.asked[0])
    assert words(world.events)[1:] == ["act retry: state version 1 of acme wrote it, now 2"]
    world = now(world, Third)
    assert (await resumed(world)).outcomes == {Outcome.FAILED: 1}
    assert "0 begun afresh, 0 held" in words(world.events)[0]
    assert world.vendor.log == []


@pytest.mark.parametrize("verb", ["results", "poll"])
async def test_a_job_is_read_by_the_version_that_wrote_it(verb: str) -> None:
    """What a job holds may mean something else to another one, which asks the vendor nothing."""
    world = await begun(Readable)
    await resumed(world, restart=False)
    await asked(world, verb)
    world = now(world, ReadableSecond)
    await resumed(world)
    with pytest.raises(IncompatibleState, match="state version 1 of acme wrote job job-s1, now 2"):
        await asked(world, verb)
    assert world.vendor.log == []
    world = now(world, Readable)
    await resumed(world)
    await asked(world, verb)
    assert len(world.vendor.log) > 0


async def asked(world: World, verb: str) -> None:
    """Ask about the job, which no batch depends on."""
    engine = await world.engine()
    job = (await take(engine, "b0000")).job
    assert job is not None
    await ask(engine, getattr(engine.provider, verb), job)
