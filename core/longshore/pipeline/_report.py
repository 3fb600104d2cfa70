"""What a run looks like from outside: the JSON lines, the totals, the exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from longshore.errors import LongshoreError
from longshore.journal import Counters, DocumentRecord, RunRecord, UnitRecord
from longshore.lifecycle import Outcome

__all__ = ["RunReport", "count_open", "document_line", "exit_code", "run_line", "worst"]

_VERBS = ("queued", "start", "send", "complete")


def document_line(
    run: RunRecord, record: DocumentRecord, unit: UnitRecord | None
) -> dict[str, JsonValue]:
    """Describe one document in the form that scripts depend on."""
    document, error = record.document, record.error or (unit.error if unit else None)
    counters = unit.counters if unit else Counters()
    alone = unit is not None and unit.documents == 1
    sent = counters.bytes_sent if alone else (document.size if record.parts else 0)
    return {
        "event": "document",
        "path": record.path,
        "name": document.name,
        "size": document.size,
        "sha256": document.sha256,
        "target": run.target,
        "provider": run.provider,
        "batch_id": record.unit_id,
        "vendor_job_id": unit.job_id if unit else None,
        "vendor_document_id": record.vendor_id,
        "state": str(record.outcome),
        "vendor_status": record.word or (unit.word if unit else None),
        "parts": record.parts,
        "bytes_sent": sent,
        "requests": counters.requests,
        "retries": counters.retries,
        "seconds": _seconds(unit),
        "error": error.model_dump(mode="json") if error else None,
    }


def _seconds(unit: UnitRecord | None) -> dict[str, JsonValue]:
    """Time on the wall, per phase; polling is from the job's acceptance to its end."""
    if unit is None:
        return dict.fromkeys((*_VERBS, "poll", "total"), 0.0)
    spent: dict[str, JsonValue] = {verb: round(unit.seconds.get(verb, 0.0), 3) for verb in _VERBS}
    end = unit.finished_at
    accepted = unit.accepted_at
    spent["poll"] = round(end - accepted, 3) if end and accepted else 0.0
    spent["total"] = round((end or accepted or unit.created_at) - unit.created_at, 3)
    return spent


def count_open(outcomes: Mapping[Outcome, int]) -> int:
    """Count the documents of which something is still to be expected."""
    return sum(count for outcome, count in outcomes.items() if not outcome.terminal)


@dataclass(slots=True)
class RunReport:
    """How a command left its run.

    Attributes:
        run: the run's record.
        outcomes: how many documents ended how.
        totals: what the run cost so far.
        seconds: how long this command took.
        trouble: why the account could not go on, if it could not.
        interrupted: somebody stopped the command.
    """

    run: RunRecord
    outcomes: Mapping[Outcome, int]
    totals: Counters = field(default_factory=Counters)
    seconds: float = 0.0
    trouble: LongshoreError | None = None
    interrupted: bool = False

    @property
    def open(self) -> int:
        """How many documents still move, wait for somebody, or are unknown."""
        return count_open(self.outcomes)

    @property
    def documents(self) -> int:
        """How many documents the run has."""
        return sum(self.outcomes.values())

    @property
    def exit_code(self) -> int:
        """The exit code of the command line."""
        return exit_code(self)


_NOT_GOOD = (
    Outcome.FAILED,
    Outcome.PARTIAL,
    Outcome.CANCELLED,
    Outcome.EXPIRED,
    Outcome.REFUSED,
)


def exit_code(report: RunReport) -> int:
    """Choose the exit code; the first that applies.

    2: account trouble, or nothing could go; 130: interrupted; 4: some outcomes are unknown;
    1: some did not go well; 3: some need action; 0.
    """
    counts = report.outcomes
    nothing = report.documents > 0 and counts.get(Outcome.REFUSED, 0) == report.documents
    if report.trouble is not None or nothing:
        return 2
    if report.interrupted:
        return 130
    if counts.get(Outcome.UNKNOWN, 0):
        return 4
    if any(counts.get(outcome, 0) for outcome in _NOT_GOOD):
        return 1
    return 3 if counts.get(Outcome.NEEDS_ACTION, 0) else 0


_WORST_FIRST = (2, 130, 4, 1, 3, 0)


def worst(codes: Iterable[int]) -> int:
    """Return the exit code that counts for several runs."""
    return min(codes, key=_WORST_FIRST.index, default=0)


def run_line(report: RunReport) -> dict[str, JsonValue]:
    """Describe a run in the form that scripts depend on; its counts add up to ``documents``."""
    line: dict[str, JsonValue] = {
        "event": "run",
        "run_id": report.run.id,
        "target": report.run.target,
        "documents": report.documents,
    }
    for outcome in (
        Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.FAILED, Outcome.CANCELLED, Outcome.EXPIRED,
        Outcome.REFUSED, Outcome.NEEDS_ACTION, Outcome.UNKNOWN, Outcome.RUNNING, Outcome.SKIPPED,
    ):  # fmt: skip
        line[str(outcome)] = report.outcomes.get(outcome, 0)
    line["bytes_sent"] = report.totals.bytes_sent
    line["requests"] = report.totals.requests
    line["retries"] = report.totals.retries
    line["seconds"] = round(report.seconds, 3)
    return line
