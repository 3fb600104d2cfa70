"""What people read about documents and runs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore.cli._offers import LOOKED_AT
from longshore.cli._terminal import Terminal
from longshore.cli._text import colour, printable

if TYPE_CHECKING:
    from longshore.journal import DocumentRecord, RunRecord, UnitRecord

__all__ = [
    "STATES",
    "columns",
    "counts",
    "entries",
    "kept_settings",
    "next_steps",
    "number",
    "tell_document",
    "tell_kept",
    "tell_run",
    "when",
]

STATES = (
    "succeeded", "partial", "failed", "cancelled", "expired", "refused", "needs_action", "unknown",
    "running", "skipped",
)  # fmt: skip

_WIDEST = max(map(len, STATES))

_MOST_OFFERS = 3


def tell_document(
    terminal: Terminal, run: RunRecord, record: DocumentRecord, unit: UnitRecord | None
) -> None:
    """Print how it stands with a document."""
    from longshore.pipeline import document_line

    line = document_line(run, record, unit)
    if terminal.json:
        terminal.line(line)
    else:
        terminal.say(_document_text(line, terminal.hinted))


def _document_text(line: Mapping[str, Any], hinted: set[str]) -> str:
    """Describe a document: its state, its path, the vendor's job; why, if it is not good."""
    state = str(line["state"])
    parts = [colour(state, state.ljust(_WIDEST)), printable(str(line["path"]))]
    if line["vendor_job_id"]:
        parts.append(f"job {printable(str(line['vendor_job_id']))}")
    text = "  ".join(parts)
    error = line["error"]
    if error and state not in ("succeeded", "running"):
        text += f"\n{' ' * _WIDEST}  {printable(error['message'])}"
        if error["hint"] and error["hint"] not in hinted:
            hinted.add(error["hint"])  # once is enough
            text += f"\n{' ' * _WIDEST}  hint: {printable(error['hint'])}"
    return text


def counts(line: Mapping[str, Any]) -> str:
    """Return the counts that are not zero: ``3 succeeded, 1 failed``."""
    told = [f"{line[state]} {state.replace('_', ' ')}" for state in STATES if line[state]]
    return ", ".join(told) or "no documents"


_ONE = {
    "documents": "document", "batches": "batch", "parts": "part", "requests": "request",
    "retries": "retry", "abandoned sessions": "abandoned session",
}  # fmt: skip


def number(count: int, things: str) -> str:
    """Write how many there are: ``1 batch``, ``2 batches``."""
    return f"{count} {_ONE[things] if count == 1 else things}"


def columns(lines: Sequence[Sequence[str]], *, left: Container[int] = (0,)) -> Iterator[str]:
    """Write a table as plain text, as wide as it needs to be.

    Args:
        lines: its cells; the first line is its head.
        left: the columns of words; numbers stand at the right.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def tell_run(terminal: Terminal, line: Mapping[str, Any]) -> None:
    """Print how it stands with a run."""
    terminal.line(line)
    terminal.say(("shadow " if line["event"] == "shadow_run" else "") + _run_text(line))


def _run_text(line: Mapping[str, Any]) -> str:
    """Sum up a run in one line."""
    from longshore.units import format_bytes, format_seconds

    seconds = format_seconds(line["seconds"])
    sent = format_bytes(line["bytes_sent"])
    requests = number(line["requests"], "requests")
    if line["retries"]:
        requests += f" ({number(line['retries'], 'retries')})"
    return (
        f"run {line['run_id']} to {line['target']}: {counts(line)}; {sent} in {requests}, {seconds}"
    )


def next_steps(
    terminal: Terminal, line: Mapping[str, Any], offers: Sequence[str] = (), *, again: str = ""
) -> Iterable[str]:
    """Say what to type next, if anything is left to do.

    Args:
        terminal: knows the journal.
        line: of the run.
        offers: commands for what its ended jobs offer.
        again: the command that goes on with it in every case; "": `resume`, or `rerun`.
    """
    run = line["run_id"]
    ended = line["failed"] or line["cancelled"] or line["expired"]
    open_ = line["running"] or line["unknown"]
    actions = terminal.typed(f"longshore actions {run}")
    if line["needs_action"]:
        yield f"what can be done:  {actions}"
    if again and (ended or open_):
        yield f"go on with it:     {again}"
    elif ended:
        yield f"try those again:   {terminal.typed(f'longshore rerun {run} --failed')}"
    for offer in offers[:_MOST_OFFERS]:
        yield f"at the vendor:     {printable(offer)}"  # a job's id is the vendor's word
    if (more := len(offers) - _MOST_OFFERS) > 0:
        many = more if len(offers) < LOOKED_AT else "many"
        yield f"{f'and {many} more:':<17}  {actions}"
    if open_ and not again:
        yield f"look again:        {terminal.typed(f'longshore resume {run}')}"


def kept_settings(
    terminal: Terminal,
    target: str,
    settings: Mapping[str, Any],
    given: Mapping[str, str],
    again: str,
    *,
    of: str = "",
) -> Iterator[str]:
    """Say what a run in trouble keeps though it is set otherwise now, and what can be done.

    Args:
        terminal: knows the configuration.
        target: its name.
        settings: that it has, without secrets.
        given: by ``--set``, for this command.
        again: the command that goes on with the run.
        of: what ``--set`` needs before a setting's name.
    """
    from longshore.targets import CHANGEABLE, kept

    found = kept(target, settings, terminal.config)
    for name in sorted(found, key=CHANGEABLE.__contains__):  # last what is to be typed
        was, now = found[name]
        if name in given:
            continue
        words = f"longshore: the run keeps {name} = {was}, as it began; "
        if name in CHANGEABLE:
            words += f"to change that:  {again} --set {shlex.quote(f'{of}{name}={now}')}"
        else:
            words += f"{name} = {now} counts for a new one"
        yield printable(words)


def tell_kept(
    terminal: Terminal,
    target: str,
    settings: Mapping[str, Any],
    given: Mapping[str, str],
    again: str,
) -> None:
    """Say the same on stderr, where a command has several targets; see ``kept_settings``."""
    from longshore.targets import overrides_of

    own = overrides_of(target, given)
    for text in kept_settings(terminal, target, settings, own, again, of=f"{target}:"):
        terminal.last(text)


def entries(values: Mapping[str, Any], of: str = "") -> Iterator[tuple[str, str]]:
    """Write values as ``--set`` takes them, those of mappings entry by entry; not the empty ones.

    Args:
        values: JSON.
        of: stands before each name.
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from entries(value, f"{of}{name}.")
        elif value not in (None, "", []):
            yield f"{of}{name}", value if isinstance(value, str) else json.dumps(value)


def when(at: float) -> str:
    """Write a moment for people, in their own time zone."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
