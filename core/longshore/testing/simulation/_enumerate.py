"""Every single point, every pair, and as many seeds as wanted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from longshore.lifecycle import Outcome
from longshore.testing.simulation._case import Case
from longshore.testing.simulation._check import broken_promises
from longshore.testing.simulation._faults import CORE, faults_at
from longshore.testing.simulation._history import History, play
from longshore.testing.simulation._logs import listening
from longshore.testing.simulation._world import Event, Plan

__all__ = [
    "Failure", "Tally", "enumerate_pairs", "enumerate_points", "enumerate_seeds", "shrink",
    "single_faults",
]  # fmt: skip

Failure = tuple[Plan, list[str]]


@dataclass(slots=True)
class Tally:
    """What an enumeration found.

    Attributes:
        case: its name.
        points: in the history without any fault.
        requests: of those.
        histories: played.
        seconds: of one processor that it took.
        outcomes: of documents, over all histories.
        faults: that came true, over all histories.
        failures: the plan and the broken promises of each bad history.
        seeds: of those, where they had one.
    """

    case: str
    points: int = 0
    requests: int = 0
    histories: int = 0
    seconds: float = 0.0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    faults: Counter[Event] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    seeds: list[int | None] = field(default_factory=list)

    def line(self) -> str:
        """Sum it up in one line."""
        ends = ", ".join(f"{outcome} {n}" for outcome, n in sorted(self.outcomes.items()))
        pace = self.histories / self.seconds if self.seconds else 0.0
        return (
            f"{self.case:28} {self.points:4} points {self.requests:3} requests "
            f"{self.histories:6} histories {pace:5.0f}/s: {ends}; {len(self.failures)} broken"
        )

    def join(self, other: Tally) -> None:
        """Add another tally of the same case."""
        self.histories += other.histories
        self.seconds += other.seconds
        self.outcomes.update(other.outcomes)
        self.faults.update(other.faults)
        self.failures += other.failures
        self.seeds += other.seeds

    def add(self, case: Case, history: History) -> None:
        """Hold a history against the promises, and count it."""
        self.histories += 1
        self.outcomes.update(history.outcomes)
        self.faults.update(happened.fault for happened in history.happened)
        if problems := broken_promises(case, history):
            self.failures.append((history.plan, problems))
            self.seeds.append(history.seed)


def single_faults(log: Iterable[str], kinds: frozenset[Event] | None = CORE) -> Iterator[Plan]:
    """Yield everything that can go wrong alone; by default crashes, lost requests and answers.

    Args:
        log: the points of a history.
        kinds: which faults; None: all.
    """
    for number, what in enumerate(log, 1):
        for fault in faults_at(what):
            if kinds is None or fault in kinds:
                yield {number: fault}


@listening()
def enumerate_points(case: Case, kinds: frozenset[Event] | None = CORE) -> Tally:
    """Play a case without faults, then with each single one."""
    tally, calm = _calm(case)
    for plan in single_faults(calm.log, kinds):
        tally.add(case, play(case, plan))
    return _timed(tally)


@listening()
def enumerate_pairs(
    case: Case,
    kinds: frozenset[Event] | None = CORE,
    *,
    every: int = 1,
    offset: int = 0,
    step: int = 1,
) -> Tally:
    """Play a case with each single fault and, after it, a crash at each point that follows.

    Args:
        case: what is carried where.
        kinds: of the first fault; None: all.
        every: only each so-manieth first fault.
        offset: the first of those.
        step: only each so-manieth crash.
    """
    tally, calm = _calm(case)
    tally.histories = 0
    tally.outcomes.clear()
    for plan in list(single_faults(calm.log, kinds))[offset::every]:
        (first,) = plan
        after = len(play(case, plan).log)
        for second in range(first + 1, after + 1, step):
            tally.add(case, play(case, {**plan, second: "crash"}))
    return _timed(tally)


@listening()
def enumerate_seeds(
    case: Case, seeds: Iterable[int], kinds: frozenset[Event] | None = None
) -> Tally:
    """Play a case with many steps at once, in seeded orders, and whatever chance brings."""
    tally = Tally(case.name, seconds=-time.process_time())
    for seed in seeds:
        tally.add(case, play(case, seed=seed, kinds=kinds))
    return _timed(tally)


def _calm(case: Case) -> tuple[Tally, History]:
    began = time.process_time()
    calm = play(case)
    requests = sum(what.startswith("request") for what in calm.log)
    tally = Tally(case.name, len(calm.log), requests, seconds=-began)
    tally.add(case, calm)
    return tally, calm


def _timed(tally: Tally) -> Tally:
    tally.seconds += time.process_time()
    return tally


def shrink(case: Case, plan: Plan, seed: int | None = None) -> Plan:
    """Drop faults one by one as long as a promise is still broken; return the smallest plan."""
    smallest = dict(plan)
    for number in sorted(plan, reverse=True):
        fewer = {n: fault for n, fault in smallest.items() if n != number}
        if broken_promises(case, play(case, fewer, seed=seed)):
            smallest = fewer
    return smallest
