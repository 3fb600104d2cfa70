"""Progress bars on a terminal: one for the run, one for each big batch on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Column, Table
from rich.text import Text

from longshore.cli._text import printable
from longshore.cli.progress._budget import Budget
from longshore.cli.progress._meter import Meter
from longshore.cli.progress._tally import Standing, Tally
from longshore.journal import Journal, Taken
from longshore.pipeline import BytesMoved, DocumentFinished, Event, Polled, RunStarted, Unit
from longshore.units import format_bytes, format_seconds

__all__ = ["ONE_LINE", "Bars", "Drawn", "RateColumn", "words"]

BIG = 8 * 2**20
"""Bytes from which on a batch gets a bar of its own."""

_NAME = 40

_NARROW = 60
"""Columns below which there is room for words, the bar and bytes alone."""

ONE_LINE = Column(no_wrap=True)
"""For figures: they keep their width as long as words have any to give."""


def words(field: str) -> ProgressColumn:
    """Make a column of words, which are cut where there is no room: all of a bar is one line."""
    return _Words(field, markup=False, table_column=Column(min_width=8))


class _Words(TextColumn):
    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


class RateColumn(ProgressColumn):
    """Bytes a second by a bar's ``meter``; Rich's own tells them from the first bytes on."""

    def render(self, task: Task) -> Text:
        """Write it, if there is enough to tell."""
        meter: Meter = task.fields["meter"]
        rate = meter.rate
        return Text(f"{format_bytes(rate)}/s" if rate else "", style="progress.data.speed")


class _LeftColumn(ProgressColumn):
    """How long it will take, as a bar's ``left`` says."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left: float | None = task.fields["left"]()
        words = "" if left is None else f"{format_seconds(left)} left"
        return Text(words, style="progress.remaining")


class _Bars(Progress):
    """Bars, and below them lines of text."""

    def __init__(
        self,
        below: Callable[[], Iterable[str]],
        *columns: ProgressColumn,
        console: Console,
        **options: Any,
    ) -> None:
        # first: the constructor below draws already
        self._below, self._all, self._on = below, columns, console
        super().__init__(
            *columns,
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            **options,
        )

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        self.columns = self._all if self._on.width >= _NARROW else self._all[:3]
        return super().make_tasks_table(tasks)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        for text in self._below():
            yield Text(text, overflow="ellipsis", no_wrap=True)


class Drawn:
    """Bars that keep the last lines of a terminal as long as their context lasts.

    Args:
        below: says what stands below them.
        columns: of each bar.
        options: of Rich's ``Progress``.
    """

    def __init__(
        self, below: Callable[[], Iterable[str]], *columns: ProgressColumn, **options: Any
    ) -> None:
        self._progress = _Bars(below, *columns, **options)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Clear what was drawn."""
        self._progress.stop()

    def print(self, text: str) -> None:
        """Write a line above the bars."""
        self._progress.console.print(Text.from_ansi(text), soft_wrap=True)


class Bars(Drawn):
    """Draws while a run is executed.

    Args:
        journal: tells what a batch holds.
        budget: what the vendor allows, where that is known.
    """

    def __init__(self, journal: Journal, budget: Budget | None) -> None:
        self._journal = journal
        self._tally = Tally(budget=budget)
        super().__init__(
            self._tally.remarks,
            words("{task.description}"),
            BarColumn(bar_width=None),
            DownloadColumn(table_column=ONE_LINE),
            RateColumn(table_column=ONE_LINE),
            _LeftColumn(table_column=ONE_LINE),
            console=Console(stderr=True),
            refresh_per_second=8,
            expand=True,
        )
        self._run: TaskID | None = None
        self._bars: dict[str, TaskID | None] = {}  # None: too small for a bar, or gone
        self._moved: dict[str, Meter] = {}
        self._looking: set[asyncio.Task[None]] = set()

    def __exit__(self, *exc: object) -> None:
        """Look no more."""
        for task in self._looking:
            task.cancel()
        super().__exit__(*exc)

    def see(self, event: Event) -> None:
        """Take notice of one event."""
        if said := self._tally.see(event):
            self.print(said)
        match event:
            case RunStarted(run):
                if event.finished:
                    self._look_up(self._tally.look_back(self._journal, run))
            case BytesMoved(unit_id, count):
                self._move(unit_id, count)
            case Polled(unit_id):
                self._drop(unit_id)
            case DocumentFinished(_, record, _):
                self._drop(record.unit_id or "")
            case _:
                pass
        self._show()

    def look(self, standing: Standing) -> None:
        """Take notice of how far the run is."""
        self._tally.look(standing)
        self._show()

    def _show(self) -> None:
        """Bring the run's bar up to date, once it is known what the run holds."""
        tally = self._tally
        if self._run is None and tally.documents:
            self._run = self._add("documents", tally.size, tally.moved, lambda: tally.left)
        if self._run is not None:
            words = f"{tally.finished}/{tally.documents} documents"
            self._progress.update(
                self._run, description=words, total=tally.size, completed=tally.carried
            )

    def _add(
        self, name: str, size: int, meter: Meter, left: Callable[[], float | None], done: int = 0
    ) -> TaskID:
        return self._progress.add_task(name, total=size, completed=done, meter=meter, left=left)

    def _move(self, unit_id: str, count: int) -> None:
        self._moved.setdefault(unit_id, Meter()).add(count)
        if unit_id not in self._bars:
            self._bars[unit_id] = None
            self._look_up(self._draw(unit_id))
        bar = self._bars[unit_id]
        if bar is not None:
            self._progress.advance(bar, count)

    def _drop(self, unit_id: str) -> None:
        self._moved.pop(unit_id, None)
        bar = self._bars.pop(unit_id, None)
        if bar is not None:
            self._progress.remove_task(bar)

    # ------------------------------------------------------------------ what events do not tell

    def _look_up(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        task = asyncio.create_task(work)
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _draw(self, unit_id: str) -> None:
        """Draw a bar for a batch, if it is big."""
        taken = await self._journal.facts(unit_id)
        size = sum(record.document.size for record in taken.documents)
        there = _there(taken)
        self._tally.before += there
        meter = self._moved.get(unit_id)
        if size <= BIG or meter is None:
            return

        def left() -> float | None:
            todo = size - there - meter.total
            return todo / meter.rate if meter.rate and todo > 0 else None

        done = min(there + meter.total, size)
        self._bars[unit_id] = self._add(_name(taken), size, meter, left, done)


def _there(taken: Taken) -> int:
    """Count the bytes that have their receipt in the journal."""
    unit = Unit.load(taken, alive_at=0.0)
    if unit.session is None:
        return 0
    return sum(t.size for t in unit.session.transfers if t.id not in unit.missing)


def _name(taken: Taken) -> str:
    first, *others = (record.document.name for record in taken.documents)
    name = printable(f"{first} and {len(others)} more" if others else first)
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"
