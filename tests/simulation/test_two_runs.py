"""Two runs of one journal, killed with documents of one size on their way to one account."""

from __future__ import annotations

from dataclasses import replace

import pytest

from longshore.lifecycle import Outcome
from longshore.testing.simulation import Case
from tests.simulation.cases import CASES, subworkflow
from tests.simulation.processes import held, kill, later_point, point, resume, runs

SUBWORKFLOW = [case for case in CASES if case.name in ("subworkflow/single", "subworkflow/session")]


@pytest.mark.parametrize("case", SUBWORKFLOW, ids=lambda case: case.name)
def test_unknown_mends_itself_when_the_other_run_has_claimed_its_job(case: Case) -> None:
    """A job that may be that of either run decides nothing; once it is claimed it does."""
    one, other = runs(case, "one", "other")
    kill(one, point(case, "request once"))  # nothing has arrived
    kill(other, point(case, "answer once"))  # all has

    assert resume(one) is Outcome.UNKNOWN
    assert resume(other) is Outcome.SUCCEEDED
    assert resume(one) is Outcome.SUCCEEDED
    assert held(one) == ["one.pdf", "other.pdf"]


@pytest.mark.parametrize("case", SUBWORKFLOW, ids=lambda case: case.name)
def test_what_was_found_and_is_not_yet_claimed_is_of_nobody_else(case: Case) -> None:
    """A process may end between the two; an equal document that never arrived waits for it."""
    case = replace(case, provider=lambda: subworkflow(timeout=20.0))
    one, other = runs(case, "one", "other", file="scan.pdf")
    kill(one, point(case, "answer once"))
    kill(one, later_point(case, "answer once", "ClaimJob"))
    kill(other, point(case, "request once"))

    assert resume(other) is Outcome.UNKNOWN
    assert resume(one) is Outcome.SUCCEEDED
    assert resume(other) is Outcome.SUCCEEDED
    assert held(one) == ["scan.pdf", "scan.pdf"]
