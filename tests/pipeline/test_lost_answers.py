"""The flow runner: what becomes of a lost answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from longshore.errors import AccountError, RequestRefused, UnknownOutcome, VendorUnavailable
from longshore.journal import FactKind
from longshore.pipeline import FlowRunner, take
from longshore.pipeline._interruptions import Restart, Suspended
from longshore.provider import (
    Flow,
    Found,
    LostRequest,
    NotDone,
    Remedy,
    Request,
    Response,
    Undecided,
)
from longshore.transfer import Outgoing, Tally
from tests.pipeline.support import LOST, NOT_SENT, Vendor, calm, reply
from tests.pipeline.test_runner import ask_with, post, run, runner

pytestmark = pytest.mark.asyncio

# ------------------------------------------------------------------------- lost answers


def asking(ask: Any) -> Callable[[], Flow[str]]:
    def flow() -> Flow[str]:
        answer = yield post("one", lost=ask)
        return str(answer.json()["id"])

    return flow


async def test_nothing_is_asked_before_the_time_out_has_passed() -> None:
    """The flow comes back exactly when the lost request can no longer arrive."""
    world = calm()
    flow = asking(ask_with(Found(Response.of({"id": "7"}))))
    world.vendor.script = {"POST /one": [LOST]}
    with pytest.raises(Suspended) as held:
        await run(world, flow())
    assert held.value.at == world.clock.now() + 60.0
    world.clock.time += 59.9
    with pytest.raises(Suspended):
        await run(world, flow())
    assert world.vendor.count("GET /ask") == 0
    world.clock.time += 0.2
    assert await run(world, flow()) == "7"
    assert world.vendor.count("POST /one") == 1


async def test_after_a_crash_the_time_out_counts_from_the_last_sign_of_life() -> None:
    """The dead process may have sent it until then, and as long as the next sign may be late.

    Somebody may have kept the journal locked, though not so long that the run had to end.
    """
    world = calm()
    flow = asking(ask_with(NotDone()))

    def crash(_: Outgoing) -> None:
        raise KeyboardInterrupt

    world.vendor.on_request = crash
    with pytest.raises(KeyboardInterrupt):
        await run(world, flow())
    world.vendor.on_request = None
    alive = world.clock.now() + 100.0
    await world.journal.change_run("run", alive_at=alive)
    world.clock.time = alive + 50.0
    with pytest.raises(Suspended) as held:
        await run(world, flow())
    assert held.value.at == alive + 35.0 + 60.0
    assert world.vendor.count("GET /ask") == 0


async def test_a_clock_that_was_set_back_holds_up_no_question() -> None:
    """Another process waits for the lost request once more, and not until that day comes again."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST]}
    flow = asking(ask_with(Found(Response.of({"id": "7"}))))
    with pytest.raises(Suspended):
        await run(world, flow())
    world.clock.time -= 86_400
    engine, unit, made = await runner(world)
    with pytest.raises(Suspended) as held:
        await made.run(flow())
    assert held.value.at == world.clock.now() + 60.0
    world.clock.time += 61
    assert await FlowRunner(engine, unit, "start", Tally()).run(flow()) == "7"


async def test_a_sign_of_life_from_the_future_holds_up_no_question() -> None:
    """However often the batch leaves memory and comes back meanwhile."""
    world = calm()
    flow = asking(ask_with(Found(Response.of({"id": "7"}))))

    def crash(_: Outgoing) -> None:
        raise KeyboardInterrupt

    world.vendor.on_request = crash
    with pytest.raises(KeyboardInterrupt):
        await run(world, flow())
    world.vendor.on_request = None
    await world.journal.change_run("run", alive_at=world.clock.now() + 86_400)
    engine = await world.engine()
    for _ in range(2):
        unit = await take(engine, "b0000")
        with pytest.raises(Suspended):
            await FlowRunner(engine, unit, "start", Tally()).run(flow())
        world.clock.time += 61
    unit = await take(engine, "b0000")
    assert await FlowRunner(engine, unit, "start", Tally()).run(flow()) == "7"


async def test_a_clock_that_was_set_right_before_it_left_holds_up_no_question() -> None:
    """It started days behind the vendor's, as of a machine that keeps no time while it is off."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST]}
    engine, unit, made = await runner(world)
    engine.driver.skew = 3 * 86_400.0  # by the last answer before it was set
    flow = asking(ask_with(Found(Response.of({"id": "7"}))))
    with pytest.raises(Suspended):
        await made.run(flow())
    engine.driver.skew = 0.0
    world.clock.time += 61
    with pytest.raises(Suspended) as held:
        await FlowRunner(engine, unit, "start", Tally()).run(flow())
    assert held.value.at == world.clock.now() + 60.0
    world.clock.time += 61
    assert await FlowRunner(engine, unit, "start", Tally()).run(flow()) == "7"


async def test_what_was_throttled_leaves_by_the_time_of_its_last_try() -> None:
    """Others may have been told the vendor's time meanwhile."""
    world = calm()
    world.vendor.script = {"POST /one": [reply({}, 429), LOST]}
    engine, unit, made = await runner(world)

    def tell(_: Outgoing) -> None:
        engine.driver.skew = 600.0

    world.vendor.on_request = tell
    with pytest.raises(Suspended):
        await made.run(asking(ask_with())())
    assert unit.intents["start", "one"].skew == 600.0


async def test_not_done_is_sent_again() -> None:
    """What surely did not act goes out once more."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST, reply({"id": "8"})]}
    flow = asking(ask_with(NotDone()))
    with pytest.raises(Suspended):
        await run(world, flow())
    world.clock.time += 61
    assert await run(world, flow()) == "8"


@pytest.mark.parametrize("acted", [True, False])
async def test_a_repeat_that_is_refused_is_asked_about_once_more(acted: bool) -> None:
    """What acted late, after "not done", is found; else the refusal stands."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST, reply({}, 404)]}
    seen: list[LostRequest] = []
    last = Found(Response.of({"id": "7"})) if acted else NotDone()
    flow = asking(ask_with(NotDone(), last, seen=seen))
    began = world.clock.now()
    with pytest.raises(Suspended):
        await run(world, flow())
    world.clock.time += 500
    if acted:
        assert await run(world, flow()) == "7"
    else:
        with pytest.raises(RequestRefused):
            await run(world, flow())
    assert world.vendor.count("POST /one") == 2
    assert [(lost.sent_at, lost.asked) for lost in seen] == [(began, 0), (began, 0)]


async def test_a_second_repeat_that_is_refused_is_looked_at_once() -> None:
    """One that may still show is waited for; then the refusal stands, and nobody asks for ever."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST, reply({}, 404), reply({}, 404)]}
    seen: list[LostRequest] = []
    late = Undecided(20.0, "it may still show")
    flow = asking(ask_with(NotDone(), late, NotDone(), NotDone(), seen=seen))
    for _ in range(2):
        with pytest.raises(Suspended):
            await run(world, flow())
        world.clock.time += 500
    with pytest.raises(RequestRefused):
        await run(world, flow())
    assert world.vendor.count("POST /one") == 3
    assert [lost.asked for lost in seen] == [0, 0, 1, 1]


async def test_a_repeat_whose_answer_is_lost_too_waits_again_and_asks_about_both() -> None:
    """Its time-out counts from its own loss, the look back from the first try."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST, LOST]}
    seen: list[LostRequest] = []
    flow = asking(ask_with(NotDone(), Found(Response.of({"id": "7"})), seen=seen))
    began = world.clock.now()
    with pytest.raises(Suspended):
        await run(world, flow())
    world.clock.time += 500
    with pytest.raises(Suspended) as held:
        await run(world, flow())
    assert held.value.at == world.clock.now() + 60.0
    world.clock.time += 61
    assert await run(world, flow()) == "7"
    assert [(lost.sent_at, lost.asked) for lost in seen] == [(began, 0), (began, 0)]


@pytest.mark.parametrize("kind", ["undecided", "refused"])
async def test_after_five_questions_the_outcome_is_unknown(kind: str) -> None:
    """Undecided, or a question that fails, is asked five times; then a person decides."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST]}
    if kind == "refused":
        world.vendor.always = {"GET /ask": reply({}, 404)}
    flow = asking(ask_with(*[Undecided(60.0, "not yet")] * 5))
    with pytest.raises(Suspended) as held:
        await run(world, flow())
    for _ in range(4):
        world.clock.time = held.value.at
        with pytest.raises(Suspended) as held:
            await run(world, flow())
        assert held.value.at == world.clock.now() + 60.0
    world.clock.time = held.value.at
    with pytest.raises(UnknownOutcome):
        await run(world, flow())
    assert world.vendor.count("GET /ask") == 5
    assert world.vendor.count("POST /one") == 1


async def test_what_left_during_a_question_is_known_before_its_answer_counts() -> None:
    """A job that is found may be that of an equal document sent meanwhile: it is asked again."""
    world = calm()
    await world.plan([4], [4])
    world.vendor.script = {"POST /one": [LOST]}
    seen: list[LostRequest] = []
    found = Found(Response.of({"id": "7"}))
    flow = asking(ask_with(found, Undecided(30.0, "two may be the one"), seen=seen))
    with pytest.raises(Suspended):
        await run(world, flow())
    world.clock.time += 61
    other = await take(await world.engine(), "b0001")
    intent = other.fact(FactKind.INTENT, "start", "one", {"digest": "", "at": 0.0})

    def other_leaves(_outgoing: Outgoing) -> None:
        with suppress(StopIteration):
            world.journal.commit("b0001", other.record.epoch, [intent]).send(None)

    world.vendor.on_request = other_leaves
    with pytest.raises(Suspended, match="two may be the one"):
        await run(world, flow())
    assert [len(lost.rivals) for lost in seen] == [0, 1]


async def test_an_ask_knows_claims_and_rivals() -> None:
    """Jobs of other batches are no answer; documents that fit as well are named."""
    world = calm()
    await world.plan([4], [4])
    world.vendor.script = {"POST /one": [LOST, LOST]}
    seen: list[LostRequest] = []
    engine = await world.engine()
    for id in ("b0001", "b0000"):
        unit = await take(engine, id)
        with pytest.raises(Suspended):
            await FlowRunner(engine, unit, "start", Tally()).run(asking(ask_with())())
    from longshore.journal import ClaimJob

    (other,) = await world.journal.take("b0001")
    account = engine.run.account
    await world.journal.commit(
        "b0001", other.unit.epoch, [ClaimJob(account, "job-9", world.clock.now())]
    )
    world.clock.time += 61
    flow = asking(ask_with(Found(Response.of({"id": "1"})), seen=seen))
    assert await run(world, flow()) == "1"
    assert seen[0].claimed == frozenset({"job-9"})
    assert [document.id for document in seen[0].rivals] == ["d1"]


def keyed(ask: Any) -> Flow[str]:
    answer = yield Request.post("/one", step="one", key="Idempotency-Key", lost=ask)
    return str(answer.json()["id"])


async def test_a_keyed_request_is_sent_again_with_the_same_key() -> None:
    """Inside the vendor's window nobody needs to ask."""
    world = calm()
    keys: list[str] = []
    world.vendor.on_request = lambda outgoing: keys.append(outgoing.headers["Idempotency-Key"])
    world.vendor.script = {"POST /one": [LOST, LOST, reply({"id": "5"})]}
    with pytest.raises(VendorUnavailable):
        await run(world, keyed(ask_with()))
    assert await run(world, keyed(ask_with())) == "5"
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_a_keyed_request_past_its_window_is_asked_about() -> None:
    """A key that the vendor may have forgotten protects nobody."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST, LOST]}
    with pytest.raises(VendorUnavailable):
        await run(world, keyed(ask_with()))
    world.clock.time += 86_400
    assert await run(world, keyed(ask_with(Found(Response.of({"id": "6"}))))) == "6"
    assert world.vendor.count("POST /one") == 2
    assert world.vendor.count("GET /ask") == 1


async def test_a_keyed_request_from_the_future_may_be_past_its_window() -> None:
    """Our clock was set back to before the batch was planned: it may have left at any time."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST, LOST]}
    with pytest.raises(VendorUnavailable):
        await run(world, keyed(ask_with()))
    world.clock.time -= 10 * 86_400
    engine, unit, made = await runner(world)
    with pytest.raises(Suspended) as held:
        await made.run(keyed(ask_with()))
    assert held.value.at == world.clock.now() + 60.0
    world.clock.time += 61
    flow = keyed(ask_with(Found(Response.of({"id": "6"}))))
    assert await FlowRunner(engine, unit, "start", Tally()).run(flow) == "6"
    assert world.vendor.count("POST /one") == 2


@pytest.mark.parametrize("lost", [LOST, reply({}, 500), reply({}, 503)])
async def test_hold_is_unknown_and_any_5xx_is_a_lost_answer(lost: Any) -> None:
    """Nobody can tell, and nothing is sent again, in this life or the next."""
    world = calm()
    world.vendor.script = {"POST /one": [lost]}
    for _ in range(2):
        with pytest.raises(UnknownOutcome):
            await run(world, asking(Remedy.HOLD)())
        world.clock.time += 1000
    assert world.vendor.count("POST /one") == 1


async def test_restart_blames_the_network_but_not_our_own_crash() -> None:
    """Only what the vendor or the network caused counts against the three restarts."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST]}
    with pytest.raises(Restart) as lost:
        await run(world, asking(Remedy.RESTART)())
    assert lost.value.blame
    other = calm()

    def crash(_: Outgoing) -> None:
        raise KeyboardInterrupt

    other.vendor.on_request = crash
    with pytest.raises(KeyboardInterrupt):
        await run(other, asking(Remedy.RESTART)())
    with pytest.raises(Restart) as crashed:
        await run(other, asking(Remedy.RESTART)())
    assert not crashed.value.blame


async def test_rerun_waits_and_then_runs_the_flow_again() -> None:
    """RERUN asks at the flow's own top, once the lost request cannot arrive any more."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST, reply({"id": "3"})]}
    with pytest.raises(Suspended):
        await run(world, asking(Remedy.RERUN)())
    world.clock.time += 61
    assert await run(world, asking(Remedy.RERUN)()) == "3"


async def test_a_once_request_that_never_left_is_simply_sent_later() -> None:
    """Without a connection nothing acted: no question, no unknown."""
    world = calm()
    world.vendor.script = {"POST /one": [NOT_SENT, NOT_SENT, reply({"id": "4"})]}
    with pytest.raises(VendorUnavailable):
        await run(world, asking(Remedy.HOLD)())
    assert await run(world, asking(Remedy.HOLD)()) == "4"


async def test_a_requests_own_time_out_is_what_a_question_waits_for() -> None:
    """A request that may take longer may also arrive later."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST]}
    request = post("one", lost=ask_with())

    def flow() -> Flow[None]:
        from dataclasses import replace

        yield replace(request, timeout=300.0)

    with pytest.raises(Suspended) as held:
        await run(world, flow())
    assert held.value.at == world.clock.now() + 300.0
    assert isinstance(world.vendor, Vendor)


@pytest.mark.parametrize("status", [200, 402])
async def test_account_trouble_is_believed_where_the_status_says_so_too(status: int) -> None:
    """A 402 has not acted and leaves again; nobody knows what a 200 that is held has done."""
    world = calm()
    world.vendor.script = {
        "POST /one": [reply({"error": "no credits"}, status), reply({"id": "5"})]
    }

    def flow() -> Flow[str]:
        answer = (yield post("one", lost=Remedy.HOLD)).json()
        if "error" in answer:
            raise AccountError(answer["error"])
        return str(answer["id"])

    with pytest.raises(AccountError, match="no credits"):
        await run(world, flow())
    if status == 402:
        assert await run(world, flow()) == "5"
    else:
        with pytest.raises(UnknownOutcome):
            await run(world, flow())
    assert world.vendor.count("POST /one") == (2 if status == 402 else 1)
