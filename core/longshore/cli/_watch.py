"""``watch``: follow a run that another process executes; only reads."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from longshore.cli._command import command
from longshore.cli._journal import open_existing
from longshore.cli._lines import tell_document, tell_run
from longshore.cli._parameters import SomeRun
from longshore.cli._terminal import Terminal
from longshore.cli.progress import Display, Standing, open_display

if TYPE_CHECKING:
    from collections.abc import Mapping

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
async def watch(terminal: Terminal, run_id: SomeRun = None) -> int:
    """Follow a run that another process executes, by default the newest.

    Changes nothing. Ends with the run, or when nobody executes it.
    """
    from longshore.cli._status import report_of
    from longshore.errors import RunNotFound
    from longshore.pipeline import run_line

    async with open_existing(terminal) as journal:
        if run_id is None:
            runs = await journal.runs()
            if not runs:
                raise RunNotFound("the journal holds no runs")
            run_id = runs[-1].id
        run = await journal.run(run_id)
        with open_display(terminal, journal) as display:
            run = await _follow(_Look(terminal, journal, display), run, journal)
        report = await report_of(journal, run)
        tell_run(terminal, run_line(report))
        if run.finished_at is None:
            again = terminal.typed(f"longshore resume {run.id}")
            terminal.note(f"longshore: nobody executes the run now: {again}")
    return report.exit_code


async def _follow(look: _Look, run: RunRecord, journal: Journal) -> RunRecord:
    """Tell how a run goes on until it is over, or nobody executes it; return it as it is then."""
    recent = abs(time.time() - run.alive_at) < SILENT
    silent_at = time.monotonic() + (SILENT if recent else SILENT / 2)
    while True:
        began = time.monotonic()
        ends = run.finished_at is not None or began >= silent_at
        await look.tell(run, everything=ends)
        if ends:
            return run
        took = time.monotonic() - began
        await asyncio.sleep(min(max(PAUSE, 9 * took), LONGEST_PAUSE))
        heard, run = run.alive_at, await journal.run(run.id)
        if run.alive_at != heard:
            silent_at = time.monotonic() + SILENT


class _Look:
    """Prints documents once each; reads as little as it can of what it has printed before."""

    def __init__(self, terminal: Terminal, journal: Journal, display: Display) -> None:
        self._terminal = terminal
        self._journal = journal
        self._display = display
        self._size = 0
        self._counts: dict[Outcome, int] = {}
        self._told_to = -1  # all documents up to here were printed,
        self._told: set[int] = set()  # and these behind it

    async def tell(self, run: RunRecord, *, everything: bool) -> None:
        """Tell how far it is, and of documents that have an outcome now, or of all the others."""
        counts = await self._journal.outcomes(run.id)
        if not self._terminal.quiet:
            await self._show(run, counts)
        if counts != self._counts or everything:
            await self._print(run, counts, everything=everything)

    async def _show(self, run: RunRecord, counts: Mapping[Outcome, int]) -> None:
        """Show how far it is."""
        if not (self._size and run.planned):  # until then it grows
            self._size = await self._journal.size(run.id)
        finished = sum(count for outcome, count in counts.items() if outcome.terminal)
        sent = (await self._journal.cost(run.id)).bytes_sent
        self._display.look(Standing(sum(counts.values()), finished, self._size, sent))

    async def _print(self, run: RunRecord, counts: dict[Outcome, int], *, everything: bool) -> None:
        from longshore.journal import beside_units
        from longshore.lifecycle import Outcome

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
