"""Does the simulator notice? Bugs are put into Longshore, and each must be found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from longshore.journal import MemoryJournal
from longshore.lifecycle import Outcome
from longshore.testing.simulation import (
    Case,
    broken_promises,
    enumerate_points,
    play,
    single_faults,
)
from tests.simulation.cases import CASES
from tests.simulation.mutants import ALL, MUTANTS, Mutant

SEEDS = 400


def noticed(mutant: Mutant) -> str:
    """Return what breaks first, or "" when no history notices.

    A bug that ends a history with an exception of its own is noticed too.
    """
    case = next(case for case in ALL if case.name == mutant.case)
    for history in _histories(case, mutant.kinds, mutant.chance):
        try:
            problems = history()
        except (AssertionError, KeyError) as error:
            return f"{type(error).__name__}: {error}"
        if problems:
            return problems[0]
    return ""


def _histories(
    case: Case, kinds: frozenset[str] | None, chance: frozenset[str] | None
) -> Iterable[Callable[[], list[str]]]:
    yield lambda: broken_promises(case, play(case))
    if kinds is not None:
        for plan in single_faults(_log(case), kinds):
            yield lambda plan=plan: broken_promises(case, play(case, plan))  # type: ignore[misc]
    for seed in range(SEEDS):
        yield lambda seed=seed: broken_promises(  # type: ignore[misc]
            case, play(case, seed=seed, kinds=chance)
        )


def _log(case: Case) -> list[str]:
    try:
        return play(case).log
    except (AssertionError, KeyError):
        return []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_is_noticed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some history breaks a promise."""
    mutant.change(monkeypatch)
    problem = noticed(mutant)
    print(problem)
    assert problem


def test_the_bugs_are_listed() -> None:
    """The page names every bug, its room and where it is noticed, and no other."""
    page = Path(__file__).parents[2] / "docs" / "explanation" / "simulation.md"
    table = page.read_text().partition("## Does it notice?")[2]
    rows = [row.split(" | ") for row in table.splitlines() if "`: " in row]
    listed = [(row[0].removeprefix("| "), row[1], row[2].split("`")[1]) for row in rows]
    assert listed == [(mutant.room, mutant.name, mutant.case) for mutant in MUTANTS]


def test_the_journal_stops_an_ask_that_takes_the_first_best_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One vendor job, one batch: where an ask does not look at claims, the journal does."""

    async def nothing(*_: object, **__: object) -> frozenset[str]:
        return frozenset()

    monkeypatch.setattr(MemoryJournal, "claims", nothing)
    tally = enumerate_points(
        next(case for case in CASES if case.name == "subworkflow/single twins")
    )
    assert tally.failures == []
    assert tally.outcomes[Outcome.UNKNOWN] > 0
