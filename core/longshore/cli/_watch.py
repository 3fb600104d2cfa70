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
    from longshore.lifecycle import Outcome

__all__ = ["watch"]

PAUSE = 1.0
"""Seconds between two looks into the journal."""

LONGEST_PAUSE = 10.0
"""Where a look at a large run takes seconds itself."""

SILENT = 15.0
"""Seconds without a sign of life after which nobody executes the run; it gives one each 5 s.

By its own clock: where that seems to be wrong or long ago, half of this tells whether one comes.
"""


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
        look = _Look(terminal, journal)
        recent = abs(time.time() - run.alive_at) < SILENT
        silent_at = time.monotonic() + (SILENT if recent else SILENT / 2)
        while True:
            began = time.monotonic()
            over = run.finished_at is not None
            alive = began < silent_at
            await look.tell(run, everything=over or not alive)
            if over or not alive:
                break
            took = time.monotonic() - began
            await asyncio.sleep(min(max(PAUSE, 9 * took), LONGEST_PAUSE))
            heard, run = run.alive_at, await journal.run(run.id)
            if run.alive_at != heard:
                silent_at = time.monotonic() + SILENT
        report = await report_of(journal, run)
        line = run_line(report)
        terminal.line(line)
        terminal.say(run_text(line))
        if not over:
            again = terminal.typed(f"longshore resume {run.id}")
            terminal.note(f"longshore: nobody executes the run now: {again}")
    return report.exit_code


class _Look:
    """Prints documents once each; reads as little as it can of what it has printed before."""

    def __init__(self, terminal: Terminal, journal: Journal) -> None:
        self._terminal = terminal
        self._journal = journal
        self._counts: dict[Outcome, int] = {}
        self._told_to = -1  # all documents up to here were printed,
        self._told: set[int] = set()  # and these behind it

    async def tell(self, run: RunRecord, *, everything: bool) -> None:
        """Print the documents that have an outcome now and had none before, or all the others."""
        from longshore.journal import beside_units
        from longshore.lifecycle import Outcome

        counts = await self._journal.outcomes(run.id)
        if counts == self._counts and not everything:
            return
        self._counts = counts
        after, gap = self._told_to, False
        while page := await self._journal.documents(run.id, after=after):
            after = page[-1][0]
            new = {
                place: record
                for place, record in page
                if place not in self._told and (everything or record.outcome is not Outcome.RUNNING)
            }
            for record, unit in await beside_units(self._journal, new.values()):
                tell_document(self._terminal, run, record, unit)
            self._told |= new.keys()
            for place, _ in page:
                if not gap and place in self._told:
                    self._told_to = place
                    self._told.discard(place)
                else:
                    gap = True
