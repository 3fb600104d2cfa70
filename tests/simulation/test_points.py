"""Every provider and upload mode, with a crash or a lost answer at each single point."""

from __future__ import annotations

import pytest

from longshore.lifecycle import Outcome
from longshore.testing.simulation import Case, broken_promises, enumerate_points, play
from tests.simulation.cases import CASES

# What a fault-free history needs, at least: an enumeration of nothing proves nothing.
FEWEST_HISTORIES = 25


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_single_fault_breaks_a_promise(case: Case) -> None:
    """A crash or a lost answer anywhere loses nothing and doubles nothing."""
    tally = enumerate_points(case)
    print(tally.line())
    assert [f"{plan}: {problems}" for plan, problems in tally.failures] == []
    assert tally.histories >= FEWEST_HISTORIES
    assert tally.outcomes[Outcome.SUCCEEDED] > 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_without_faults_every_document_succeeds(case: Case) -> None:
    """The calm history of each case is all success, in one life."""
    history = play(case)
    assert broken_promises(case, history) == []
    assert set(history.outcomes) == {Outcome.SUCCEEDED}
    assert history.lives == 1


def test_unknown_is_only_said_where_the_vendor_gives_no_means_to_tell() -> None:
    """A vendor with keys, or with a list of jobs, never leaves a single batch unknown."""
    surely = [case for case in CASES if not case.may_be_unknown]
    assert {case.name.partition("/")[0] for case in surely} == {"plangrep", "subworkflow"}
    for case in surely:
        assert enumerate_points(case).outcomes[Outcome.UNKNOWN] == 0
