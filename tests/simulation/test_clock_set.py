"""Our clock is wrong when a process is killed, and right when another goes on."""

from __future__ import annotations

import pytest

from longshore.lifecycle import Outcome
from longshore.testing.simulation import Case
from tests.simulation.cases import CASES
from tests.simulation.processes import held, kill, later_point, point, resume, runs

HOUR = 3600.0
ASKING = [case for case in CASES if case.name in ("subworkflow/single", "subworkflow/session")]


@pytest.mark.parametrize("ahead", [600.0, 2 * HOUR, 30 * 24 * HOUR, -600.0, -2 * HOUR])
@pytest.mark.parametrize("killed_at", ["request once", "answer once"])
@pytest.mark.parametrize("case", ASKING, ids=lambda case: case.name)
def test_what_was_lost_is_looked_for_at_its_time(case: Case, killed_at: str, ahead: float) -> None:
    """The vendor's clock tells when it left: its job is neither passed over nor made twice."""
    (scene,) = runs(case, "one")
    world = scene.world
    world.skew = ahead
    kill(scene, point(case, killed_at))
    world.skew = 0.0
    began = world.time

    assert resume(scene) is Outcome.SUCCEEDED
    assert held(scene) == ["one.pdf"]
    assert world.time - began < HOUR / 4, "nothing waits until the wrong time comes again"


@pytest.mark.parametrize("ahead", [600.0, 2 * HOUR, 30 * 24 * HOUR])
@pytest.mark.parametrize("killed_at", ["request once", "answer once"])
def test_what_left_before_the_vendor_told_the_time_is_found(killed_at: str, ahead: float) -> None:
    """A resumed process asks nothing before it sends: how wrong its clock is nobody knows."""
    case = ASKING[0]
    (scene,) = runs(case, "one")
    world = scene.world
    kill(scene, point(case, "before commit PutFact+PutFact"))  # the next thing would be the POST
    world.skew = ahead
    kill(scene, later_point(case, "before commit PutFact+PutFact", killed_at))
    world.skew = 0.0

    assert resume(scene) is Outcome.SUCCEEDED
    assert held(scene) == ["one.pdf"]
