"""What ``compare`` tells at the end: its runs, a table, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from longshore.cli._lines import columns, tell_kept
from longshore.cli._terminal import Terminal

if TYPE_CHECKING:
    from longshore.evaluate import Comparison, Figures, Side

__all__ = ["Places", "again", "finish", "line_of"]

Places: TypeAlias = Mapping[str, Path | None]
"""The options that name what is written, and where."""

_HEAD = (
    "target", "documents", "not taken", "succeeded", "to done", "95 %",
    "target", "requests", "retries", "429", "credits", "results",
)  # fmt: skip
_HALF = len(_HEAD) // 2
"""Two tables, one below the other: side by side they are wider than many a terminal."""


def line_of(side: Side) -> dict[str, Any]:
    """Describe a target's runs as one: the counts of several rounds are sums."""
    from longshore.pipeline import run_line

    line = run_line(side.report)
    if len(side.reports) > 1:
        line["run_ids"] = [report.run.id for report in side.reports]
    return line


def finish(
    terminal: Terminal,
    found: Comparison,
    places: Places,
    given: Mapping[str, str],
) -> None:
    """Print the runs and the table, what went wrong with an account, and what to type next."""
    from longshore.lifecycle import Outcome

    for side in found.sides:
        terminal.line(line_of(side))
    rows = [_HEAD, *(_cells(name, figures) for name, figures in found.figures.items())]
    for text in columns([row[:_HALF] for row in rows]):
        terminal.say(text)
    terminal.say()
    for text in columns([row[_HALF:] for row in rows]):
        terminal.say(text)
    command = again(terminal, found.command, places)
    for side in found.sides:
        trouble = side.report.trouble
        if trouble is not None:
            terminal.note(f"longshore: {side.target} could not go on:")
            terminal.fail(trouble)
    reports = [report for side in found.sides for report in side.reports]
    if any(report.open for report in reports) or any(report.interrupted for report in reports):
        if any(report.outcomes.get(Outcome.NEEDS_ACTION) for report in reports):
            terminal.note(f"what can be done:  {terminal.typed('longshore actions')}")
        terminal.last(f"go on with it:     {command}")
    for side in found.sides:
        if side.report.trouble is not None:
            tell_kept(terminal, side.target, side.settings, given, command)
    if report := places["--report"]:
        terminal.say(f"report: {report}")


def again(terminal: Terminal, command: str, places: Places) -> str:
    """Write the command again, with its files: without them it would be over, nothing written."""
    named = [f" {flag} {shlex.quote(str(path))}" for flag, path in places.items() if path]
    return terminal.typed(command + "".join(named))


def _cells(name: str, figures: Figures) -> tuple[str, ...]:
    from longshore.units import format_seconds

    done, share, credits = figures.to_done, figures.succeeded, figures.credits
    return (
        name,
        str(figures.documents),
        str(figures.refused),
        "-" if share is None else f"{100 * share:.1f} %",
        format_seconds(done.median) if done else "-",
        format_seconds(done.p95) if done else "-",
        name,
        str(figures.requests),
        str(figures.retries),
        str(figures.troubles["throttled"]),
        "-" if credits is None else f"{credits:.10g}",
        str(figures.results),
    )
