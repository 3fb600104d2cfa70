"""The number of requests in flight, against networks that exist only in virtual time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.transfer import Concurrency, Flight
from tests.transfer.network import MIB, Network, VirtualClock


def test_a_vendor_that_takes_its_time_gets_as_many_as_allowed() -> None:
    """Every doubling brings twice the throughput: 50 ms an answer, whatever else is under way."""
    network = Network(lambda _flying: 0.05)
    seconds = network.carry(5000)
    assert network.levels[0] == 4
    assert network.levels[-1] == 64
    assert seconds <= 5000 * 0.05 / 64 * 1.06


@pytest.mark.parametrize("seed", range(40))
def test_hiccups_do_not_keep_it_low(seed: int) -> None:
    """Answers that spread by a factor of five, and now and then nothing moves for a second."""
    rng = random.Random(seed)
    stalled = [0.0]

    def takes(_flying: int) -> float:
        if rng.random() < 0.002:
            stalled[0] = network.clock.now() + 1.0
        return max(stalled[0] - network.clock.now(), 0.0) + rng.uniform(0.02, 0.1)

    network = Network(takes)
    network.carry(6000)
    assert sum(network.levels[3000:]) / 3000 >= 40


def test_a_full_line_is_not_crowded() -> None:
    """A line of 100 MB/s is full with four parts of 8 MiB: more would only wait for each other."""
    network = Network(lambda flying: flying * 8 * MIB / 100e6)
    network.carry(400, 8 * MIB)
    assert network.levels[-1] <= 6
    assert max(network.levels) <= 8


def test_a_line_that_needs_eight_gets_about_eight() -> None:
    """Each connection brings 10 MB/s, the line 80."""
    network = Network(lambda flying: 8 * MIB / min(10e6, 80e6 / flying))
    network.carry(1000, 8 * MIB)
    assert 8 <= network.levels[-1] <= 12


def test_a_vendor_that_refuses_gets_fewer() -> None:
    """Above ten at once it says 429: few requests are in vain."""
    network = Network(lambda _flying: 0.05, refuses_above=10)
    network.carry(3000)
    assert network.refused <= 3000 * 0.03
    assert sum(network.levels[-500:]) / 500 <= 12


def test_a_line_that_becomes_wider_is_used() -> None:
    """What was best yesterday is tried again now and then."""
    width = [20e6]
    network = Network(lambda flying: 8 * MIB / min(10e6, width[0] / flying))
    network.carry(300, 8 * MIB)
    assert network.levels[-1] <= 5
    width[0] = 200e6
    network.carry(3000, 8 * MIB)
    assert network.levels[-1] >= 12


def test_little_to_do_teaches_nothing() -> None:
    """One request after the other never asks for more at once."""
    clock = VirtualClock()
    control = Concurrency(clock, 64)
    for _ in range(500):
        flight = control.began()
        clock.time += 0.01
        control.ended(flight, 1000)
    assert control.level == 4


@pytest.mark.parametrize("most", [1, 2, 3])
def test_never_more_than_allowed(most: int) -> None:
    """Also where that is less than it would begin with."""
    network = Network(lambda _flying: 0.01, most=most)
    network.carry(200)
    assert max(network.levels) == most


@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 5), st.integers(0, 10**8)), max_size=200),
    st.integers(1, 64),
)
def test_whatever_happens_it_stays_within_its_limits(
    events: list[tuple[int, float, int]], most: int
) -> None:
    """At least one, at most as many as allowed."""
    clock = VirtualClock()
    control = Concurrency(clock, most)
    flying: list[Flight] = []
    for kind, seconds, size in events:
        clock.time += seconds
        if kind == 0 or not flying:
            flying.append(control.began())
            control.full()
        elif kind == 1:
            control.ended(flying.pop(), size)
        else:
            control.crowded(flying.pop(0))
        assert 1 <= control.level <= most
