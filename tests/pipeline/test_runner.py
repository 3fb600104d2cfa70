"""The flow runner: what is durable when, and what follows a lost answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from longshore.errors import (
    PluginError,
    ProtocolError,
    RequestRefused,
    ResumeMismatch,
    Unauthorized,
    UnknownOutcome,
    WaitExpired,
)
from longshore.journal import FactKind, PutFact, Write
from longshore.pipeline import Engine, FlowRunner, Unit, take
from longshore.pipeline._interruptions import Suspended
from longshore.provider import (
    Answer,
    Flow,
    Json,
    LostRequest,
    NotDone,
    Remedy,
    Request,
    Response,
    Retry,
    Wait,
)
from longshore.transfer import Outgoing, Tally
from tests.pipeline.support import LOST, World, calm, reply

pytestmark = pytest.mark.asyncio


async def runner(world: World) -> tuple[Engine, Unit, FlowRunner]:
    """Begin a process that is about to run the flow ``start`` of the one batch."""
    if not await world.journal.runs():
        await world.plan([4])
    engine = await world.engine()
    unit = await take(engine, "b0000")
    return engine, unit, FlowRunner(engine, unit, "start", Tally())


async def run(world: World, flow: Flow[Any]) -> Any:
    """Run a flow in a process of its own."""
    _, _, made = await runner(world)
    return await made.run(flow)


def post(step: str, **more: Any) -> Request:
    return Request.post(f"/{step}", Json(more.pop("body", {})), step=step, **more)


def ask_with(*answers: Answer, seen: list[LostRequest] | None = None) -> Callable[..., Any]:
    """Make an ask flow that gives these answers, one a question."""
    left = list(answers)

    def ask(lost: LostRequest) -> Flow[Answer]:
        if seen is not None:
            seen.append(lost)
        yield Request.get("/ask")
        return left.pop(0)

    return ask


def two(body: str = "") -> Flow[str]:
    first = yield post("one", lost=ask_with())
    yield post("two", body={"id": first.json()["id"], "more": body}, lost=ask_with())
    return "end"


def facts(writes: Sequence[Write], kind: FactKind) -> list[str]:
    return [w.fact.name for w in writes if isinstance(w, PutFact) and w.fact.kind is kind]


async def test_an_answer_is_durable_before_the_next_request_leaves() -> None:
    """At each exchange the journal holds every earlier answer and this request's intent."""
    world = calm()
    seen: list[tuple[str, list[str], list[str]]] = []

    def look(outgoing: Outgoing) -> None:
        flat = [write for commit in world.journal.commits for write in commit]
        path = outgoing.url.rpartition("/")[2]
        seen.append((path, facts(flat, FactKind.INTENT), facts(flat, FactKind.ANSWER)))

    world.vendor.on_request = look
    world.vendor.always = {"POST": reply({"id": "1"})}
    assert await run(world, two()) == "end"
    assert seen == [("one", ["one"], []), ("two", ["one", "two"], ["one"])]


async def test_answers_come_back_by_name_after_a_crash() -> None:
    """What was answered in an earlier life is not sent again."""
    world = calm()
    world.vendor.always = {"POST": reply({"id": "1"})}

    def crash(outgoing: Outgoing) -> None:
        if outgoing.url.endswith("two"):
            raise KeyboardInterrupt

    world.vendor.on_request = crash
    with pytest.raises(KeyboardInterrupt):
        await run(world, two())
    world.vendor.on_request = None

    def more() -> Flow[str]:
        yield Request.get("/new-at-the-top")
        first = yield post("one", lost=ask_with())
        return str(first.json()["id"])

    assert await run(world, more()) == "1"
    assert world.vendor.count("POST /one") == 1


@pytest.mark.parametrize("state", ["answered", "open"])
async def test_another_request_under_the_same_step_is_never_sent(state: str) -> None:
    """A changed request under a recorded or open step is a ResumeMismatch."""
    world = calm()
    world.vendor.always = {"POST": reply({"id": "1"})}
    failing = "POST /two" if state == "answered" else "POST /one"
    world.vendor.script = {failing: [LOST]}
    with pytest.raises(Suspended):
        await run(world, two())
    sent = len(world.vendor.log)

    def changed() -> Flow[None]:
        yield post("one", body={"other": True}, lost=ask_with())

    world.clock.time += 1000
    with pytest.raises(ResumeMismatch):
        await run(world, changed())
    assert len(world.vendor.log) == sent


async def test_a_step_name_twice_is_the_plugins_fault() -> None:
    """The second request of one name is not sent."""
    world = calm()

    def flow() -> Flow[None]:
        yield Request.put("/a", Json(1), step="same")
        yield Request.put("/b", Json(1), step="same")

    with pytest.raises(PluginError, match="same"):
        await run(world, flow())
    assert world.vendor.log == ["PUT /a"]


async def test_an_ask_flow_may_not_change_anything() -> None:
    """Only safe requests may be made while asking."""
    world = calm()
    world.vendor.script = {"POST /one": [LOST]}

    def ask(_lost: LostRequest) -> Flow[Answer]:
        yield post("change")
        return NotDone()

    def flow() -> Flow[None]:
        yield post("one", lost=ask)

    with pytest.raises(Suspended):
        await run(world, flow())
    world.clock.time += 61
    with pytest.raises(PluginError, match="safe"):
        await run(world, flow())
    assert world.vendor.count("POST /change") == 0


@pytest.mark.parametrize("mistake", ["raise", "yield"])
async def test_a_flow_that_breaks_off_is_a_plugin_error(mistake: str) -> None:
    """A bug in a provider never leaves the runner as a bare exception."""

    def flow() -> Flow[None]:
        yield Request.get("/x")
        if mistake == "raise":
            raise KeyError("id")
        yield "nonsense"  # type: ignore[misc]

    with pytest.raises(PluginError):
        await run(calm(), flow())


async def test_a_wait_counts_its_limit_from_the_first_time_over_several_lives() -> None:
    """A wait suspends, is journalled once, and expires by the clock of its first life."""
    world = calm()

    def flow() -> Flow[str]:
        try:
            yield Wait("project", 30.0, 100.0)
        except WaitExpired:
            return "expired"
        return "never"

    began = world.clock.now()
    for _ in range(4):
        with pytest.raises(Suspended) as held:
            await run(world, flow())
        assert held.value.at == world.clock.now() + 30.0
        world.clock.time = held.value.at
    assert world.clock.now() - began == 120.0
    assert await run(world, flow()) == "expired"
    assert len(world.journal.commits) == 1


async def test_poll_interval_replaces_the_pause_of_a_wait() -> None:
    """An explicit poll_interval rules every pause of a target."""
    world = calm(poll_interval=0.5)

    def flow() -> Flow[None]:
        yield Wait("project", 30.0, 100.0)

    with pytest.raises(Suspended) as held:
        await run(world, flow())
    assert held.value.at == world.clock.now() + 0.5


async def test_safe_and_idempotent_requests_cost_no_commit_of_their_own() -> None:
    """The one commit of an idempotent step is its flow's result."""
    world = calm()

    def flow() -> Flow[None]:
        yield Request.get("/a")
        yield Request.put("/b", Json(1))

    await run(world, flow())
    assert world.journal.commits == []


async def test_account_trouble_is_no_answer() -> None:
    """After the key was mended, the same request goes out again."""
    world = calm()
    world.vendor.script = {"POST /one": [reply({}, 401)]}
    world.vendor.always = {"POST": reply({"id": "1"})}
    with pytest.raises(Unauthorized):
        await run(world, two())
    assert await run(world, two()) == "end"
    assert world.vendor.count("POST /one") == 2


async def test_an_answer_that_came_is_not_waited_for() -> None:
    """A run that ends because the key is refused does not say that it waits for more."""
    world = calm()
    world.vendor.script = {"POST /one": [reply({}, 401)]}
    _, unit, made = await runner(world)
    waited_for: list[float] = []
    world.vendor.on_request = lambda _: waited_for.append(made._tally.patience)
    write = unit.write

    async def slowly(*arguments: Any, **more: Any) -> None:
        waited_for.append(made._tally.patience)
        await write(*arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(unit), "write", lambda _, *given, **more: slowly(*given, **more))
        with pytest.raises(Unauthorized):
            await made.run(two())
    assert waited_for[1] > 0  # while the request was on its way
    assert waited_for[-1] == 0  # when its refusal was written


async def test_a_refusal_leaves_no_open_question() -> None:
    """A request that was refused was answered: the next life sends it again without asking."""
    world = calm()
    world.vendor.script = {"POST /one": [reply({}, 422)]}
    world.vendor.always = {"POST": reply({"id": "1"})}

    def flow() -> Flow[str]:
        yield post("one")
        return "end"

    with pytest.raises(RequestRefused):
        await run(world, flow())
    assert await run(world, flow()) == "end"


def unusable(lost: Any, **more: Any) -> Flow[None]:
    answer = yield post("one", lost=lost, **more)
    answer.json()


@pytest.mark.parametrize("lost", [Remedy.HOLD, ask_with()])
async def test_an_unusable_answer_of_a_commit_is_unknown(lost: Any) -> None:
    """The vendor acted, and nobody can read what it said: that is no failure."""
    world = calm()
    world.vendor.always = {"POST": Response(200, body=b"<html>")}
    with pytest.raises(UnknownOutcome, match="may be at work"):
        await run(world, unusable(lost))


async def test_an_answer_too_large_to_read_is_unknown_too() -> None:
    """The transport's ProtocolError with a status says that an answer came."""
    world = calm()
    world.vendor.script = {"POST /one": [ProtocolError("too large", status=200)]}
    with pytest.raises(UnknownOutcome):
        await run(world, unusable(Remedy.HOLD))


async def test_an_unusable_answer_to_what_does_nothing_by_itself_is_a_failure() -> None:
    """A RESTART request commits nothing; an idempotent one neither."""
    world = calm()
    world.vendor.always = {"POST": Response(200, body=b"<html>")}
    with pytest.raises(ProtocolError):
        await run(world, unusable(Remedy.RESTART))
    with pytest.raises(ProtocolError):
        await run(world, unusable(Remedy.HOLD, retry=Retry.IDEMPOTENT))
