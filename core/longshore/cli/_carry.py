"""Executing a run while somebody watches: lines on stdout, progress on stderr."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from longshore.cli._lines import kept_settings, next_steps, tell_document, tell_run
from longshore.cli._terminal import Terminal
from longshore.cli._text import printable
from longshore.errors import IncompatibleState, LongshoreError, RunInUse

if TYPE_CHECKING:
    from longshore.cli._interrupt import Interrupt
    from longshore.cli._offers import Ended
    from longshore.journal import Journal, RunRecord
    from longshore.pipeline import DocumentFinished, Event, Listener, RunReport, Told
    from longshore.targets import Target

__all__ = ["carry", "not_told"]


async def carry(
    terminal: Terminal,
    journal: Journal,
    target: Target,
    run: RunRecord,
    interrupt: Interrupt,
    *,
    given: Mapping[str, str],
    also: Listener | None = None,
    again: str = "",
) -> RunReport:
    """Execute a run as far as it goes; a line per document, then that of the run.

    Args:
        terminal: to speak.
        journal: of the run.
        target: of the run.
        run: with the options that hold now.
        interrupt: what signals do.
        given: by ``--set``, for this command.
        also: is told what happens, too.
        again: what to type to go on with the run, if it is not `resume`.

    Raises:
        LongshoreError: it could not be executed at all.
    """
    from longshore.cli._offers import Ended
    from longshore.cli.progress import open_display
    from longshore.pipeline import Told, capabilities_of

    ended, told = Ended(), Told()
    interrupt.sending = True
    began = time.monotonic()
    with open_display(terminal, journal, capabilities_of(target.provider)) as display:

        def listen(event: Event) -> None:
            display.see(event)
            if also is not None:
                also(event)
            try:
                _tell(terminal, event, ended, told)
            except BrokenPipeError:
                interrupt.deaf()

        report = await _executed(journal, target, run, interrupt, listen)
    report.seconds = time.monotonic() - began
    if interrupt.at_once:
        async for event in not_told(journal, run, told):
            listen(event)
    offers = [] if report.trouble else await ended.commands(terminal, journal, run)
    kept: Iterable[str] = ()
    if report.trouble is not None:
        how = again or terminal.typed(f"longshore resume {run.id}")
        kept = kept_settings(terminal, target.name, target.settings_public, given, how)
    _finish(terminal, report, offers, again, kept)
    interrupt.told()
    return report


async def _executed(
    journal: Journal, target: Target, run: RunRecord, interrupt: Interrupt, listen: Listener
) -> RunReport:
    """Execute a run; what ends it before its time is in the report, for it can be resumed."""
    from longshore.pipeline import Environment, execute, summary

    try:
        report = await interrupt.until_cut_off(
            execute(journal, target, run, Environment(), listener=listen, stop=interrupt.stop)
        )
        if report is None:
            report = await summary(journal, run)
            report.interrupted = True
    except (RunInUse, IncompatibleState):
        raise
    except LongshoreError as error:
        report = await summary(journal, run)
        report.trouble = error
    return report


def _tell(terminal: Terminal, event: Event, ended: Ended, told: Told) -> None:
    from longshore.pipeline import DocumentFinished, Notice, Retried

    if isinstance(event, DocumentFinished):
        told.add(event.record)
        ended.see(event.record, event.unit)
        tell_document(terminal, event.run, event.record, event.unit)
    elif isinstance(event, Notice):
        terminal.event(printable(f"longshore: {event.text}"))
    elif isinstance(event, Retried) and terminal.verbose:
        terminal.event(printable(f"longshore: again in {event.seconds:.1f} s: {event.why}"))


def _finish(
    terminal: Terminal,
    report: RunReport,
    offers: Sequence[str],
    again: str,
    kept: Iterable[str],
) -> None:
    """Print the run's line, what went wrong with the account, and what to type next."""
    from longshore.pipeline import run_line

    line = run_line(report)
    try:
        tell_run(terminal, line)
    except BrokenPipeError:
        terminal.deaf()
    if report.trouble is not None:
        terminal.fail(report.trouble)
    if report.interrupted or report.trouble is not None:
        terminal.last(again or terminal.typed(f"longshore resume {report.run.id}"))
        for text in kept:  # below it: whoever changed a setting since wants this one
            terminal.last(text)
        return
    if line["documents"] and line["refused"] == line["documents"]:
        terminal.note("longshore: nothing could go")
    for step in next_steps(terminal, line, offers, again=again):
        terminal.note(step)


async def not_told(journal: Journal, run: RunRecord, told: Told) -> AsyncIterator[DocumentFinished]:
    """Yield the documents of a run that nobody told of, as the journal knows them.

    They are left to tell when a second signal ends a command.
    """
    from longshore.journal import with_units
    from longshore.pipeline import DocumentFinished

    async for record, unit in with_units(journal, run.id, lambda one: one not in told):
        yield DocumentFinished(run, record, unit)
