"""``cancel``, ``forget`` and ``gc``: ending runs, and cleaning up after them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from longshore.cli._codes import INTERRUPTED, TROUBLE
from longshore.cli._command import command
from longshore.cli._journal import open_existing
from longshore.cli._lines import number, tell_document, tell_run
from longshore.cli._parameters import Run, Set, check_names, pairs
from longshore.cli._terminal import Terminal
from longshore.cli._text import printable
from longshore.errors import LongshoreError, RunInUse

if TYPE_CHECKING:
    from longshore.journal import Abandoned, Journal, RunRecord
    from longshore.pipeline import Event

__all__ = ["cancel", "forget", "gc"]


@command("longshore cancel 4f1c2a9b")
async def cancel(terminal: Terminal, run_id: Run, set: Set = None) -> int:
    """Cancel what is not over in a run, at the vendor too where it offers that.

    Where another process executes the run, that one is asked to do it.
    """
    from longshore.cli._interrupt import Interrupt
    from longshore.cli._resume import target_of
    from longshore.journal import units_of
    from longshore.pipeline import Environment, Notice
    from longshore.pipeline import cancel as do

    given = pairs(set)

    def listen(event: Event) -> None:
        if isinstance(event, Notice):
            terminal.last(printable(f"longshore: {event.text}"))

    async with open_existing(terminal) as journal:
        run = await journal.run(run_id)
        check_names(given, [run.target])
        target = target_of(terminal, run, given)
        batches = [unit.id async for unit in units_of(journal, run.id) if not unit.outcome.terminal]
        with Interrupt(terminal) as interrupt:
            interrupt.sending = True
            environment, stop = Environment(), interrupt.stop
            ending = do(journal, target, run, environment, listener=listen, stop=stop)
            done = await interrupt.until_cut_off(ending)
            stopped = interrupt.stop.is_set()
            if done is not None and done.by == "nobody":
                _tell_asked(terminal, run)
                return INTERRUPTED if stopped else 0
            left = await _tell_batches(terminal, journal, run, batches)
            if done is None or (stopped and left):
                terminal.last(terminal.typed(f"longshore cancel {run.id}"))
                interrupt.told()
                return INTERRUPTED
    if done.trouble is not None:
        terminal.fail(done.trouble, run.id)
        return TROUBLE
    if not batches:
        terminal.note(f"longshore: run {run.id} was over: nothing is cancelled")
    if left and done.by == "executor":
        some = number(left, "batches")
        terminal.note(f"longshore: not cancelled: {some}; the process that has the run says why")
    return 1 if left else 0


async def _tell_batches(
    terminal: Terminal, journal: Journal, run: RunRecord, batches: Sequence[str]
) -> int:
    """Tell of the documents of some batches and of their run; returns how many are not over."""
    from longshore.cli._status import report_of
    from longshore.pipeline import run_line

    left = 0
    for unit_id in batches:
        taken = await journal.facts(unit_id)
        left += not taken.unit.outcome.terminal
        for record in taken.documents:
            tell_document(terminal, run, record, taken.unit)
    tell_run(terminal, run_line(await report_of(journal, await journal.run(run.id))))
    return left


def _tell_asked(terminal: Terminal, run: RunRecord) -> None:
    """Say that the process which executes the run has not cancelled it yet."""
    resume = terminal.typed(f"longshore resume {run.id}")
    terminal.note(
        f"longshore: asked the process that has run {run.id} to cancel it, which it has "
        f"not done yet; if that ends before, {resume} does"
    )


@command("longshore forget 4f1c2a9b")
async def forget(terminal: Terminal, run_id: Run) -> int:
    """Delete a run from the journal; nothing changes at the vendor.

    Which vendor jobs were ours stays known, so that no later upload takes one for its own. What it
    carried is forgotten: --skip-existing and migrate would send it again.
    """
    async with open_existing(terminal) as journal:
        run = await journal.run(run_id)
        async with journal.lock_run(run.id):
            abandoned = len(await journal.abandoned(run.id))
            outcomes = await journal.outcomes(run.id)
            await journal.forget_run(run.id)
    count = sum(outcomes.values())
    still = sum(count for outcome, count in outcomes.items() if not outcome.terminal)
    terminal.line({"event": "forgotten", "run_id": run.id, "documents": count, "open": still})
    terminal.say(
        f"run {run.id} is forgotten: {number(count, 'documents')}, {still} of them not over"
    )
    if abandoned:
        many = number(abandoned, "abandoned sessions")
        terminal.note(f"longshore: not ended at the vendor: {many}")
    return 0


@command("longshore gc")
async def gc(terminal: Terminal, set: Set = None) -> int:
    """Give abandoned sessions back to the vendors: uploads begun that nobody will finish."""
    given = pairs(set)
    queue: defaultdict[str, list[Abandoned]] = defaultdict(list)
    given_back, code = 0, 0
    async with open_existing(terminal) as journal:
        for entry in await journal.abandoned():
            queue[entry.run_id].append(entry)
        runs = [await journal.run(run_id) for run_id in queue]
        if runs:
            check_names(given, list(dict.fromkeys(run.target for run in runs)))
        for run in runs:
            try:
                given_back += await _give_back(terminal, journal, run, queue[run.id], given)
            except RunInUse as error:
                terminal.note(printable(f"longshore: {error.message}; left to it"))
            except LongshoreError as error:
                terminal.fail(error, run.id)
                code = TROUBLE
        left = len(await journal.abandoned())
    terminal.line({"event": "gc", "given_back": given_back, "left": left})
    terminal.say(f"{number(given_back, 'abandoned sessions')} given back, {left} left")
    return code


async def _give_back(
    terminal: Terminal,
    journal: Journal,
    run: RunRecord,
    entries: list[Abandoned],
    given: dict[str, str],
) -> int:
    from longshore.cli._resume import target_of
    from longshore.pipeline import Environment, give_back, hold_run

    target = target_of(terminal, run, given)
    async with hold_run(journal, target, run, Environment()) as engine:
        return sum([await give_back(engine, entry) for entry in entries])
