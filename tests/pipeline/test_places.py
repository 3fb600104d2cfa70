"""Places for requests: as many as there is room for, in the order of asking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from longshore.errors import Unauthorized
from longshore.journal import FactKind, PutFact
from longshore.lifecycle import Outcome
from longshore.pipeline._places import Closed, Places
from longshore.provider import Provider
from tests.pipeline.support import Acme, OneRequest, World, hasty, reply
from tests.pipeline.test_executor import run


class Requests:
    """Requests that stay on their way until they are let go."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.grown = 0
        self.places = Places(lambda: self.room, self._note_growth)
        self.out: list[str] = []
        self._doors: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, *names: str) -> None:
        for name in names:
            self._doors[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._send(name))
        await self._settle()

    async def answer(self, name: str, then: Callable[[], object] | None = None) -> None:
        """Let one end; something happens before the one that has got its place then runs."""
        self.let_go(name)
        while name in self.out:  # noqa: ASYNC110 - in the very turn in which it ends
            await asyncio.sleep(0)
        if then is not None:
            then()
        await self._settle()

    def let_go(self, name: str) -> None:
        """Let one end, when the others have their turn."""
        self._doors[name].set()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await self._settle()

    async def _send(self, name: str) -> None:
        async with self.places:
            self.out.append(name)
            await self._doors[name].wait()
            self.out.remove(name)

    def _note_growth(self) -> None:
        self.grown += 1

    async def _settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_who_came_first_goes_first() -> None:
    """No more are out than there is room for, and a free place goes to the oldest."""
    requests = Requests(2)
    await requests.ask("a", "b", "c", "d")
    assert requests.out == ["a", "b"]

    await requests.answer("b")
    assert requests.out == ["a", "c"]

    await requests.answer("a")
    assert requests.out == ["c", "d"]


async def test_more_room_than_before_is_told_of() -> None:
    """More may be begun then; as long as there is as much room as before there is no need."""
    requests = Requests(1)
    await requests.ask(*"abcd")
    await requests.answer("a")
    grown = requests.grown
    await requests.answer("b")
    assert requests.grown == grown

    requests.room = 3
    await requests.answer("c")
    assert requests.grown == grown + 1

    requests.room = 2
    await requests.answer("d")
    assert requests.grown == grown + 1


async def test_room_that_grew_is_used_when_a_place_becomes_free() -> None:
    """One answer lets as many leave as there is room for by then; less room lets nobody leave."""
    requests = Requests(1)
    await requests.ask("a", "b", "c", "d")

    requests.room = 3
    await requests.answer("a")
    assert requests.out == ["b", "c", "d"]

    requests.room = 1
    await requests.ask("e")
    await requests.answer("b")
    await requests.answer("c")
    assert requests.out == ["d"]

    await requests.answer("d")
    assert requests.out == ["e"]


async def test_who_has_to_wait_again_keeps_its_turn() -> None:
    """Two had their places for a moment only: they still go in the order in which they came."""
    requests = Requests(3)
    await requests.ask(*"abcdef")

    def shrink() -> None:
        requests.room = 1

    requests.let_go("a")
    await requests.answer("b", shrink)
    assert requests.out == ["c"]
    for name in "cdef":
        assert requests.out == [name]
        await requests.answer(name)


async def test_room_that_an_answer_takes_away_is_not_used() -> None:
    """Who had its turn waits on, before all others: a refusal of the account, or a 429."""
    requests = Requests(1)
    await requests.ask("a", "b", "c")

    def shrink() -> None:
        requests.room = 0

    await requests.answer("a", shrink)
    await requests.ask("d")
    assert requests.out == []
    requests.places.close()
    for name in "bcd":
        with pytest.raises(Closed):
            await requests.tasks[name]


async def test_whoever_is_cancelled_takes_no_place() -> None:
    """Neither while it waits, nor when its turn comes in the same moment."""
    requests = Requests(1)
    await requests.ask("a", "b", "c", "d")
    await requests.cancel("b")
    await requests.answer("a", requests.tasks["c"].cancel)

    assert requests.out == ["d"]


async def test_whoever_has_its_turn_when_they_are_closed_is_told() -> None:
    """It does not leave, nor does it wait any longer."""
    requests = Requests(1)
    await requests.ask("a", "b")

    await requests.answer("a", requests.places.close)
    with pytest.raises(Closed):
        await asyncio.wait_for(requests.tasks["b"], 20.0)


async def test_nothing_leaves_once_they_are_closed() -> None:
    """What is on its way may end; who waits or comes later is told."""
    requests = Requests(1)
    await requests.ask("a", "b")
    requests.places.close()
    await requests.ask("c")

    for name in ("b", "c"):
        with pytest.raises(Closed):
            await requests.tasks[name]
    await requests.answer("a")
    with suppress(asyncio.CancelledError):
        await requests.tasks["a"]
    assert requests.out == []


# ---------------------------------------------------------------------- in the executor


def intents(world: World) -> int:
    """Count the intents that were made durable so far."""
    writes = [write for commit in world.journal.commits for write in commit]
    return sum(isinstance(w, PutFact) and w.fact.kind is FactKind.INTENT for w in writes)


@pytest.mark.parametrize(("provider", "most"), [(Acme, 6), (OneRequest, 0)])
async def test_requests_get_ready_while_others_have_the_places(
    provider: type[Provider[Any]], most: int
) -> None:
    """Their intents are durable before they may leave; but not where nobody could ask later."""
    world = hasty(provider)
    world.vendor.delay = 0.005
    await world.plan(*[[4]] * 12, concurrency=4)
    ahead = [0]
    world.vendor.on_request = lambda _: ahead.append(intents(world) - world.vendor.count("POST"))

    report = await run(world)

    assert report.outcomes == {Outcome.SUCCEEDED: 12}
    assert world.vendor.peak == 4
    assert min(most, 1) <= max(ahead) <= most


async def test_a_refusal_of_the_account_lets_nobody_else_leave() -> None:
    """Who waited for that place does not run into the same refusal."""
    world = hasty()
    world.vendor.delay = 0.005
    world.vendor.script = {"POST /start": [reply({}, 401)]}
    await world.plan(*[[4]] * 6, concurrency=1)

    report = await run(world)

    assert isinstance(report.trouble, Unauthorized)
    assert world.vendor.log == ["POST /start"]
    assert (await run(world)).outcomes == {Outcome.SUCCEEDED: 6}


@pytest.mark.parametrize("provider", [Acme, OneRequest])
async def test_a_request_without_a_place_does_not_leave_after_the_stop(
    provider: type[Provider[Any]],
) -> None:
    """Nobody has to ask about it later: its intent is forgotten, or never was."""
    world = hasty(provider)
    stop = asyncio.Event()
    world.vendor.delay = 0.01
    await world.plan(*[[4]] * 12, concurrency=4)
    left: list[int] = []

    def press(_: object) -> None:
        stop.set()
        left.append(len(world.vendor.log))

    world.vendor.on_request = press
    await run(world, stop=stop)

    assert left[0] == len(world.vendor.log) == 4
    assert (intents(world) > 4) == (provider is Acme)
    for number in range(12):
        facts = (await world.journal.facts(f"b{number:04}")).facts
        assert [fact for fact in facts if fact.kind is FactKind.INTENT] == []
