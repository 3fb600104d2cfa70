"""``status``: how the runs of the journal stand; only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longshore.cli._command import command
from longshore.cli._journal import open_existing
from longshore.cli._lines import counts, entries, next_steps, number, tell_document, tell_run, when
from longshore.cli._offers import Ended
from longshore.cli._parameters import SomeRun
from longshore.cli._terminal import Terminal
from longshore.cli._text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from longshore.journal import Fact, Journal, RunRecord, UnitRecord
    from longshore.pipeline import RunReport

__all__ = ["status"]


@command("longshore status", "longshore status 4f1c2a9b --json")
async def status(terminal: Terminal, run_id: SomeRun = None) -> int:
    """List the runs, or show one of them document by document; changes nothing."""
    async with open_existing(terminal) as journal:
        if run_id is None:
            runs = await journal.runs()
            for run in runs:
                await _list(terminal, journal, run)
            if not runs:
                terminal.note("longshore: the journal holds no runs")
            return 0
        await _show(terminal, journal, await journal.run(run_id))
        return 0


async def _list(terminal: Terminal, journal: Journal, run: RunRecord) -> None:
    line = run_state(await report_of(journal, run), len(await journal.abandoned(run.id)))
    terminal.line(line)
    terminal.say(
        f"{run.id}  {when(run.created_at)}  {line['state']:<10}  {run.target}: {counts(line)}"
    )


async def _show(terminal: Terminal, journal: Journal, run: RunRecord) -> None:
    from longshore.journal import with_units
    from longshore.redaction import redact_text

    ended = Ended()
    async for record, unit in with_units(journal, run.id):
        ended.see(record, unit)
        tell_document(terminal, run, record, unit)
        if terminal.verbose and unit is not None:
            terminal.say(printable(_details(unit)))
            for attempt in _attempts(unit, (await journal.facts(unit.id)).facts):
                terminal.say(printable(attempt))
    abandoned = len(await journal.abandoned(run.id))
    line = run_state(await report_of(journal, run), abandoned)
    tell_run(terminal, line)
    if terminal.verbose:
        begun = f"begun {when(run.created_at)} with {run.provider} {run.provider_version}"
        settings = redact_text(
            ", ".join(f"{name} = {value}" for name, value in entries(run.settings))
        )
        terminal.say(printable(f"{begun}; settings: {settings or 'none'}"))
    if abandoned:
        gc = terminal.typed("longshore gc")
        many = number(abandoned, "abandoned sessions")
        terminal.say(f"{many} at the vendor, to be given back by {gc}")
    for step in next_steps(terminal, line, await ended.commands(terminal, journal, run)):
        terminal.note(step)


def _details(unit: UnitRecord) -> str:
    spent = ", ".join(f"{verb} {seconds:.1f} s" for verb, seconds in unit.seconds.items())
    waits = f"; {unit.why}" if unit.why else ""
    requests = number(unit.counters.requests, "requests")
    retries = number(unit.counters.retries, "retries")
    return f"    batch {unit.id}, attempt {unit.attempt}: {requests}, {retries}; {spent}{waits}"


def _attempts(unit: UnitRecord, facts: Sequence[Fact]) -> Iterator[str]:
    """Tell why earlier attempts of a batch were given up, and how the last one ended."""
    for fact in sorted(facts, key=lambda fact: fact.attempt):
        if fact.kind == "attempt" and isinstance(fact.value, dict):
            then = fact.value
            yield (
                f"      {when(float(str(then['at'])))}  attempt {fact.attempt} given up "
                f"after {number(int(str(then['requests'])), 'requests')}: {then['why']}"
            )
    if unit.finished_at is not None:
        why = f": {unit.error.message}" if unit.error is not None else ""
        yield (
            f"      {when(unit.finished_at)}  attempt {unit.attempt} {unit.outcome} "
            f"after {number(unit.counters.requests, 'requests')}{why}"
        )


async def report_of(journal: Journal, run: RunRecord) -> RunReport:
    """Sum up a run; its seconds are those from its beginning to its end or last sign of life."""
    from longshore.pipeline import summary

    report = await summary(journal, run)
    report.seconds = max((run.finished_at or run.alive_at) - run.created_at, 0.0)
    return report


def run_state(report: RunReport, abandoned: int) -> dict[str, Any]:
    """Return the run's line with what only ``status`` tells besides."""
    from longshore.pipeline import run_line

    run = report.run
    return {
        **run_line(report),
        "provider": run.provider,
        "state": "finished" if run.finished_at is not None else "unfinished",
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "abandoned": abandoned,
    }
