"""Does the enumerator notice? Bugs are put into the engine, and each must be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from longshore.journal import ClaimJob, DropFacts, FactKind, MemoryJournal, PutFact, Write
from longshore.lifecycle import Outcome
from longshore.pipeline import _runner
from longshore.pipeline._runner import FlowRunner
from longshore.testing.simulation import (
    Case,
    broken_promises,
    enumerate_points,
    play,
    single_faults,
)
from tests.simulation.cases import CASES


def case(name: str) -> Case:
    """Find a case by its name."""
    return next(case for case in CASES if case.name == name)


def noticed(case: Case) -> bool:
    """Tell whether a promise is broken, by the calm history or by any single fault."""
    calm = play(case)
    plans = [{}, *single_faults(calm.log)]
    return any(broken_promises(case, play(case, plan)) for plan in plans)


def test_a_key_that_differs_on_every_try_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With fresh keys the vendor makes a second job."""
    count = iter(range(10**9))
    monkeypatch.setattr(_runner, "_key", lambda *_: f"{next(count):032}")
    assert noticed(case("plangrep/form"))


@pytest.mark.parametrize("name", ["sendai/batch", "subworkflow/single", "geolens/slow"])
def test_lost_answers_that_are_ignored_are_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ONCE request that is simply sent again makes the vendor work twice."""

    async def ignore(*_: Any) -> None:
        return None

    monkeypatch.setattr(FlowRunner, "_resolve", ignore)
    monkeypatch.setattr(FlowRunner, "_give_up", lambda *_, **__: None)
    assert noticed(case(name))


def without(monkeypatch: pytest.MonkeyPatch, kind: FactKind) -> None:
    """Make the journal forget all facts of one kind at once."""
    commit = MemoryJournal.commit

    async def forgetful(
        self: MemoryJournal, unit_id: str, epoch: int, writes: Sequence[Write]
    ) -> None:
        kept = [w for w in writes if not (isinstance(w, PutFact) and w.fact.kind is kind)]
        await commit(self, unit_id, epoch, kept)

    monkeypatch.setattr(MemoryJournal, "commit", forgetful)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("subworkflow/single", FactKind.INTENT),
        ("sendai/batch", FactKind.INTENT),
        ("plangrep/multipart", FactKind.RECEIPT),
        ("subworkflow/session", FactKind.JOB),
    ],
)
def test_facts_that_are_not_durable_are_noticed(
    name: str, kind: FactKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that loses intents, receipts or jobs breaks a promise."""
    without(monkeypatch, kind)
    assert noticed(case(name))


def test_an_ask_that_takes_the_first_best_job_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without claims, twins take each other's job."""

    async def nothing(*_: Any, **__: Any) -> frozenset[str]:
        return frozenset()

    commit = MemoryJournal.commit

    async def claimless(
        self: MemoryJournal, unit_id: str, epoch: int, writes: Sequence[Write]
    ) -> None:
        kept = [w for w in writes if not isinstance(w, ClaimJob)]
        await commit(self, unit_id, epoch, kept)

    monkeypatch.setattr(MemoryJournal, "claims", nothing)
    monkeypatch.setattr(MemoryJournal, "commit", claimless)
    assert noticed(case("subworkflow/twins"))


def test_the_journal_stops_an_ask_that_takes_the_first_best_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One vendor job, one batch: where an ask does not look at claims, the journal does."""

    async def nothing(*_: Any, **__: Any) -> frozenset[str]:
        return frozenset()

    monkeypatch.setattr(MemoryJournal, "claims", nothing)
    tally = enumerate_points(case("subworkflow/twins"))
    assert tally.failures == []
    assert tally.outcomes[Outcome.UNKNOWN] > 0


def test_a_restart_that_forgets_the_old_session_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The receipts of a session that was given up are no proof for the next one."""
    commit = MemoryJournal.commit

    async def keep(self: MemoryJournal, unit_id: str, epoch: int, writes: Sequence[Write]) -> None:
        same = [
            replace(w, fact=replace(w.fact, attempt=1)) if isinstance(w, PutFact) else w
            for w in writes
            if not (isinstance(w, DropFacts) and FactKind.RECEIPT in w.kinds)
        ]
        await commit(self, unit_id, epoch, same)

    monkeypatch.setattr(MemoryJournal, "commit", keep)
    assert noticed(case("subworkflow/session"))
