"""What a comparison found: rows, results, figures; and the files it can be written to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path

from pydantic import JsonValue

from longshore.errors import UsageError
from longshore.evaluate._agreement import Agreement, agree
from longshore.evaluate._details import Detail
from longshore.evaluate._figures import Figures, figures_of
from longshore.evaluate._rows import Row
from longshore.journal import Counters
from longshore.lifecycle import Outcome
from longshore.pipeline import RunReport, exit_code
from longshore.provider import DocumentResult

__all__ = ["Comparison", "Side"]


@dataclass(slots=True)
class Side:
    """One target of a comparison, as it was set.

    Attributes:
        target: the name that was typed.
        provider: the provider's name.
        title: the vendor's name.
        version: of the distribution that holds the provider.
        settings: without secrets.
        behaviour: concurrency, rate and poll schedule, as they held.
        reports: how its runs stand, round by round.
    """

    target: str
    provider: str
    title: str
    version: str
    settings: Mapping[str, JsonValue]
    behaviour: Mapping[str, JsonValue]
    reports: list[RunReport] = field(default_factory=list)

    @property
    def report(self) -> RunReport:
        """All rounds as one: the run is the last round's, the counts are sums."""
        return _as_one(self.reports)

    @property
    def trouble(self) -> str | None:
        """Why the account could not go on, if it could not."""
        trouble = self.report.trouble
        return trouble.message if trouble else None


@dataclass
class Comparison:
    """What a comparison found.

    Attributes:
        id: its id.
        sides: the targets, as they were named.
        rows: one for each document, target and round.
        details: (target, round, document) -> what is kept of the vendor's result.
        command: how to repeat it.
        began_at: seconds since the epoch.
        ended_at: when the figures were taken.
        continued: it was begun by an earlier call.
        versions: of what took part: Longshore, Python, the system.
    """

    id: str
    sides: list[Side]
    rows: list[Row]
    details: dict[tuple[str, int, int], Detail] = field(default_factory=dict)
    command: str = ""
    began_at: float = 0.0
    ended_at: float = 0.0
    continued: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def targets(self) -> list[str]:
        """The names of the targets."""
        return [side.target for side in self.sides]

    @property
    def repeat(self) -> int:
        """How many rounds there are."""
        return max((row.round for row in self.rows), default=1)

    @cached_property
    def figures(self) -> dict[str, Figures]:
        """Target -> its figures over all documents that it takes."""
        return {name: figures_of(self._rows_of(name)) for name in self.targets}

    @cached_property
    def common(self) -> dict[str, Figures]:
        """Target -> its figures over ``shared_documents``."""
        shared = self.shared_documents
        return {
            name: figures_of(row for row in self._rows_of(name) if row.document in shared)
            for name in self.targets
        }

    @cached_property
    def shared_documents(self) -> frozenset[int]:
        """The documents that every target takes; one that takes none at all is passed over."""
        taken = [{r.document for r in self._rows_of(name) if r.taken} for name in self.targets]
        some = [documents for documents in taken if documents]
        return frozenset(set.intersection(*some)) if some else frozenset()

    @cached_property
    def documents(self) -> list[Row]:
        """The first row of each document, in order: what is the same for all targets."""
        first: dict[int, Row] = {}
        for row in self.rows:
            first.setdefault(row.document, row)
        return [row for _, row in sorted(first.items())]

    @cached_property
    def agreement(self) -> Agreement:
        """Where the targets' results are alike, and where they differ."""
        return agree(self.details, self.targets)

    def result(self, target: str, document: int, round: int = 1) -> DocumentResult | None:
        """Return what is kept of a vendor's result for a document; None if there is none."""
        detail = self.details.get((target, round, document))
        return detail.result if detail else None

    def _rows_of(self, target: str) -> list[Row]:
        return [row for row in self.rows if row.target == target]

    @property
    def exit_code(self) -> int:
        """The exit code of the command line: that of all targets' documents together.

        An account in trouble is 2, whatever the others did. A target that takes none of the
        documents is no trouble as long as another takes some.
        """
        return exit_code(_as_one([side.report for side in self.sides]))

    # ------------------------------------------------------------------ files

    def write_csv(self, path: str | PathLike[str]) -> None:
        """Write the rows as CSV in UTF-8; nothing stands for None, and texts are quoted."""
        names = list(Row.model_fields)
        with _opened(path).open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(names) + "\r\n")
            for row in self.rows:
                file.write(",".join(_cell(getattr(row, name)) for name in names) + "\r\n")

    def write_jsonl(self, path: str | PathLike[str]) -> None:
        """Write the rows as JSON Lines: every line has every column, each of one type or null."""
        with _opened(path).open("w", encoding="utf-8") as file:
            for row in self.rows:
                file.write(row.model_dump_json() + "\n")

    def write_report(self, path: str | PathLike[str]) -> None:
        """Write the report: one HTML file that needs nothing else.

        Raises:
            UsageError: the extra ``report`` is not installed.
        """
        from longshore.evaluate._report import render

        _opened(path).write_text(render(self), "utf-8")


def _as_one(reports: Sequence[RunReport]) -> RunReport:
    """Sum reports up; the run is the last one's."""
    last = reports[-1]
    if len(reports) == 1:
        return last
    outcomes: Counter[Outcome] = Counter()
    totals = Counters()
    for report in reports:
        outcomes.update(report.outcomes)
        totals = totals.plus(report.totals)
    return RunReport(
        last.run,
        outcomes,
        totals,
        seconds=sum(report.seconds for report in reports),
        trouble=next((report.trouble for report in reports if report.trouble), None),
        interrupted=any(report.interrupted for report in reports),
    )


def _opened(path: str | PathLike[str]) -> Path:
    place = Path(path)
    if not place.parent.is_dir():
        raise UsageError(f"{place}: there is no folder {place.parent}", hint="make it first")
    return place


def _cell(value: object) -> str:
    """Keep a spreadsheet from taking a document's name, or a part of it, for a formula.

    Where lists are parted by semicolons or tabs, only quotes hold a text together.
    """
    if not isinstance(value, str):
        return "" if value is None else str(value)
    mark = "'" if value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else ""
    return '"' + (mark + value).replace('"', '""') + '"'
