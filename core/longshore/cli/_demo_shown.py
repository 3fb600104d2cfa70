"""What ``demo`` shows: bars on a terminal while it works, and a table at the end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from longshore.cli._terminal import Terminal
from longshore.units import format_bytes

if TYPE_CHECKING:
    from longshore.pipeline import Event

__all__ = ["Bars", "Progress", "Row", "next_steps", "refusals", "table"]


@dataclass(slots=True)
class Row:
    """What became of the documents at one vendor.

    Attributes:
        provider: its name.
        aliases: its other names.
        documents: how many were offered to it.
        parts: transfers that carried documents or pieces of them.
        states: how many documents ended how.
        refused: name and reason of each document that the vendor does not take.
        sent: the SHA-256 of each document that succeeded.
        arrived: how many of these the vendor holds, byte for byte.
        run: the run's own line.
    """

    provider: str = ""
    aliases: Sequence[str] = ()
    documents: int = 0
    parts: int = 0
    states: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    arrived: int = 0
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The provider's name with its aliases."""
        return f"{self.provider} ({', '.join(self.aliases)})" if self.aliases else self.provider

    def add(self, line: Mapping[str, Any]) -> None:
        """Count a document."""
        self.documents += 1
        self.parts += line["parts"]
        self.states[line["state"]] += 1
        if line["state"] == "refused" and line["error"]:
            self.refused.append((line["name"], line["error"]["message"]))
        if line["state"] == "succeeded":
            self.sent.append(line["sha256"])

    def end(self, line: Mapping[str, Any]) -> None:
        """Keep the totals of the run."""
        self.run = line

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the table's columns."""
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        return (
            self.title,
            str(self.documents),
            str(self.parts),
            str(self.run["requests"]),
            str(self.run["retries"]),
            format_bytes(self.run["bytes_sent"]),
            f"{self.run['seconds']:.1f}",
            states,
        )


_HEAD = ("provider", "documents", "parts", "requests", "retries", "bytes", "seconds", "states")
_LEFT = (0, len(_HEAD) - 1)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Write a table as plain text, as wide as it needs to be."""
    lines = [_HEAD, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    yield ""
    for line in lines:
        cells = [
            cell.ljust(width) if number in _LEFT else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    arrived, sent = sum(row.arrived for row in rows), sum(len(row.sent) for row in rows)
    yield ""
    yield f"{arrived} of {sent} documents are at the sandboxes with the SHA-256 of their source."


def refusals(rows: Sequence[Row]) -> Iterator[str]:
    """Say which documents a vendor does not take, and why: known before the first byte."""
    if any(row.refused for row in rows):
        yield ""
        yield "Not every vendor takes every document. Refused before the first byte:"
    for row in rows:
        reasons: dict[str, list[str]] = {}
        for name, reason in row.refused:
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            yield f"  {row.provider}: {', '.join(names)}"
            yield f"    {reason}"


def next_steps(rows: Sequence[Row]) -> Iterator[str]:
    """Say what to type next."""
    name = rows[0].provider
    steps = {
        "longshore sandbox": "the same sandboxes, to upload to from another shell",
        f"longshore providers show {name}": "what a vendor takes, and what to set",
        f"longshore upload FILE... --to {name}": "your own documents",
    }
    width = max(map(len, steps))
    yield ""
    yield "Next:"
    for step, what in steps.items():
        yield f"  {step.ljust(width)}  {what}"


class Progress:
    """Does nothing: nobody watches."""

    @classmethod
    @contextmanager
    def on(cls, terminal: Terminal, names: Sequence[str]) -> Iterator[Progress]:
        """Show bars if stderr is a terminal."""
        if terminal.quiet or not sys.stderr.isatty():
            yield cls()
            return
        from rich.console import Console

        with Bars(Console(stderr=True), names) as bars:
            terminal.display = bars
            try:
                yield bars
            finally:
                terminal.display = None

    def see(self, name: str, event: Event) -> None:
        """Take notice of what happens at one vendor."""


class Bars(Progress):
    """A bar for each vendor: bytes, and in words what happens."""

    def __init__(self, console: Any, names: Sequence[str]) -> None:
        from rich import progress

        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TextColumn("{task.fields[doing]}", markup=False),
            console=console,
            transient=True,
        )
        self._sizes: dict[str, int] = {}
        self._tasks = {name: self._bars.add_task(name, total=None, doing="") for name in names}

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bars.stop()

    def refresh(self) -> None:
        """Draw the bars now instead of at the next tenth of a second."""
        self._bars.refresh()

    def print(self, text: str) -> None:
        """Write a line above the bars."""
        self._bars.console.print(text, markup=False, highlight=False)

    def see(self, name: str, event: Event) -> None:
        """Move the vendor's bar."""
        from longshore.pipeline import (
            BytesMoved,
            DocumentFinished,
            Polled,
            Retried,
            RunStarted,
            TransferSent,
        )

        task = self._tasks[name]
        match event:
            case RunStarted(size=size):
                self._sizes[name] = size
                self._bars.update(task, total=size, doing="starting")
            case BytesMoved(count=count):
                self._bars.update(task, advance=count)
            case TransferSent(number=number, transfers=transfers) if transfers > 1:
                self._bars.update(task, doing=f"part {number} of {transfers}")
            case Retried(why=why, seconds=seconds):
                self._bars.update(task, doing=f"{why}, again in {seconds:.0f} s")
            case Polled(word=word):
                self._bars.update(task, doing=word)
            case DocumentFinished(record=record):
                if record.unit_id and record.outcome == "refused":  # it was going to go
                    self._sizes[name] -= record.document.size
                doing = f"{record.document.name}: {record.outcome}"
                self._bars.update(task, total=self._sizes[name], doing=doing)
            case _:
                pass
