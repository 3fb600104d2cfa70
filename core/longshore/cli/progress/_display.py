"""Progress on stderr: bars on a terminal, a line every 30 s otherwise, nothing with --quiet.

``open_display`` shows one run, ``open_displays`` what several targets do at the same time.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from longshore.cli._terminal import Above, Terminal
from longshore.cli._text import structured
from longshore.cli.progress._budget import Budget
from longshore.cli.progress._tally import Standing, Tally

if TYPE_CHECKING:
    from longshore.capabilities import Capabilities
    from longshore.journal import Journal
    from longshore.pipeline import Event

__all__ = ["SILENT", "Display", "Displays", "open_display", "open_displays"]

PAUSE = 30.0
"""Seconds between two lines where stderr is no terminal."""


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
        from longshore.cli.progress._bars import Bars

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
        from longshore.cli.progress._target_bars import TargetBars

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
