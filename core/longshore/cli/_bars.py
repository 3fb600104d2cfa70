"""Progress bars on a terminal: one for the run, one for each big batch on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from longshore.cli._progress import Tally
from longshore.cli._terminal import printable
from longshore.journal import Journal, Taken
from longshore.pipeline import BytesMoved, DocumentFinished, Event, Polled, RunStarted, Unit

__all__ = ["Bars"]

BIG = 8 * 2**20
"""Bytes from which on a batch gets a bar of its own."""

_NAME = 40


class _Progress(Progress):
    """The bars, and below them what the jobs do that are polled, and what is waited for."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally  # first: the constructor below draws already
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            refresh_per_second=8,
            expand=True,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.tally.jobs:
            yield Text(f"jobs: {self.tally.polled()}", overflow="ellipsis", no_wrap=True)
        if waits := self.tally.waits.text():
            yield Text(waits, overflow="ellipsis", no_wrap=True)


class Bars:
    """Draws while a run is executed; a context manager.

    Args:
        journal: tells what a batch holds.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._tally = Tally()
        self._progress = _Progress(self._tally)
        self._run: TaskID | None = None
        self._bars: dict[str, TaskID | None] = {}  # None: too small for a bar, or gone
        self._moved: dict[str, int] = {}
        self._looking: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Bars:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Clear what was drawn."""
        for task in self._looking:
            task.cancel()
        self._progress.stop()

    def print(self, text: str) -> None:
        """Write a line above the bars."""
        self._progress.console.print(Text.from_ansi(text), soft_wrap=True)

    def see(self, event: Event) -> None:
        """Take notice of one event."""
        if said := self._tally.see(event):
            self.print(said)
        match event:
            case RunStarted(run):
                self._run = self._progress.add_task("documents", total=self._tally.size)
                if event.finished:
                    self._look(self._tally.look_back(self._journal, run))
            case BytesMoved(unit_id, count):
                self._move(unit_id, count)
            case Polled(unit_id):
                self._drop(unit_id)
            case DocumentFinished(_, record, _):
                self._drop(record.unit_id or "")
            case _:
                pass
        if self._run is not None:
            words = f"{self._tally.finished}/{self._tally.documents} documents"
            self._progress.update(self._run, description=words, completed=self._tally.carried)

    def _move(self, unit_id: str, count: int) -> None:
        self._moved[unit_id] = self._moved.get(unit_id, 0) + count
        if unit_id not in self._bars:
            self._bars[unit_id] = None
            self._look(self._draw(unit_id))
        bar = self._bars[unit_id]
        if bar is not None:
            self._progress.advance(bar, count)

    def _drop(self, unit_id: str) -> None:
        self._moved.pop(unit_id, None)
        bar = self._bars.pop(unit_id, None)
        if bar is not None:
            self._progress.remove_task(bar)

    # ------------------------------------------------------------------ what events do not tell

    def _look(self, work: object) -> None:
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
        if size > BIG and unit_id in self._moved:
            done = min(there + self._moved[unit_id], size)
            self._bars[unit_id] = self._progress.add_task(_name(taken), total=size, completed=done)


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
