"""Progress on stderr: bars on a terminal, a line every 30 s otherwise, nothing with --quiet."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from longshore.cli._terminal import Terminal, printable, structured

if TYPE_CHECKING:
    from longshore.journal import Journal, RunRecord
    from longshore.pipeline import Event

__all__ = ["Display", "Tally", "open_display"]

PAUSE = 30.0
"""Seconds between two lines where stderr is no terminal."""


class Display(Protocol):
    """Takes notice of what happens in a run."""

    def see(self, event: Event) -> None:
        """Take notice of one event."""
        ...


@dataclass
class Tally:
    """How far a run is, as far as its events tell.

    Attributes:
        documents: in the run.
        finished: that have an outcome, also from earlier commands.
        size: bytes to carry.
        moved: bytes that left in this command; what is sent again counts again.
        before: bytes of documents that were finished before this command.
        jobs: batch -> the vendor's last word, for jobs that are polled.
    """

    documents: int = 0
    finished: int = 0
    size: int = 0
    moved: int = 0
    before: int = 0
    jobs: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def see(self, event: Event) -> None:
        """Count one event."""
        from longshore.pipeline import BytesMoved, DocumentFinished, Polled, RunStarted

        match event:
            case RunStarted(_, documents, size, finished):
                self.documents, self.size, self.finished = documents, size, finished
            case BytesMoved(_, count):
                self.moved += count
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

    async def look_back(self, journal: Journal, run: RunRecord) -> None:
        """Count the bytes of what earlier commands finished."""
        from longshore.journal import documents_of

        async for record in documents_of(journal, run.id):
            if record.outcome.terminal and record.unit_id:
                self.before += record.document.size

    @property
    def carried(self) -> int:
        """Bytes that are there, as far as known."""
        return min(self.before + self.moved, self.size)

    @property
    def rate(self) -> float:
        """Bytes a second in this command."""
        return self.moved / max(time.monotonic() - self.began, 0.001)

    def text(self) -> str:
        """Say in one line how far the run is."""
        from longshore.units import format_bytes, format_seconds

        words = [
            f"{self.finished} of {self.documents} documents",
            f"{format_bytes(self.carried)} of {format_bytes(self.size)}",
        ]
        if self.moved and self.carried < self.size:
            left = (self.size - self.carried) / self.rate
            words += [f"{format_bytes(self.rate)}/s", f"about {format_seconds(left)} left"]
        if self.jobs:
            words.append(f"jobs: {self.polled()}")
        return ", ".join(words)

    def polled(self) -> str:
        """Say what the jobs do that are being polled: ``3 processing, 1 queued``."""
        counted = Counter(self.jobs.values()).most_common()
        return ", ".join(f"{count} {printable(word)}" for word, count in counted)


class _Silent:
    """Shows nothing."""

    def see(self, event: Event) -> None:
        """Take no notice."""


class _Lines:
    """Says now and then how far the run is."""

    def __init__(self, terminal: Terminal, journal: Journal) -> None:
        self._terminal = terminal
        self._journal = journal
        self._tally = Tally()
        self._looking: asyncio.Task[None] | None = None

    def see(self, event: Event) -> None:
        """Take notice of one event."""
        from longshore.pipeline import RunStarted

        self._tally.see(event)
        if isinstance(event, RunStarted) and event.finished:
            self._looking = asyncio.create_task(self._tally.look_back(self._journal, event.run))

    def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()

    async def speak(self) -> None:
        """Print a line every 30 s."""
        while True:
            await asyncio.sleep(PAUSE)
            self._terminal.note(f"longshore: {self._tally.text()}")


def _can_draw() -> bool:
    """Tell whether stderr is a terminal that can move its cursor, and has columns."""
    if not sys.stderr.isatty():
        return False
    from rich.console import Console

    console = Console(stderr=True)
    return console.is_terminal and not console.is_dumb_terminal and console.width > 0


@contextmanager
def open_display(terminal: Terminal, journal: Journal) -> Iterator[Display]:
    """Show how a run goes on, in the way that fits where stderr goes."""
    if terminal.quiet:
        yield _Silent()
    elif _can_draw() and not structured():
        from longshore.cli._bars import Bars

        with Bars(journal) as bars:
            terminal.display = bars
            try:
                yield bars
            finally:
                terminal.display = None
    else:
        lines = _Lines(terminal, journal)
        speaking = asyncio.create_task(lines.speak())
        try:
            yield lines
        finally:
            speaking.cancel()
            lines.close()
