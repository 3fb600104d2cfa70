"""A job that is listed only after Longshore had to conclude that there is none."""

from __future__ import annotations

import pytest

from longshore.lifecycle import Outcome
from longshore.testing.simulation import Case, play
from longshore_subworkflow.sandbox import SubworkflowSandbox
from tests.simulation.cases import CASES

(SESSION,) = (case for case in CASES if case.name == "subworkflow/session")


@pytest.mark.parametrize("seconds", [0.0, 140.0, 200.0])
def test_a_lost_end_makes_one_job_although_it_is_listed_late(seconds: float) -> None:
    """The repeat is refused, for the first one acted: asking comes before a fresh session."""
    made: list[SubworkflowSandbox] = []

    def vendor() -> SubworkflowSandbox:
        made.append(SubworkflowSandbox({"part_minimum": 1, "listed_after": seconds}))
        return made[-1]

    case = Case("late", SESSION.provider, vendor, SESSION.documents)
    log = play(case).log
    end = next(n for n, point in enumerate(log, 1) if "answer once" in point and "/end" in point)
    history = play(case, {end: "lost"})

    assert history.problems == []
    assert history.outcomes == (Outcome.SUCCEEDED,)
    assert len(made[-1].jobs) == 1
