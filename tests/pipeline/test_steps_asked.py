"""Steps: cancel, act, and what remains."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.errors import SessionLost
from longshore.journal import DropFacts, FactKind
from longshore.lifecycle import Batch, Outcome, Session, Setup
from longshore.pipeline import (
    Engine,
    Next,
    Notice,
    Step,
    Unit,
    advance,
    cancel_run,
    prepare,
    run_step,
    take,
)
from longshore.pipeline._verbs import ask_to_cancel
from longshore.provider import Flow, Headers, Refused, Request, Response, Retry
from tests.pipeline.support import LOST, Acme, OneRequest, calm, hasty, reply
from tests.pipeline.test_steps import facts, live

pytestmark = pytest.mark.asyncio

# ------------------------------------------------------------------------ cancel and act


async def test_cancelled_while_the_completing_request_is_out_is_cancelled_at_the_vendor() -> None:
    """The job that came of it is the vendor's to cancel; nothing is declared cancelled before."""
    world = calm()
    await world.plan([4])
    engine = await world.engine()
    unit = await take(engine, "b0000")

    def person(outgoing: Any) -> None:
        if "/complete" in outgoing.url:
            unit.intents.clear()  # the moment before its intent is known here
            ask_to_cancel(engine, unit)

    world.vendor.on_request = person
    from longshore.pipeline import advance_unit

    await advance_unit(unit, engine=engine, until=lambda unit: unit.record.settled)
    assert world.vendor.count("POST /cancel/job-s1") == 1
    assert await world.outcomes() == ["cancelled"]
    assert unit.record.job_id == "job-s1"


async def test_the_one_request_that_was_answered_is_not_cancelled_here() -> None:
    """Where one request makes the job, its receipt says that the vendor is at work."""
    world = calm(OneRequest)
    await world.plan([4])
    engine = await world.engine()
    unit = await take(engine, "b0000")
    from longshore.pipeline import advance_unit

    await advance_unit(unit, engine=engine, until=lambda unit: bool(unit.receipts))
    ask_to_cancel(engine, unit)
    assert unit.verdict is None


async def test_what_nobody_can_tell_of_is_not_cancelled_again_when_it_is_answered() -> None:
    """It was answered, with what cannot be read; what is to be done stands with its outcome."""
    world = calm()
    await world.plan([4])
    world.vendor.script = {"POST /complete": [Response(200, Headers(), b"<html>")]}
    engine = await world.engine()
    assert (await advance("b0000", engine=engine)).state == "unknown"
    await cancel_run(engine)
    (told,) = [event.text for event in world.events if isinstance(event, Notice)]
    assert told.startswith("batch b0000 is not cancelled: the vendor may be at work: ")
    assert told.endswith("; look at the vendor's own pages; going on with the run asks again")


class Reserving(Acme):
    """The place that it begins with can be named by us; what comes after that is refused."""

    def start(self, batch: Batch) -> Flow[Session]:
        yield Request.post("/places/p1", step="place", retry=Retry.IDEMPOTENT)
        try:
            return (yield from super().start(batch))
        except Refused as refused:
            refused.error.abandon = Session(transfers=(), data={"id": "p1"})
            raise


async def test_what_a_start_that_was_cancelled_and_failed_had_begun_is_given_back() -> None:
    """Whichever of the two comes first."""
    world = calm(Reserving)
    await world.plan([4])
    world.vendor.script = {"POST /start": [reply({}, 422)]}
    engine = await world.engine()
    unit = await take(engine, "b0000")

    def person(outgoing: Any) -> None:
        if "/places" in outgoing.url:
            ask_to_cancel(engine, unit)

    world.vendor.on_request = person
    await run_step(engine, unit, Step("start"))
    await run_step(engine, unit, Step("conclude"))
    assert await world.outcomes() == ["cancelled"]
    (left,) = await world.journal.abandoned()
    assert Session.model_validate(left.session).data == {"id": "p1"}


async def test_an_action_in_vain_can_be_asked_for_again() -> None:
    """A lost or refused action changes nothing and leaves nothing behind."""
    for trouble in (LOST, reply({}, 409)):
        world = calm()
        await world.plan([4])
        world.vendor.states = ["review", "done"]
        engine = await world.engine()
        world.clock.time = (await advance("b0000", engine=engine)).at
        await advance("b0000", engine=engine)
        world.vendor.script = {"POST /act": [trouble]}
        for expected in ("needs_action", "succeeded"):
            unit = await take(engine, "b0000")
            unit.asked.append(Step("act", "approve"))
            await run_step(engine, unit, unit.asked[0])
            assert await world.outcomes() == [expected]
            assert await facts(world, FactKind.INTENT) == []


# ----------------------------------------------------------------------------- the rest


async def test_resend_never_doubles_a_batch_that_has_a_job() -> None:
    """--on-unknown resend is for requests whose outcome nobody knows, not for odd polls."""
    world = calm()
    await world.plan([4])
    world.vendor.script = {"GET /jobs": [reply({}, 404)]}
    engine = await world.engine()
    engine.resend = True
    outcome = await advance("b0000", engine=engine)
    world.clock.time = outcome.at
    assert (await advance("b0000", engine=engine)).state == "unknown"
    assert world.vendor.count("POST /start") == 1


async def test_resend_starts_afresh_after_an_unknown_outcome() -> None:
    """At the user's risk: a second session."""
    world = calm(OneRequest)
    await world.plan([4])
    world.vendor.script = {"POST /upload": [LOST]}
    engine = await world.engine()
    engine.resend = True
    await advance("b0000", engine=engine, until=lambda unit: unit.job is not None)
    assert world.vendor.count("POST /upload") == 2


async def test_requests_that_led_to_nothing_are_counted() -> None:
    """The counters are sums over all lives, the refused key included."""
    world = calm()
    await world.plan([4])
    world.vendor.script = {"PUT": [reply({}, 401)]}
    blocked = await advance("b0000", engine=await world.engine())
    assert blocked.state == "blocked"
    record = await live(world)
    assert record.outcome is Outcome.SUCCEEDED
    assert record.counters.requests == len(world.vendor.log)
    assert record.counters.bytes_sent == 8  # those that the 401 answered left as well


class Project(Acme):
    prepares = True


async def test_prepare_waits_without_holding_anything() -> None:
    """A project that is being made is waited for; its answer reaches the engine."""
    world = calm(Project)
    await world.plan([4])
    world.vendor.script = {"GET /project": [reply({"state": "making", "id": "p1"})]}
    engine = await world.engine()
    outcome = await prepare(engine)
    assert outcome == Next("later", world.clock.now() + 30.0, "waiting for project")
    world.clock.time += 30
    assert (await prepare(engine)) == Next("finished")
    assert engine.setup.data == {"project": "p1"}
    assert (await world.journal.unit("run")).counters.requests == 2


class Careless(Acme):
    """prepare makes something that does nothing by itself."""

    def prepare(self) -> Flow[Setup]:
        from longshore.provider import Remedy

        reply = yield Request.post("/project", step="make", lost=Remedy.RESTART)
        return Setup(data={"project": reply.json()["id"]})


LOST_PROJECT = "the answer to POST 'make' was lost: time-out"


async def test_a_lost_restart_in_prepare_is_tried_again() -> None:
    """prepare, too, starts afresh where that is harmless; not for ever."""
    world = calm(Careless)
    await world.plan([4])
    world.vendor.script = {"POST /project": [LOST]}
    engine: Engine = await world.engine()
    assert await prepare(engine) == Next("later", world.clock.now() + 1.0, LOST_PROJECT)
    world.clock.time += 1.0
    assert (await prepare(engine)).state == "finished"  # type: ignore[union-attr]
    assert engine.setup.data == {"project": "p1"}
    other = calm(Careless)
    await other.plan([4])
    other.vendor.always = {"POST /project": LOST}
    engine = await other.engine()
    while isinstance(outcome := await prepare(engine), Next):
        assert outcome.state == "later"
        other.clock.time = outcome.at
    assert isinstance(outcome, SessionLost)
    assert other.vendor.count("POST /project") == 4


async def test_a_finished_flow_leaves_no_scratch() -> None:
    """With a flow's result its answers, intents and timers are deleted in one commit."""
    world = calm()
    await world.plan([8])
    await advance("b0000", engine=await world.engine(), until=lambda unit: unit.job is not None)
    kinds = {fact.kind for fact in (await world.journal.facts("b0000")).facts}
    assert not kinds & {FactKind.INTENT, FactKind.ANSWER}
    commits = world.journal.commits
    (started,) = [c for c in commits if any(_is(FactKind.SESSION, w) for w in c)]
    assert any(isinstance(write, DropFacts) for write in started)
    sends = [c for c in commits if any(_is(FactKind.RECEIPT, w) for w in c)]
    assert len(sends) == 2
    assert not any(isinstance(w, DropFacts) for commit in sends for w in commit)  # nothing held


def _is(kind: FactKind, write: object) -> bool:
    return getattr(getattr(write, "fact", None), "kind", None) is kind


async def test_a_refused_commit_is_not_true_in_memory_either() -> None:
    """What the journal refused never happened."""
    from longshore.errors import JournalError

    world = hasty()
    await world.plan([4])
    engine = await world.engine()
    unit: Unit = await take(engine, "b0000")
    world.journal.refuse = lambda _writes: True
    with pytest.raises(JournalError):
        await run_step(engine, unit, Step("start"))
    assert (unit.session, unit.intents, unit.running) == (None, {}, set())
    assert world.vendor.log == []
