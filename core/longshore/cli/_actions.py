"""``actions`` and ``act``: what jobs wait for a person to do, and doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from longshore.cli._command import command
from longshore.cli._engines import hold
from longshore.cli._lines import tell_document
from longshore.cli._parameters import Set, SomeRun, pairs
from longshore.cli._terminal import Terminal, printable
from longshore.errors import RunInUse, UsageError

if TYPE_CHECKING:
    from longshore.journal import Journal, RunRecord, Taken, UnitRecord
    from longshore.lifecycle import Action
    from longshore.pipeline import Event

__all__ = ["act", "actions"]


@command("longshore actions", "longshore actions 4f1c2a9b --json")
def actions(terminal: Terminal, run: SomeRun = None) -> int:
    """List what jobs offer to be done, as commands to type. Only reads the journal."""
    from longshore.cli._interrupt import run_async

    return run_async(_actions(terminal, run))


async def _actions(terminal: Terminal, run_id: str | None) -> int:
    from longshore.journal import open_journal, units_of

    async with open_journal(terminal.journal) as journal:
        runs = await journal.runs() if run_id is None else (await journal.run(run_id),)
        count = 0
        for run in runs:
            async for unit in units_of(journal, run.id, amiss=True):
                count += await _offer(terminal, journal, run, unit)
    if not count:
        terminal.note("longshore: no job offers anything to be done")
    return 0


async def _offer(terminal: Terminal, journal: Journal, run: RunRecord, unit: UnitRecord) -> int:
    """Print what one job offers; returns how much that is."""
    from longshore.cli._offers import offers_of
    from longshore.lifecycle import Outcome

    taken = await journal.facts(unit.id)
    found = await offers_of(terminal, journal, run, taken)
    if not found and unit.outcome is not Outcome.NEEDS_ACTION:
        return 0
    paths = [record.path for record in taken.documents]
    shown = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    word = unit.word or unit.outcome
    terminal.say(printable(f"job {unit.job_id} at {run.target}: {word}  {shown}"))
    # What the vendor names no action for is done at the vendor.
    resume = terminal.typed(f"longshore resume {run.id}")
    offers: list[tuple[Action | None, str]] = [*found] or [(None, resume)]
    for action, typed in offers:
        about = _about(taken, action)
        terminal.line({
            "event": "action",
            "run_id": run.id,
            "target": run.target,
            "provider": run.provider,
            "batch_id": unit.id,
            "vendor_job_id": unit.job_id,
            "paths": paths if about is None else [about],
            "state": str(unit.outcome),
            "vendor_status": unit.word,
            "action": str(action) if action else None,
            "command": typed,
        })  # fmt: skip
        comment = f"  # {about}" if about is not None and len(paths) > 1 else ""
        if action is not None:
            terminal.say(printable(f"  {typed}{comment}"))
    if not found:
        terminal.say(f"  to be done at the vendor; then: {resume}")
    return 1


def _about(taken: Taken, action: Action | None) -> str | None:
    """Return the path of the document that an action is about; None if it is about the job."""
    if action is None or action.object is None:
        return None
    for record in taken.documents:
        if record.vendor_id == action.object:
            return record.path
    return None


@command("longshore act job_123 resume", "longshore act my-target/job_123 complete:task_9")
def act(
    terminal: Terminal,
    job: Annotated[str, typer.Argument(metavar="JOB", help="A vendor_job_id, or TARGET/id.")],
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="As `longshore actions` lists it.")
    ],
    set: Set = None,
) -> int:
    """Do what a job offers. A run that is being executed is asked to do it within a second."""
    from longshore.cli._interrupt import run_async

    return run_async(_act(terminal, job, action, pairs(set)))


async def _act(terminal: Terminal, job: str, word: str, given: dict[str, str]) -> int:
    from longshore.journal import open_journal

    action = _action(word)
    async with open_journal(terminal.journal) as journal:
        unit = await find_unit(journal, job)
        try:
            return await _do(terminal, journal, unit, action, given)
        except RunInUse:
            await _leave(terminal, journal, unit, action)
    return 0


def _action(word: str) -> Action:
    """Read an action. One that ends with a colon is not taken for all: a variable was empty."""
    from longshore.lifecycle import Action

    action = Action.parse(word)
    if not action.name or (":" in word and not action.object):
        raise UsageError(f"{word!r} does not say what it is about", hint="complete, or complete:ID")
    return action


async def _leave(terminal: Terminal, journal: Journal, unit: UnitRecord, action: Action) -> None:
    """Ask the process that executes the run, unless the journal knows already that it is vain.

    Raises:
        UsageError: the job does not offer it.
    """
    from longshore.pipeline import Unit, check_offer
    from longshore.plugins import load_plugins

    run = await journal.run(unit.run_id)
    provider = load_plugins().provider(run.provider)
    known = Unit.load(await journal.facts(unit.id), alive_at=0.0)
    check_offer(known, action, provider)
    await journal.post(run.id, "act", {"unit": unit.id, "action": str(action)})
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


async def find_unit(journal: Journal, job: str) -> UnitRecord:
    """Return the batch of a job, given as ``vendor_job_id`` or ``TARGET/vendor_job_id``.

    Raises:
        UsageError: there is none, or there are several.
    """
    found = await journal.find_job(job)
    target, slash, rest = job.partition("/")
    if not found and slash:
        found = await journal.find_job(rest, target=target)
    if not found:
        raise UsageError(
            f"the journal knows no job {job!r}", hint="longshore actions lists what can be done"
        )
    if len(found) > 1:
        runs = [await journal.run(unit.run_id) for unit in found]
        names = sorted({f"{run.target}/{found[0].job_id}" for run in runs})
        if len(names) > 1:
            raise UsageError(f"several jobs are {job!r}", hint=f"type one of: {', '.join(names)}")
    # The newest, should one target have met two accounts.
    return max(found, key=lambda unit: unit.created_at)


async def _do(
    terminal: Terminal,
    journal: Journal,
    unit: UnitRecord,
    action: Action,
    given: dict[str, str],
) -> int:
    from longshore.pipeline import DocumentFinished, Notice, act_on, prepare, settle, take

    refused: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Notice):
            refused.append(event.text)
        elif isinstance(event, DocumentFinished):
            tell_document(terminal, event.run, event.record, event.unit)

    run = await journal.run(unit.run_id)
    async with hold(terminal, journal, run, given, listen) as engine:
        outcome = await prepare(engine)
        if isinstance(outcome, Exception):
            raise outcome
        taken = await take(engine, unit.id)
        await act_on(engine, taken, action)
        over = await settle(journal, run.id, engine.clock.now())
        after = await journal.facts(unit.id)
        for record in after.documents:
            engine.emit(DocumentFinished(run, record, after.unit))
        told = taken.status.error if taken.status is not None else ""
        objected = bool(told) and not taken.record.outcome.terminal
        still_open = bool(taken.asked)
    for text in refused:
        terminal.last(printable(f"longshore: {text}"))
    if not over:
        terminal.note(f"look again:        {terminal.typed(f'longshore resume {run.id}')}")
    return 1 if refused or objected or still_open else 0
