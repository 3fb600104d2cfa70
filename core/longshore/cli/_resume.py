"""``resume`` and ``rerun``: go on with runs that were begun earlier."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from longshore.cli._codes import INTERRUPTED, TROUBLE
from longshore.cli._command import command
from longshore.cli._journal import is_named_in_vain, open_existing
from longshore.cli._parameters import Follow, Run, Set, SomeRun, check_names, pairs
from longshore.cli._terminal import Terminal
from longshore.cli._text import printable
from longshore.errors import LongshoreError, RunInUse, UsageError

if TYPE_CHECKING:
    from longshore.cli._interrupt import Interrupt
    from longshore.journal import Journal, RunRecord
    from longshore.pipeline import Event
    from longshore.targets import Target

__all__ = ["rerun", "resume"]


@command("longshore resume", "longshore resume 4f1c2a9b --json")
async def resume(
    terminal: Terminal,
    *,
    run_id: SomeRun = None,
    set: Set = None,
    wait: Follow = True,
    on_incompatible: Annotated[
        Literal["fail", "restart"],
        typer.Option(help="When another version of the plugin wrote the run."),
    ] = "fail",
) -> int:
    """Go on with a run, or with every unfinished one; only what is missing is sent.

    The settings are those that the run began with. Secrets come freshly; --set may change those,
    base_url and how to talk to the vendor (time-outs, pace, concurrency).
    """
    from longshore.cli._interrupt import Interrupt
    from longshore.pipeline import worst

    given = pairs(set)
    if run_id is None and is_named_in_vain(terminal):  # the first start of a service is no mistake
        terminal.note(printable(f"longshore: nothing to resume: no journal {terminal.journal} yet"))
        return 0
    codes: list[int] = []
    async with open_existing(terminal) as journal:
        with Interrupt(terminal) as interrupt:
            go = partial(
                go_on,
                terminal,
                journal,
                given=given,
                interrupt=interrupt,
                wait=wait,
                restart=on_incompatible == "restart",
            )
            if run_id is not None:
                run = await journal.run(run_id)
                _check_targets(given, [run])
                return await go(run)
            unfinished = await _unfinished(journal)
            if unfinished:
                _check_targets(given, unfinished)
            else:
                terminal.note("longshore: nothing to resume")
            for run in unfinished:
                if interrupt.stop.is_set():
                    terminal.last(interrupt.also)
                    codes.append(INTERRUPTED)
                    break
                # What a run says when it is interrupted names only that one.
                interrupt.also = "" if run is unfinished[-1] else terminal.typed("longshore resume")
                try:
                    codes.append(await go(run))
                except RunInUse as error:
                    terminal.note(printable(f"longshore: {error.message}; left to it"))
                except LongshoreError as error:  # the others go on
                    terminal.fail(error, run.id)
                    codes.append(TROUBLE)
    return worst(codes)


async def _unfinished(journal: Journal) -> list[RunRecord]:
    """Find the runs that are not over; the first of an upload's, for they go on together."""
    found: dict[tuple[str, object], RunRecord] = {}
    for run in await journal.runs():
        if run.finished_at is None:
            passage = run.notes.get("passage")
            found.setdefault(("run", run.id) if passage is None else ("passage", passage), run)
    return list(found.values())


def _check_targets(given: Mapping[str, str], runs: Iterable[RunRecord]) -> None:
    """Check that ``--set target:key=value`` names a target of these runs, or of their routes.

    Raises:
        UsageError: it does not.
    """
    if not given:
        return
    from longshore.cli._route import targets_of
    from longshore.migrate import passage_of, route_of

    names = [
        name
        for run in runs
        for name in ([run.target] if passage_of(run) is None else targets_of(route_of(run)))
    ]
    check_names(given, list(dict.fromkeys(names)))


async def go_on(
    terminal: Terminal,
    journal: Journal,
    run: RunRecord,
    given: dict[str, str],
    interrupt: Interrupt,
    *,
    wait: bool,
    restart: bool = False,
) -> int:
    """Execute a run of the journal with the settings it began with.

    Args:
        terminal: to speak.
        journal: of the run.
        run: as it stands there.
        given: by ``--set``.
        interrupt: what signals do.
        wait: follow the jobs to their end.
        restart: begin afresh what its plugin, as it is now, cannot read.

    Raises:
        LongshoreError: it cannot be executed.
    """
    from longshore.cli._carry import carry
    from longshore.pipeline import Environment, Notice, restart_incompatible
    from longshore.targets import overrides_of

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            terminal.note(printable(f"longshore: {event.text}"))

    if run.notes.get("passage") is not None:
        from longshore.cli._route import go_on_by_route

        return await go_on_by_route(
            terminal, journal, run, given, interrupt, wait=wait, restart=restart
        )
    own = overrides_of(run.target, given)
    if not run.planned:
        raise UsageError(
            f"run {run.id} was interrupted before its plan was whole; nothing was sent",
            hint=f"upload again; longshore forget {run.id} removes what is left of it",
        )
    target = target_of(terminal, run, given)
    if restart:
        await restart_incompatible(journal, target, run.id, Environment(), tell)
        run = await journal.run(run.id)
    if "comparison" in run.notes:
        from longshore.evaluate import note_continued

        run = await note_continued(journal, run, time.time())
    # Whoever asks again wants to know the end, also of a run that was begun with --no-wait.
    run = run.model_copy(update={"options": {**run.options, "wait": wait}})
    report = await carry(terminal, journal, target, run, interrupt, given=own)
    return report.exit_code


def target_of(terminal: Terminal, run: RunRecord, given: dict[str, str]) -> Target:
    """Make the target of an earlier run again, ready to be talked to.

    Raises:
        LongshoreError: its plugin or a setting is missing, or may not change now.
    """
    from longshore.pipeline import target_to_resume

    return target_to_resume(run, given, terminal.config)


@command("longshore rerun 4f1c2a9b --failed")
async def rerun(
    terminal: Terminal,
    run_id: Run,
    failed: Annotated[
        bool, typer.Option("--failed", help="What failed, expired or was cancelled.")
    ] = False,
    set: Set = None,
    wait: Follow = True,
) -> int:
    """Send failed documents of a run again, as the files are now, in fresh batches.

    The settings are those that the run began with, as for resume.
    """
    from longshore.cli._interrupt import Interrupt
    from longshore.pipeline import Environment, capabilities_of
    from longshore.pipeline import rerun as plan_again

    if not failed:
        hint = terminal.typed(f"longshore rerun {run_id} --failed")
        raise UsageError("rerun of what?", hint=hint)
    given, environment = pairs(set), Environment()
    async with open_existing(terminal) as journal:
        run = await journal.run(run_id)
        _check_targets(given, [run])
        target = target_of(terminal, run, given)
        with Interrupt(terminal) as interrupt:
            interrupt.sending = True  # planned in part, the run would be what nobody asked for
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
