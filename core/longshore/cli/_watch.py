"""``watch``: follow a run that another process executes; only reads."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from longshore.cli._command import command
from longshore.cli._lines import run_text, tell_document
from longshore.cli._parameters import SomeRun
from longshore.cli._terminal import Terminal

if TYPE_CHECKING:
    from longshore.journal import Journal, RunRecord

__all__ = ["watch"]

PAUSE = 1.0
"""Seconds between two looks into the journal."""

SILENT = 15.0
"""Seconds without a sign of life after which nobody executes the run; it gives one each 5 s."""


@command("longshore watch", "longshore watch 4f1c2a9b --json")
def watch(terminal: Terminal, run: SomeRun = None) -> int:
    """Follow a run that another process executes, by default the newest.

    Only reads the journal. Ends with the run, or when nobody executes it.
    """
    from longshore.cli._interrupt import run_async

    return run_async(_watch(terminal, run))


async def _watch(terminal: Terminal, run_id: str | None) -> int:
    from longshore.cli._status import report_of
    from longshore.errors import RunNotFound
    from longshore.journal import open_journal
    from longshore.pipeline import run_line

    async with open_journal(terminal.journal) as journal:
        if run_id is None:
            runs = await journal.runs()
            if not runs:
                raise RunNotFound("the journal holds no runs")
            run_id = runs[-1].id
        run = await journal.run(run_id)
        told: set[int] = set()
        while True:
            over = run.finished_at is not None
            alive = time.time() - run.alive_at < SILENT
            await _tell(terminal, journal, run, told, everything=over or not alive)
            if over or not alive:
                break
            await asyncio.sleep(PAUSE)
            run = await journal.run(run.id)
        report = await report_of(journal, run)
        line = run_line(report)
        terminal.line(line)
        terminal.say(run_text(line))
        if not over:
            again = terminal.typed(f"longshore resume {run.id}")
            terminal.note(f"longshore: nobody executes the run now: {again}")
    return report.exit_code


async def _tell(
    terminal: Terminal, journal: Journal, run: RunRecord, told: set[int], *, everything: bool
) -> None:
    """Print the documents that have an outcome now and had none before; at the end all others."""
    from longshore.journal import documents_of
    from longshore.lifecycle import Outcome

    async for record in documents_of(journal, run.id):
        if record.place in told or (record.outcome is Outcome.RUNNING and not everything):
            continue
        told.add(record.place)
        unit = await journal.unit(record.unit_id) if record.unit_id else None
        tell_document(terminal, run, record, unit)
