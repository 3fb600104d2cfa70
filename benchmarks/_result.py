"""What a benchmark found: rows of a table, goals, curves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ["Cell", "Curve", "Goal", "Result", "at_least", "at_most"]

Cell: TypeAlias = str | float | None


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal, and how far it is reached. None: what it needs was not measured here."""

    what: str
    figure: float | None
    sense: Literal[">=", "<="]
    bound: float
    unit: str = "x"

    @property
    def reached(self) -> bool | None:
        """True or False; None when there is no figure."""
        if self.figure is None:
            return None
        return self.figure >= self.bound if self.sense == ">=" else self.figure <= self.bound


def at_least(bound: float, what: str, figure: float | None, unit: str = "x") -> Goal:
    """A goal that more is better than."""
    return Goal(what, figure, ">=", bound, unit)


def at_most(bound: float, what: str, figure: float | None, unit: str = "x") -> Goal:
    """A goal that less is better than."""
    return Goal(what, figure, "<=", bound, unit)


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a plot, log-log unless it says otherwise; ``plot`` groups those of one picture."""

    plot: str
    label: str
    x_label: str
    y_label: str
    points: list[tuple[float, float]]
    log: bool = True


@dataclass
class Result:
    """The outcome of one benchmark.

    Attributes:
        name: of its module.
        title: one line.
        how: how it was measured, in a sentence or two.
        columns: heads of the table.
        rows: cells; a number is printed with three digits that count.
        goals: from the table of goals.
        curves: for the plots.
        notes: what was skipped, and why.
        took: seconds that the benchmark took, all in.
    """

    name: str
    title: str
    how: str
    columns: list[str] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    took: float = 0.0
