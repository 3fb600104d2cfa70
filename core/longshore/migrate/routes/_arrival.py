"""How an upload by a route stands, or ended: its runs as one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from longshore.journal import Journal
from longshore.lifecycle import Outcome
from longshore.migrate.routes._passage import Passage
from longshore.pipeline import RunReport, summary, worst

__all__ = ["Arrival", "arrival_now"]


@dataclass(slots=True)
class Arrival:
    """How an upload by a route ended.

    Attributes:
        passage: its runs.
        reports: of the runs that count, by run id.
        shadows: of the others.
    """

    passage: Passage
    reports: dict[str, RunReport] = field(default_factory=dict)
    shadows: dict[str, RunReport] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The worst of the runs that count; shadows do not."""
        return worst(report.exit_code for report in self.reports.values())

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """How many documents ended how, without those that another run carried instead."""
        counts: Counter[Outcome] = Counter()
        for leg in self.passage.legs:
            if (report := self.reports.get(leg.run.id)) is not None:
                counts.update(report.outcomes)
                if leg.role == "fallback":
                    counts[Outcome.SKIPPED] -= report.documents
        return {outcome: count for outcome, count in counts.items() if count}


async def arrival_now(journal: Journal, passage: Passage, seconds: float) -> Arrival:
    """Tell how an upload by a route stands that was cut off, as its journal knows.

    Args:
        journal: the durable record.
        passage: its runs.
        seconds: how long it was carried.
    """
    arrival = Arrival(passage)
    for leg in passage.legs:
        report = await summary(journal, leg.run)
        report.seconds, report.interrupted = seconds, True
        reports = arrival.shadows if leg.role == "shadow" else arrival.reports
        reports[leg.run.id] = report
    return arrival
