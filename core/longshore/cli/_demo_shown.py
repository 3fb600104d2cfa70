"""What ``demo`` tells at the end: a table, what was refused, and what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from longshore.cli._lines import columns
from longshore.units import format_bytes

__all__ = ["Row", "next_steps", "refusals", "table"]


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

    @property
    def amiss(self) -> str:
        """How many documents neither succeeded nor were refused, and what became of them."""
        good = ("succeeded", "refused")
        states = sorted(self.states.items())
        return ", ".join(f"{count} {state}" for state, count in states if state not in good)

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
        return (
            self.title,
            f"{self.states['succeeded']} of {self.documents}",
            str(self.parts),
            str(self.run["requests"]),
            str(self.run["retries"]),
            format_bytes(self.run["bytes_sent"]),
            f"{self.run['seconds']:.1f}",
        )


_HEAD = ("provider", "succeeded", "parts", "requests", "retries", "bytes", "seconds")


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Write the rows as a table, and what all of them come to."""
    yield ""
    yield from columns([_HEAD, *(row.cells() for row in rows)])
    yield from (f"{row.provider}: {row.amiss}" for row in rows if row.amiss)
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
            yield from wrap(reason, 76, initial_indent="    ", subsequent_indent="      ")


def next_steps(rows: Sequence[Row]) -> Iterator[str]:
    """Say what to type next."""
    name = rows[0].provider
    steps = {
        "longshore sandbox": "the same sandboxes, for another shell",
        f"longshore providers show {name}": "what a vendor takes, and what to set",
        f"longshore upload FILE... --to {name}": "your own documents",
    }
    width = max(map(len, steps))
    yield ""
    yield "Next:"
    for step, what in steps.items():
        yield f"  {step.ljust(width)}  {what}"
