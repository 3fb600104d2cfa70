"""Progress bars on a terminal for several targets at once: one for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.text import Text

from longshore.cli._terminal import printable
from longshore.pipeline import (
    BytesMoved,
    DocumentFinished,
    Event,
    Polled,
    Retried,
    RunStarted,
    TransferSent,
)

__all__ = ["TargetBars"]


class TargetBars:
    """A bar for each target: bytes, and in words what happens; a context manager.

    Args:
        targets: their names.
        console: where it draws; by default stderr.
    """

    def __init__(self, targets: Sequence[str], console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("{task.fields[doing]}", markup=False),
            console=console or Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._sizes: Counter[str] = Counter()
        self._bars = {name: self._progress.add_task(name, total=None, doing="") for name in targets}

    def __enter__(self) -> TargetBars:
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
        self._progress.stop()

    def refresh(self) -> None:
        """Draw the bars now instead of at the next tenth of a second."""
        self._progress.refresh()

    def print(self, text: str) -> None:
        """Write a line above the bars."""
        self._progress.console.print(Text.from_ansi(text), soft_wrap=True)

    def see(self, target: str, event: Event) -> None:
        """Move the bar of a target."""
        bar = self._bars[target]
        match event:
            case RunStarted(size=size):
                self._sizes[target] = size
                self._progress.update(bar, total=size, doing="starting")
            case BytesMoved(count=count):
                self._progress.update(bar, advance=count)
            case TransferSent(number=number, transfers=transfers) if transfers > 1:
                self._progress.update(bar, doing=f"part {number} of {transfers}")
            case Retried(why=why, seconds=seconds):
                self._progress.update(bar, doing=f"{why}, again in {seconds:.0f} s")
            case Polled(word=word):
                self._progress.update(bar, doing=printable(word))
            case DocumentFinished(record=record):
                if record.unit_id and record.outcome == "refused":  # it was going to go
                    self._sizes[target] -= record.document.size
                doing = printable(f"{record.document.name}: {record.outcome}")
                self._progress.update(bar, total=self._sizes[target], doing=doing)
            case _:
                pass
