"""Progress bars on a terminal for several targets at once: one for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn

from longshore.cli._text import printable
from longshore.cli.progress._bars import ONE_LINE, Drawn, RateColumn, words
from longshore.cli.progress._meter import Meter
from longshore.cli.progress._tally import never_sent
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


class TargetBars(Drawn):
    """A bar for each target: bytes, and in words what happens.

    Args:
        targets: their names.
        below: says what stands below the bars.
        console: where it draws; by default stderr.
    """

    def __init__(
        self,
        targets: Sequence[str],
        below: Callable[[], Iterable[str]] = tuple,
        console: Console | None = None,
    ) -> None:
        super().__init__(
            below,
            words("{task.description}"),
            BarColumn(),
            DownloadColumn(table_column=ONE_LINE),
            RateColumn(table_column=ONE_LINE),
            words("{task.fields[doing]}"),
            console=console or Console(stderr=True),
        )
        self._sizes: Counter[str] = Counter()
        self._moved = {name: Meter() for name in targets}
        self._bars = {
            name: self._progress.add_task(name, total=None, doing="", meter=meter)
            for name, meter in self._moved.items()
        }

    def see(self, target: str, event: Event) -> None:
        """Move the bar of a target."""
        bar = self._bars[target]
        match event:
            case RunStarted(size=size):
                self._sizes[target] = size
                self._progress.update(bar, total=size, doing="starting")
            case BytesMoved(count=count):
                self._moved[target].add(count)
                self._progress.update(bar, advance=count)
            case TransferSent(number=number, transfers=transfers) if transfers > 1:
                self._progress.update(bar, doing=f"part {number} of {transfers}")
            case Retried(why=why, seconds=seconds):
                self._progress.update(bar, doing=f"{why}, again in {seconds:.0f} s")
            case Polled(word=word):
                self._progress.update(bar, doing=printable(word))
            case DocumentFinished(record=record):
                self._sizes[target] -= never_sent(event)
                doing = printable(f"{record.document.name}: {record.outcome}")
                self._progress.update(bar, total=self._sizes[target], doing=doing)
            case _:
                pass
