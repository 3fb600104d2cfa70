"""``actions`` and ``act``: what jobs wait for a person to do, and doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from longshore.cli._codes import INTERRUPTED
from longshore.cli._command import command
from longshore.cli._journal import open_existing
from longshore.cli._lines import tell_document
from longshore.cli._parameters import Set, SomeRun, check_names, pairs
from longshore.cli._terminal import Terminal
from longshore.cli._text import printable

if TYPE_CHECKING:
    from longshore.journal import Journal, RunRecord, Taken, UnitRecord
    from longshore.lifecycle import Action
    from longshore.pipeline import Event

__all__ = ["act", "actions"]


@command("longshore actions", "longshore actions 4f1c2a9b --json")
async def actions(terminal: Terminal, run_id: SomeRun = None) -> int:
    """List what jobs offer to be done, as commands to type; changes nothing."""
    from longshore.journal import units_of

    async with open_existing(terminal) as journal:
        runs = await journal.runs() if run_id is None else (await journal.run(run_id),)
        count = 0
        for run in runs:
            async for unit in units_of(journal, run.id, amiss=True):
                count += await _offer(terminal, journal, run, await journal.facts(unit.id))
    if not count:
        terminal.note("longshore: no job offers anything to be done")
    return 0


async def _offer(terminal: Terminal, journal: Journal, run: RunRecord, taken: Taken) -> int:
    """Print what one job offers; returns how much that is."""
    from longshore.cli._offers import offers_of
    from longshore.pipeline import offer_of

    offer = offer_of(run, taken)
    if offer is None:
        return 0
    paths = [record.path for record in offer.documents]
    shown = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    word = offer.word or offer.outcome
    terminal.say(printable(f"job {offer.job_id} at {run.target}: {word}  {shown}"))
    # What the vendor names no action for is done at the vendor.
    resume = terminal.typed(f"longshore resume {run.id}")
    found = await offers_of(terminal, journal, run, taken)
    offers: list[tuple[Action | None, str]] = [*found] or [(None, resume)]
    for action, typed in offers:
        about = offer.about(action) if action is not None else None
        terminal.line({
            "event": "action",
            "run_id": run.id,
            "target": run.target,
            "provider": run.provider,
            "batch_id": offer.batch_id,
            "vendor_job_id": offer.job_id,
            "paths": paths if about is None else [about.path],
            "state": str(offer.outcome),
            "vendor_status": offer.word,
            "action": str(action) if action else None,
            "command": typed,
        })  # fmt: skip
        comment = f"  # {about.path}" if about is not None and len(paths) > 1 else ""
        if action is not None:
            terminal.say(printable(f"  {typed}{comment}"))
    if not found:
        terminal.say(f"  to be done at the vendor; then: {resume}")
    return 1


@command("longshore act job_123 resume", "longshore act my-target/job_123 complete:task_9")
async def act(
    terminal: Terminal,
    job: Annotated[str, typer.Argument(metavar="JOB", help="A vendor_job_id, or TARGET/id.")],
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="As `longshore actions` lists it.")
    ],
    set: Set = None,
) -> int:
    """Do what a job offers. A run that is being executed is asked to do it within a second."""
    from longshore.cli._interrupt import Interrupt
    from longshore.cli._resume import target_of
    from longshore.pipeline import (
        DocumentFinished,
        Environment,
        Notice,
        find_job,
        read_action,
    )
    from longshore.pipeline import act as do

    given, asked = pairs(set), read_action(action)
    refused: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Notice):
            refused.append(event.text)
        elif isinstance(event, DocumentFinished):
            tell_document(terminal, event.run, event.record, event.unit)

    async with open_existing(terminal) as journal:
        unit = await find_job(journal, job)
        run = await journal.run(unit.run_id)
        check_names(given, [run.target])
        target = target_of(terminal, run, given)
        with Interrupt(terminal) as interrupt:
            interrupt.sending = True
            acting = do(
                journal, target, unit, asked,
                environment=Environment(), listener=listen, stop=interrupt.stop,
            )  # fmt: skip
            acted = await interrupt.until_cut_off(acting)
            stopped = interrupt.stop.is_set()
            if acted is None:  # whether it is done, the vendor knows
                terminal.last(terminal.typed(f"longshore resume {run.id}"))
                interrupt.told()
                return INTERRUPTED
    if acted.asked:
        _tell_asked(terminal, run, unit, asked)
        return INTERRUPTED if stopped else 0
    for text in refused:
        terminal.last(printable(f"longshore: {text}"))
    if not acted.over:
        terminal.note(f"look again:        {terminal.typed(f'longshore resume {run.id}')}")
    return 1 if acted.why else 0


def _tell_asked(terminal: Terminal, run: RunRecord, unit: UnitRecord, action: Action) -> None:
    """Say that the process which executes the run is to do it."""
    terminal.line({
        "event": "asked",
        "run_id": run.id,
        "target": run.target,
        "batch_id": unit.id,
        "vendor_job_id": unit.job_id,
        "action": str(action),
    })  # fmt: skip
    resume = terminal.typed(f"longshore resume {run.id}")
    terminal.note(
        f"longshore: asked the process that has run {run.id} to do it; "
        f"if that ends before, {resume} does"
    )
