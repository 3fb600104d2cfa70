"""Every single point: a crash there, a lost answer there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from longshore.lifecycle import Outcome
from longshore.testing.simulation._check import broken_promises
from longshore.testing.simulation._history import Case, History, play
from longshore.testing.simulation._world import Plan

__all__ = ["Tally", "enumerate_points", "single_faults"]


@dataclass(slots=True)
class Tally:
    """What an enumeration found.

    Attributes:
        case: its name.
        points: in the history without any fault.
        requests: of those.
        histories: played.
        outcomes: of documents, over all histories.
        failures: the plan and the broken promises of each bad history.
    """

    case: str
    points: int = 0
    requests: int = 0
    histories: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    failures: list[tuple[Plan, list[str]]] = field(default_factory=list)

    def line(self) -> str:
        """Sum it up in one line."""
        ends = ", ".join(f"{outcome} {n}" for outcome, n in sorted(self.outcomes.items()))
        return (
            f"{self.case:28} {self.points:4} points {self.requests:3} requests "
            f"{self.histories:5} histories: {ends}; {len(self.failures)} broken"
        )


def single_faults(log: Iterable[str]) -> Iterator[Plan]:
    """Yield a crash at every point, and a lost request or answer at every exchange."""
    for number, what in enumerate(log, 1):
        yield {number: "crash"}
        if what.startswith(("request", "answer")):
            yield {number: "lost"}


def enumerate_points(case: Case) -> Tally:
    """Play a case without faults, then with each single one."""
    calm = play(case)
    tally = Tally(case.name, len(calm.log), sum(w.startswith("request") for w in calm.log))
    _add(tally, case, calm)
    for plan in single_faults(calm.log):
        _add(tally, case, play(case, plan))
    return tally


def _add(tally: Tally, case: Case, history: History) -> None:
    tally.histories += 1
    tally.outcomes.update(history.outcomes)
    if problems := broken_promises(case, history):
        tally.failures.append((history.plan, problems))
