"""What jobs offer to be done, and doing it from outside of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from longshore.errors import RunInUse, UsageError
from longshore.journal import DocumentRecord, Journal, RunRecord, Taken, UnitRecord
from longshore.lifecycle import Action, Outcome
from longshore.pipeline._advance import prepare, take
from longshore.pipeline._asked import act_on, check_offer, offered
from longshore.pipeline._engine import Engine
from longshore.pipeline._environment import Environment
from longshore.pipeline._events import DocumentFinished, Event, Listener, Notice
from longshore.pipeline._hold import hold_run, tries
from longshore.pipeline._mailbox import mail_for
from longshore.pipeline._run import settle
from longshore.pipeline._unit import Unit
from longshore.targets import Target

__all__ = ["Acted", "Offer", "act", "find_job", "offer_of", "read_action"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A job that waits for somebody, or offers something to be done, as last asked.

    Attributes:
        run_id: its run.
        batch_id: its batch.
        job_id: the vendor's id; ``act`` takes it.
        target: where it is.
        provider: the provider's name.
        outcome: how it stands.
        word: the vendor's own word for that.
        documents: what is in it.
        actions: what can be done; none where the vendor names none: it is to be done there.
    """

    run_id: str
    batch_id: str
    job_id: str
    target: str
    provider: str
    outcome: Outcome
    word: str | None
    documents: tuple[DocumentRecord, ...]
    actions: tuple[Action, ...]

    def about(self, action: Action) -> DocumentRecord | None:
        """Return the document that an action is about; None if it is about the job."""
        if action.object is None:
            return None
        return next((one for one in self.documents if one.vendor_id == action.object), None)


def offer_of(run: RunRecord, taken: Taken) -> Offer | None:
    """Return what a batch's job offers; None if that is nothing, and it waits for nobody."""
    unit, actions = taken.unit, offered(Unit.load(taken, alive_at=0.0))
    if unit.job_id is None or not (actions or unit.outcome is Outcome.NEEDS_ACTION):
        return None
    return Offer(
        run_id=run.id,
        batch_id=unit.id,
        job_id=unit.job_id,
        target=run.target,
        provider=run.provider,
        outcome=unit.outcome,
        word=unit.word,
        documents=taken.documents,
        actions=actions,
    )


def read_action(word: str) -> Action:
    """Read an action. One that ends with a colon is not taken for all: a variable was empty.

    Raises:
        UsageError: it does not say what is to be done, or to what.
    """
    action = Action.parse(word)
    if not action.name or (":" in word and not action.object):
        raise UsageError(f"{word!r} does not say what it is about", hint="complete, or complete:ID")
    return action


async def find_job(journal: Journal, job: str, *, target: str = "") -> UnitRecord:
    """Return the batch of a job, given as ``vendor_job_id`` or ``TARGET/vendor_job_id``.

    Args:
        journal: that knows it.
        job: as it is named.
        target: look only at the jobs of this one.

    Raises:
        UsageError: there is none, or several targets have one.
    """
    found = await journal.find_job(job, target=target)
    named, slash, id = job.partition("/")
    if not found and slash and target in ("", named):
        found = await journal.find_job(id, target=named)
    if not found:
        at = f" at {target}" if target else ""
        raise UsageError(
            f"the journal knows no job {job!r}{at}",
            hint="longshore actions lists what can be done",
        )
    if len(found) > 1:
        runs = [await journal.run(unit.run_id) for unit in found]
        names = sorted({f"{run.target}/{found[0].job_id}" for run in runs})
        if len(names) > 1:
            raise UsageError(f"several jobs are {job!r}", hint=f"type one of: {', '.join(names)}")
    # The newest, should one target have met two accounts.
    return max(found, key=lambda unit: unit.created_at)


@dataclass(frozen=True, slots=True)
class Acted:
    """What came of an action.

    Attributes:
        taken: its batch, as the journal knows it now.
        over: nothing of the run is open any more.
        why: it is not done, in words; "" if it is.
        asked: whoever executes the run was asked to do it, and tells what came of it.
    """

    taken: Taken
    over: bool = False
    why: str = ""
    asked: bool = False


async def act(
    journal: Journal,
    target: Target,
    unit: UnitRecord,
    action: Action,
    *,
    environment: Environment,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
) -> Acted:
    """Do what a job offers, or have whoever executes its run do it.

    They are asked. As soon as nobody has the run any more, it is done here: some have it only for
    a moment, to poll or to act, and read no mail.

    Args:
        journal: the durable record.
        target: of the run.
        unit: the batch of the job.
        action: what is to be done.
        environment: of the machine.
        listener: is told what happens here.
        stop: once set nobody is waited for: it is left to whoever has the run.

    Raises:
        UsageError: the job does not offer it; the hint lists what it does.
        AccountError: the account cannot go on.
        IncompatibleState: another ``state_version`` of the provider wrote the run.
    """
    notices = list[str]()
    wish: dict[str, JsonValue] = {"unit": unit.id, "action": str(action)}

    def listen(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)
        if listener is not None:
            listener(event)

    run = await journal.run(unit.run_id)
    async for first in tries(environment.clock, stop or asyncio.Event()):
        if not first and not await mail_for(journal, run.id, "act", wish):
            break
        try:
            async with hold_run(journal, target, run, environment, listen) as engine:
                asked = await mail_for(journal, run.id, "act", wish)
                await journal.drop_mail(asked)  # also of an earlier call, asked of who ended
                if not first and not asked:
                    break  # who had it has done it
                return await _act_here(engine, unit.id, action, notices)
        except RunInUse:
            if first:  # what the journal knows already to be in vain is asked of nobody
                known = Unit.load(await journal.facts(unit.id), alive_at=0.0)
                check_offer(known, action, target.provider)
                await journal.post(run.id, "act", wish, once=True)
    return Acted(await journal.facts(unit.id), asked=True)


async def _act_here(engine: Engine, unit_id: str, action: Action, notices: Sequence[str]) -> Acted:
    outcome = await prepare(engine)
    if isinstance(outcome, Exception):
        raise outcome
    unit = await take(engine, unit_id)
    try:
        await act_on(engine, unit, action)
    finally:
        ended = engine.over_since or engine.clock.now()  # what was refused moves nothing
        over = await settle(engine.journal, engine.run.id, ended)
    taken = await engine.journal.facts(unit_id)
    for record in taken.documents:
        engine.emit(DocumentFinished(engine.run, record, taken.unit))
    return Acted(taken, over, "; ".join(notices) or _objection(unit, action))


def _objection(unit: Unit, action: Action) -> str:
    """Return what stands against an action that was taken: the vendor's words, or a wait."""
    status = unit.status
    if status is not None and status.error and not unit.record.outcome.terminal:
        return status.error
    return f"{action}: not done yet" if unit.asked else ""
