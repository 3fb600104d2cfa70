"""Every provider's run is killed at any point, and goes on with another version of its plugin."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from longshore.lifecycle import Outcome
from longshore.pipeline import Engine, Environment, restart_incompatible
from longshore.targets import Target
from longshore.testing.simulation import Case, History, Plan, broken_promises, play
from longshore.testing.simulation._sequential import Sequential
from tests.simulation.cases import CASES

# What is held is unknown by design, and what is there of it stays there.
_HELD = ("ended as unknown", "was left behind", "was left open")


@pytest.fixture
def upgrades(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each process after the first be of the next version, and told to restart."""
    opened = Sequential._open

    def open_(self: Sequential, provider: Any) -> Engine:
        scene = self.scene
        if scene.watch.lives > 1:
            vars(provider)["state_version"] = 2
            target = Target(provider.name, provider.name, provider, {})
            environment = Environment(clock=scene.world)
            asyncio.run(restart_incompatible(scene.journal, target, scene.run_id, environment))
        return opened(self, provider)

    monkeypatch.setattr(Sequential, "_open", open_)


def problems(case: Case, history: History) -> list[str]:
    """Return the promises broken, besides that what is held is not finished."""
    broken = broken_promises(case, history)
    return [words for words in broken if not any(held in words for held in _HELD)]


@pytest.mark.usefixtures("upgrades")
@pytest.mark.parametrize(
    "case", [c for c in CASES if not c.name.endswith("/fleet")], ids=lambda case: case.name
)
def test_whenever_it_is_killed_nothing_is_there_twice(case: Case) -> None:
    """What is not finished is held: the vendor's side tells that nothing was sent to it twice."""
    points, played = len(play(case).log), 0
    for first in range(1, points + 1, 3):
        plans: list[Plan] = [{first: "crash"}, {first: "crash", first + 2: "crash"}]
        for plan in plans:
            history = play(case, plan)
            assert problems(case, history) == [], plan
            assert set(history.outcomes) <= expected(case), plan
            played += 1
    assert played > 10


def expected(case: Case) -> set[Outcome]:
    """Return how documents may end."""
    ends = {Outcome.SUCCEEDED, Outcome.UNKNOWN}
    return ends | {Outcome.FAILED, Outcome.PARTIAL} if case.fails else ends
