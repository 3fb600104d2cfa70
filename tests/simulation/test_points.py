"""Every provider and upload mode, with each single thing that can go wrong, pairs, and seeds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from longshore.lifecycle import Outcome
from longshore.testing.simulation import (
    Case,
    broken_promises,
    enumerate_pairs,
    enumerate_points,
    enumerate_seeds,
    play,
)
from tests.simulation import minimal
from tests.simulation.cases import CASES

# What a fault-free history needs, at least: an enumeration of nothing proves nothing.
FEWEST_HISTORIES = 20
SEEDS = 20
Record = Callable[[str, object], None]
KEYED = [
    case for case in (*CASES, *minimal.CASES) if case.name in ("plangrep/form", "minimal/keyed")
]
ONE_BY_ONE = [case for case in CASES if not case.name.endswith("/fleet")]


@pytest.mark.parametrize("case", ONE_BY_ONE, ids=lambda case: case.name)
def test_no_single_loss_breaks_a_promise(case: Case, record_property: Record) -> None:
    """A crash, a lost request or a lost answer anywhere loses nothing and doubles nothing."""
    tally = enumerate_points(case)
    record_property("enumerated", tally.line())
    assert tally.failures == []
    assert tally.histories >= FEWEST_HISTORIES
    assert tally.outcomes[Outcome.SUCCEEDED] > 0
    if not case.may_be_unknown:
        assert tally.outcomes[Outcome.UNKNOWN] == 0


@pytest.mark.parametrize("case", minimal.CASES, ids=lambda case: case.name)
def test_nothing_that_can_go_wrong_breaks_a_promise(case: Case) -> None:
    """Every fault at every point, then every loss and a crash at every point after it."""
    tallies = [enumerate_points(case, None), enumerate_pairs(case, every=3)]
    assert [tally.failures for tally in tallies] == [[], []]
    assert min(tally.histories for tally in tallies) > FEWEST_HISTORIES


@pytest.mark.parametrize("case", ONE_BY_ONE, ids=lambda case: case.name)
def test_a_sample_of_pairs_breaks_no_promise(case: Case) -> None:
    """Something goes wrong, and the process ends later; all of them: ``make simulate``."""
    tally = enumerate_pairs(case, every=19, offset=3, step=7)
    assert tally.failures == []
    assert tally.histories > 1


@pytest.mark.parametrize("refusal", ["redirect", "gone", "401"])
@pytest.mark.parametrize("loss", ["lost", "truncated", "crash"])
@pytest.mark.parametrize("case", KEYED, ids=lambda case: case.name)
def test_a_refused_repeat_says_nothing_of_the_try_before(
    case: Case, loss: str, refusal: str
) -> None:
    """What a lost request with a key made is found and used, or given back."""
    answers = [n for n, what in enumerate(play(case).log, 1) if what.startswith("answer keyed")]
    for answer in answers:
        log = play(case, {answer: loss}).log
        repeat = next(n for n in range(answer + 1, len(log)) if log[n - 1].startswith("request k"))
        history = play(case, {answer: loss, repeat: refusal})
        assert history.faults == {loss, refusal}
        assert broken_promises(case, history) == []
    assert answers


@pytest.mark.parametrize("case", [*CASES, *minimal.CASES], ids=lambda case: case.name)
def test_chance_breaks_no_promise(case: Case) -> None:
    """Many steps at once, in seeded orders, with whatever chance brings."""
    tally = enumerate_seeds(case, range(SEEDS))
    print(tally.line())
    assert list(zip(tally.seeds, tally.failures, strict=True)) == []
    assert tally.faults.total() > SEEDS / 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_without_faults_every_document_succeeds(case: Case) -> None:
    """The calm history of each case is all success, in one life, but for what must fail."""
    history = play(case)
    assert broken_promises(case, history) == []
    bad = [d.document.name for d in history.documents if d.outcome is not Outcome.SUCCEEDED]
    assert bad == sorted(case.fails)
    assert history.lives == 1


def test_unknown_is_only_said_where_the_vendor_gives_no_means_to_tell() -> None:
    """A vendor with keys, or with a list of jobs, never leaves a single batch unknown."""
    surely = [case for case in CASES if not case.may_be_unknown]
    assert {case.name.partition("/")[0] for case in surely} == {"plangrep", "subworkflow"}
