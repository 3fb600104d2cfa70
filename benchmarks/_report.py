"""How results are shown: a table on the terminal, one in the documentation, JSON, plots."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from math import floor, log10
from pathlib import Path
from typing import Any

from benchmarks._plots import draw
from benchmarks._result import Cell, Curve, Goal, Result

__all__ = ["print_result", "summary", "write"]

_BEGIN, _END = "<!-- bench:begin -->", "<!-- bench:end -->"
_WORDS = {True: "reached", False: "missed", None: "not measured"}


def number(value: Cell) -> str:
    """Show three digits that count."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    if not value or abs(value) == float("inf"):
        return f"{value:g}"
    return f"{value:,.{max(0, 2 - floor(log10(abs(value))))}f}"


def print_result(result: Result) -> None:
    """Print one result."""
    print(f"\n{result.title}\n{result.how}")
    for line in _columns([result.columns, *([number(c) for c in row] for row in result.rows)]):
        print(f"  {line}")
    for goal in result.goals:
        print(f"  {_goal_line(goal)}")
    for note in result.notes:
        print(f"  ({note})")


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows[0] else []
    for first, *rest in rows if widths else []:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells))


def _goal_line(goal: Goal) -> str:
    return f"{_WORDS[goal.reached]:>12}: {goal.what}: {_figure(goal)} (goal {_wanted(goal)})"


def _wanted(goal: Goal) -> str:
    return f"{goal.sense} {goal.bound:,.6g} {goal.unit}".strip()


def summary(results: Sequence[Result]) -> Iterator[str]:
    """Yield how many goals are reached, which are not, and how long each benchmark took."""
    goals = [(result.name, goal) for result in results for goal in result.goals]
    reached = sum(goal.reached is True for _, goal in goals)
    yield f"\n{reached} of {len(goals)} goals reached"
    for name, goal in goals:
        if not goal.reached:
            yield f"  {name}: {_goal_line(goal).strip()}"
    yield f"\n{sum(result.took for result in results):,.0f} seconds"
    yield from (f"  {result.name}: {result.took:,.0f} s" for result in results)


def write(
    results: Sequence[Result], folder: Path, machine: Mapping[str, str], order: Sequence[str]
) -> None:
    """Write JSON, plots and the table in ``speed.md``; what was measured earlier is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "speed.json"
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    today = datetime.now(UTC).date().isoformat()
    for result in results:
        kept[result.name] = {**asdict(result), "date": today, **machine}
    kept = {name: kept[name] for name in order if name in kept}
    file.write_text(json.dumps(kept, indent=1) + "\n")
    everything = [_loaded(entry) for entry in kept.values()]
    pictures = draw([curve for result in everything for curve in result.curves], folder / "plots")
    page = folder / "speed.md"
    if page.exists():
        text = page.read_text()
        head, rest = text.split(_BEGIN)
        _, tail = rest.split(_END)
        body = "\n".join(_markdown(kept, everything, pictures))
        page.write_text(f"{head}{_BEGIN}\n{body}\n{_END}{tail}")


def _loaded(entry: Mapping[str, Any]) -> Result:
    """Make a result again of what the JSON file says."""
    goals = [Goal(**goal) for goal in entry["goals"]]
    curves = [
        Curve(**{**curve, "points": [(x, y) for x, y in curve["points"]]})
        for curve in entry["curves"]
    ]
    plain = {key: entry[key] for key in ("name", "title", "how", "columns", "rows", "notes")}
    return Result(**plain, goals=goals, curves=curves)


def _markdown(
    kept: Mapping[str, Any], results: Sequence[Result], pictures: Mapping[str, Path]
) -> Iterator[str]:
    goals = [(result, goal) for result in results for goal in result.goals]
    reached = sum(goal.reached is True for _, goal in goals)
    yield f"\n{reached} of {len(goals)} goals are reached."
    for result in results:
        entry = kept[result.name]
        yield f"\n### {result.title}\n"
        known = ("date", "python", "machine", "tcp", "rounds")
        where = ", ".join(entry[key] for key in known if key in entry)
        yield f"{result.how} ({where})\n"
        yield from _table([result.columns, *([number(c) for c in row] for row in result.rows)])
        if result.goals:
            rows = [[g.what, _figure(g), _wanted(g), _WORDS[g.reached]] for g in result.goals]
            yield ""
            yield from _table([["goal", "figure", "wanted", ""], *rows])
        yield from (f"\n{note}" for note in result.notes)
        for plot in dict.fromkeys(curve.plot for curve in result.curves):
            yield f"\n![{plot}](plots/{pictures[plot].name})"


def _figure(goal: Goal) -> str:
    return "-" if goal.figure is None else f"{number(goal.figure)} {goal.unit}".strip()


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows[0]:
        return
    first, *rest = rows
    yield f"| {' | '.join(first)} |"
    yield f"| --- |{' ---: |' * (len(first) - 1)}"
    for row in rest:
        yield f"| {' | '.join(row)} |"
