"""``resume`` and ``rerun``: go on with runs that were begun earlier."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from longshore.cli._command import TROUBLE, command
from longshore.cli._parameters import Run, Set, SomeRun, pairs
from longshore.cli._terminal import Terminal, printable
from longshore.errors import LongshoreError, RunInUse, UsageError

if TYPE_CHECKING:
    from longshore.cli._interrupt import Interrupt
    from longshore.journal import Journal, RunRecord
    from longshore.targets import Target

__all__ = ["rerun", "resume"]

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the jobs to their end.")]


@command("longshore resume", "longshore resume 4f1c2a9b --json")
def resume(terminal: Terminal, run: SomeRun = None, set: Set = None, wait: Wait = True) -> int:
    """Go on with a run, or with every unfinished one; only what is missing is sent.

    The settings are those that the run began with. Secrets come freshly; --set may change those,
    base_url and how to talk to the vendor (time-outs, pace, concurrency).
    """
    from longshore.cli._interrupt import run_async

    return run_async(_resume(terminal, run, pairs(set), wait=wait))


async def _resume(
    terminal: Terminal, run_id: str | None, given: dict[str, str], *, wait: bool
) -> int:
    from longshore.cli._carry import worst
    from longshore.cli._interrupt import Interrupt
    from longshore.journal import open_journal

    codes: list[int] = []
    async with open_journal(terminal.journal) as journal:
        with Interrupt(terminal) as interrupt:
            if run_id is not None:
                run = await journal.run(run_id)
                return await go_on(terminal, journal, run, given, interrupt, wait=wait)
            passages: set[object] = set()  # several runs of one upload go on together
            for run in await journal.runs():
                if run.finished_at is not None or interrupt.stop.is_set():
                    continue
                if (passage := run.notes.get("passage")) in passages:
                    continue
                if passage is not None:
                    passages.add(passage)
                try:
                    codes.append(await go_on(terminal, journal, run, given, interrupt, wait=wait))
                except RunInUse as error:
                    terminal.note(printable(f"longshore: {error.message}; left to it"))
                except LongshoreError as error:  # the others go on
                    terminal.fail(error, run.id)
                    codes.append(TROUBLE)
    if not codes:
        terminal.note("longshore: nothing to resume")
    return worst(codes)


async def go_on(
    terminal: Terminal,
    journal: Journal,
    run: RunRecord,
    given: dict[str, str],
    interrupt: Interrupt,
    *,
    wait: bool,
) -> int:
    """Execute a run of the journal with the settings it began with.

    Raises:
        LongshoreError: it cannot be executed.
    """
    from longshore.cli._carry import carry

    if run.notes.get("passage") is not None:
        from longshore.cli._route import go_on_by_route

        return await go_on_by_route(terminal, journal, run, given, interrupt, wait=wait)
    if not run.planned:
        raise UsageError(
            f"run {run.id} was interrupted before its plan was whole; nothing was sent",
            hint=f"upload again; longshore forget {run.id} removes what is left of it",
        )
    target = target_of(terminal, run, given)
    if "comparison" in run.notes:
        from longshore.evaluate import note_continued

        run = await note_continued(journal, run, time.time())
    # Whoever asks again wants to know the end, also of a run that was begun with --no-wait.
    run = run.model_copy(update={"options": {**run.options, "wait": wait}})
    report = await carry(terminal, journal, target, run, interrupt, given=given)
    return report.exit_code


def target_of(terminal: Terminal, run: RunRecord, given: dict[str, str]) -> Target:
    """Make the target of an earlier run again, ready to be talked to.

    Raises:
        LongshoreError: its plugin or a setting is missing, or may not change now.
    """
    from longshore.targets import require, resolve_for_resume

    target = resolve_for_resume(
        run.target,
        run.settings,
        provider_name=run.provider,
        overrides=given,
        config_file=terminal.config,
    )
    require(target)
    return target


@command("longshore rerun 4f1c2a9b --failed")
def rerun(
    terminal: Terminal,
    run: Run,
    failed: Annotated[
        bool, typer.Option("--failed", help="What failed, expired or was cancelled.")
    ] = False,
    set: Set = None,
    wait: Wait = True,
) -> int:
    """Send failed documents of a run again, as the files are now, in fresh batches.

    The settings are those that the run began with, as for resume.
    """
    from longshore.cli._interrupt import run_async

    if not failed:
        raise UsageError("rerun of what?", hint=terminal.typed(f"longshore rerun {run} --failed"))
    return run_async(_rerun(terminal, run, pairs(set), wait=wait))


async def _rerun(terminal: Terminal, run_id: str, given: dict[str, str], *, wait: bool) -> int:
    from longshore.cli._interrupt import Interrupt
    from longshore.journal import open_journal
    from longshore.pipeline import Environment, capabilities_of
    from longshore.pipeline import rerun as plan_again

    environment = Environment()
    async with open_journal(terminal.journal) as journal:
        run = await journal.run(run_id)
        target = target_of(terminal, run, given)
        with Interrupt(terminal) as interrupt:
            async with journal.lock_run(run.id):
                again = await plan_again(
                    journal,
                    run,
                    capabilities_of(target.provider),
                    new_id=environment.new_id,
                    now=environment.clock.now(),
                )
            if not again:
                terminal.note(f"longshore: nothing of run {run.id} can be sent again")
            return await go_on(terminal, journal, run, given, interrupt, wait=wait)
