"""Progress on stderr: bars on a terminal, a line every 30 s otherwise, nothing with --quiet.

``open_display`` shows one run, ``open_displays`` what several targets do at the same time.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from longshore.cli._budget import Budget
from longshore.cli._meter import Meter
from longshore.cli._terminal import Above, Terminal, printable, structured
from longshore.cli._waits import Waits

if TYPE_CHECKING:
    from longshore.capabilities import Capabilities
    from longshore.journal import Journal, RunRecord
    from longshore.pipeline import Event

__all__ = [
    "SILENT", "Display", "Displays", "Standing", "Tally", "open_display", "open_displays",
]  # fmt: skip

PAUSE = 30.0
"""Seconds between two lines where stderr is no terminal."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is that another process executes, as its journal tells.

    Attributes:
        documents: in the run.
        finished: that have an outcome.
        size: bytes to carry.
        carried: bytes that are there.
    """

    documents: int
    finished: int
    size: int
    carried: int


class Display(Protocol):
    """Takes notice of what happens in a run."""

    def see(self, event: Event, /) -> None:
        """Take notice of one event."""
        ...

    def look(self, standing: Standing, /) -> None:
        """Take notice of how far a run is where nobody tells events."""
        ...


class Displays(Protocol):
    """Takes notice of what happens at several targets."""

    def see(self, target: str, event: Event, /) -> None:
        """Take notice of one event."""
        ...


@dataclass
class Tally:
    """How far a run is, as far as its events tell.

    Attributes:
        documents: in the run.
        finished: that have an outcome, also from earlier commands.
        size: bytes to carry.
        moved: counts bytes that left in this command; what is sent again counts again.
        before: bytes of documents that were finished before this command.
        jobs: batch -> the vendor's last word, for jobs that are polled.
        waits: what batches wait for.
        budget: what the vendor allows, where that is known.
    """

    documents: int = 0
    finished: int = 0
    size: int = 0
    moved: Meter = field(default_factory=Meter)
    before: int = 0
    jobs: dict[str, str] = field(default_factory=dict)
    waits: Waits = field(default_factory=Waits)
    budget: Budget | None = None
    _unsent: int = 0

    def see(self, event: Event) -> str:
        """Count one event; returns what is to be said at once, if anything is."""
        from longshore.pipeline import (
            BytesMoved,
            DocumentFinished,
            JobAccepted,
            Polled,
            RunStarted,
            StepEnded,
        )

        match event:
            case RunStarted(_, documents, size, finished):
                self.documents, self.size, self.finished = documents, size, finished
                self._unsent = documents - finished
            case BytesMoved(_, count):
                self.moved.add(count)
            case StepEnded(verb=verb, requests=requests) if self.budget is not None:
                self.budget.add(requests, read=verb == "poll")
            case JobAccepted(documents=accepted):
                self._unsent -= len(accepted)
            case Polled(unit_id, _, outcome, word):
                if outcome.terminal:
                    self.jobs.pop(unit_id, None)
                else:
                    self.jobs[unit_id] = word
            case DocumentFinished(_, record, _):
                self.finished = min(self.finished + 1, self.documents)
                self.jobs.pop(record.unit_id or "", None)
            case _:
                pass
        return self.waits.see(event)

    def look(self, standing: Standing) -> None:
        """Take over how far a run is that another process executes."""
        if not self.documents:
            self.before = standing.carried
        self.documents, self.finished = standing.documents, standing.finished
        self.size = standing.size
        self.moved.add(max(standing.carried - self.before - self.moved.total, 0))

    async def look_back(self, journal: Journal, run: RunRecord) -> None:
        """Count the bytes of what earlier commands finished."""
        from longshore.journal import documents_of

        async for record in documents_of(journal, run.id):
            if record.outcome.terminal and record.unit_id:
                self.before += record.document.size

    @property
    def carried(self) -> int:
        """Bytes that are there, as far as known."""
        return min(self.before + self.moved.total, self.size)

    @property
    def left(self) -> float | None:
        """Seconds until all is sent; None while nobody can tell, or it is."""
        rate, budget = self.moved.rate, self.budget
        spent = budget is not None and budget.text()  # then nothing may have gone for a while
        if self.carried >= self.size or not (rate or spent):
            return None
        least = budget.least(max(self._unsent, 0)) if budget is not None else 0.0
        return max((self.size - self.carried) / rate if rate else 0.0, least) or None

    def text(self) -> str:
        """Say in one line how far the run is."""
        from longshore.units import format_bytes, format_seconds

        words = [
            f"{self.finished} of {self.documents} documents",
            f"{format_bytes(self.carried)} of {format_bytes(self.size)}",
        ]
        if self.carried < self.size and (rate := self.moved.rate):
            words.append(f"{format_bytes(rate)}/s")
        if left := self.left:
            words.append(f"about {format_seconds(left)} left")
        return ", ".join([*words, *self.remarks()])

    def remarks(self) -> list[str]:
        """Say what the jobs do that are being polled, and why it does not go faster."""
        counted = Counter(self.jobs.values()).most_common()
        polled = ", ".join(f"{count} {printable(word)}" for word, count in counted)
        budget = self.budget.text() if self.budget is not None else ""
        return [text for text in (polled and f"jobs: {polled}", budget, self.waits.text()) if text]


class _Silent:
    """Shows nothing."""

    def see(self, *what: object) -> None:
        """Take no notice."""

    def look(self, standing: Standing) -> None:
        """Take no notice."""


SILENT = _Silent()


class _Lines:
    """Knows how far a run is, for the line that is said now and then."""

    def __init__(self, terminal: Terminal, journal: Journal, budget: Budget | None) -> None:
        self._terminal = terminal
        self._journal = journal
        self.tally = Tally(budget=budget)
        self._looking: asyncio.Task[None] | None = None

    def see(self, event: Event) -> None:
        """Take notice of one event."""
        from longshore.pipeline import RunStarted

        if said := self.tally.see(event):
            self._terminal.event(said)
        if isinstance(event, RunStarted) and event.finished:
            self._looking = asyncio.create_task(self.tally.look_back(self._journal, event.run))

    def look(self, standing: Standing) -> None:
        """Take notice of how far the run is."""
        self.tally.look(standing)

    def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()


@contextmanager
def open_display(
    terminal: Terminal, journal: Journal, capabilities: Capabilities | None = None
) -> Iterator[Display]:
    """Show how a run goes on, in the way that fits where stderr goes.

    Args:
        terminal: to speak.
        journal: of the run.
        capabilities: tell how many requests the vendor allows, where that is known.
    """
    budget = Budget(capabilities) if capabilities is not None else None
    if terminal.quiet:
        yield SILENT
    elif _can_draw():
        from longshore.cli._bars import Bars

        with Bars(journal, budget) as bars, _above(terminal, bars):
            yield bars
    else:
        lines = _Lines(terminal, journal, budget)
        with _spoken(terminal, lines.tally.text):
            try:
                yield lines
            finally:
                lines.close()


@contextmanager
def open_displays(
    terminal: Terminal,
    targets: Sequence[str],
    text: Callable[[], str],
    below: Callable[[], Iterable[str]] = tuple,
) -> Iterator[Displays]:
    """Show how several targets go on, in the way that fits where stderr goes.

    Args:
        terminal: to speak.
        targets: their names.
        text: says in one line how far all of it is.
        below: says what stands below the bars.
    """
    if terminal.quiet:
        yield SILENT
    elif _can_draw():
        from longshore.cli._target_bars import TargetBars

        with TargetBars(targets, below) as bars, _above(terminal, bars):
            yield bars
    else:
        with _spoken(terminal, text):
            yield SILENT


def _can_draw() -> bool:
    """Tell whether stderr is a terminal that can move its cursor, and has columns.

    Not where each of its lines is to be an object of JSON.
    """
    if structured() or not sys.stderr.isatty():
        return False
    from rich.console import Console

    console = Console(stderr=True)
    return console.is_terminal and not console.is_dumb_terminal and console.width > 0


@contextmanager
def _above(terminal: Terminal, display: Above) -> Iterator[None]:
    """Have what a command says written above what is drawn."""
    terminal.display = display
    try:
        yield
    finally:
        terminal.display = None


@contextmanager
def _spoken(terminal: Terminal, text: Callable[[], str]) -> Iterator[None]:
    """Say now and then how far it is."""

    async def speak() -> None:
        while True:
            await asyncio.sleep(PAUSE)
            terminal.note(f"longshore: {text()}")

    speaking = asyncio.create_task(speak())
    try:
        yield
    finally:
        speaking.cancel()
