"""One pace per target: the vendor's rate, the pause after a 429, the room that grows and melts."""

from __future__ import annotations

import asyncio
import heapq
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.capabilities import Rate
from longshore.transfer import Pace

START = 1_700_000_000.0


class Timeline:
    """A clock on which many tasks wait at once: the earliest sleeper wakes first."""

    def __init__(self) -> None:
        self.time = START
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self._number += 1
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.time + seconds, self._number, woken))
        await woken

    async def run(self) -> None:
        """Let time pass until nobody sleeps any more."""
        await settle()
        while self._sleepers:
            self.time, _, woken = heapq.heappop(self._sleepers)
            woken.set_result(None)
            await settle()


def test_reads_that_the_vendor_counts_apart_do_not_wait_for_writes() -> None:
    """Two windows; a 429 pauses both, for it is about the account."""
    left: list[tuple[float, bool]] = []

    async def story() -> None:
        clock = Timeline()
        pace = Pace(clock, Rate(requests=1, seconds=10.0), Rate(requests=2, seconds=10.0))

        async def go(read: bool) -> None:
            await pace.turn(read=read)
            left.append((round(clock.now() - START, 5), read))

        async with asyncio.TaskGroup() as group:
            for read in (False, True, True, True, False):
                group.create_task(go(read))
            await clock.run()
        pace.throttled(30.0)
        async with asyncio.TaskGroup() as group:
            group.create_task(go(True))
            await clock.run()

    asyncio.run(story())
    assert sorted(left) == [
        (0.0, False), (0.0, True), (0.0, True), (10.1, False), (10.1, True), (40.1, True),
    ]  # fmt: skip


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def leave(clock: Timeline, pace: Pace, left: list[float], after: float = 0.0) -> None:
    if after:
        await clock.sleep(after)
    await pace.turn()
    left.append(clock.now() - START)


def departures(rate: Rate | None, arrivals: list[float]) -> list[float]:
    """When requests that come at these moments leave."""
    left: list[float] = []

    async def story() -> None:
        clock = Timeline()
        pace = Pace(clock, rate)
        async with asyncio.TaskGroup() as group:
            for arrival in arrivals:
                group.create_task(leave(clock, pace, left, arrival))
            await clock.run()

    asyncio.run(story())
    return left


@given(
    st.floats(0.1, 6),
    st.sampled_from([1.0, 2.5, 60.0]),
    st.lists(st.floats(0, 100), min_size=1, max_size=25) | st.just([0.0] * 30),
)
def test_no_window_holds_more_than_the_rate(
    requests: float, seconds: float, arrivals: list[float]
) -> None:
    """Wherever the window begins, also with many waiting at once; below one it is longer.

    Nor does the vendor's, where the first one takes up to 0.1 s longer on its way.
    """
    left = departures(Rate(requests=requests, seconds=seconds), arrivals)
    most, window = (int(requests), seconds) if requests >= 1 else (1, seconds / requests)
    assert len(left) == len(arrivals)
    assert left == sorted(left)
    for first, after in zip(left, left[most:], strict=False):
        assert after - first >= window + 0.1 - 1e-5


def test_the_rate_is_used_up() -> None:
    """Three a second means three at once, and the next three a second and a little later."""
    left = departures(Rate(requests=3), [0.0] * 7)
    assert left == pytest.approx([0, 0, 0, 1.1, 1.1, 1.1, 2.2], abs=1e-5)


def test_without_a_rate_nobody_waits() -> None:
    """Where no limit is documented, concurrency alone bounds the work."""
    assert departures(None, [0.0] * 50) == [0.0] * 50


@pytest.mark.parametrize("rate", [None, Rate(requests=1), Rate(requests=100)])
async def test_a_429_pauses_everyone_also_those_already_waiting(rate: Rate | None) -> None:
    """The account is throttled, not one task: a moment given out before does not count."""
    clock, left = Timeline(), list[float]()
    pace = Pace(clock, rate)
    async with asyncio.TaskGroup() as group:
        group.create_task(leave(clock, pace, left))
        await settle()
        for _ in range(4):  # with one a second, these wait for moments 1 to 4
            if rate and rate.requests == 1:
                group.create_task(leave(clock, pace, left))
        await settle()
        pace.throttled(30.0)
        for _ in range(4):
            group.create_task(leave(clock, pace, left))
        await clock.run()
    assert left[0] == 0.0
    assert min(left[1:]) >= 30.0 - 1e-5
    assert all(after - first >= 0.05 - 1e-5 for first, after in pairwise(left[1:]))


async def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    """Two tasks may hear different things."""
    clock, left = Timeline(), list[float]()
    pace = Pace(clock)
    pace.throttled(30.0)
    pace.throttled(1.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(leave(clock, pace, left))
        await clock.run()
    assert left == [30.0]


async def spacing(clock: Timeline, pace: Pace) -> float:
    """Seconds between two requests that want to leave at once."""
    left: list[float] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(leave(clock, pace, left))
        group.create_task(leave(clock, pace, left))
        await clock.run()
    return round(left[1] - left[0], 4)


async def test_room_grows_with_each_429_and_melts_with_success() -> None:
    """It doubles up to ten seconds; success takes it away slowly, but all of it."""
    clock = Timeline()
    pace = Pace(clock)
    grown = []
    for _ in range(10):
        pace.throttled(1.0)
        clock.time += 2.0
        grown.append(await spacing(clock, pace))
    assert grown == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    pace.succeeded()
    clock.time += 20.0
    assert await spacing(clock, pace) == 9.0
    for _ in range(100):
        pace.succeeded()
    clock.time += 20.0
    assert await spacing(clock, pace) == 0.0


async def test_many_429s_of_one_moment_are_one() -> None:
    """Eight requests in flight that all hear it say nothing eight times."""
    clock = Timeline()
    pace = Pace(clock)
    for _ in range(8):
        pace.throttled(5.0)
    clock.time += 5.0
    assert await spacing(clock, pace) == 0.05
