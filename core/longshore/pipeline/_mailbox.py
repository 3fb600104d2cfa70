"""What people and webhooks ask of a run: cancel, act, wake; directly or through the mailbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from longshore.errors import LongshoreError, UsageError
from longshore.journal import ChangeUnit, Message, units_of
from longshore.lifecycle import Action, Outcome
from longshore.pipeline._advance import take
from longshore.pipeline._engine import Engine
from longshore.pipeline._events import Notice
from longshore.pipeline._steps import ask_to_cancel, run_step
from longshore.pipeline._unit import Step, Unit

__all__ = [
    "Held", "Hold", "act_on", "cancel_run", "cancel_unit", "check_offer", "offered", "read_mail",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """A unit that nobody else takes meanwhile.

    Attributes:
        unit: as this process knows it.
        scheduled: an executor moves it: what is asked of it will be done.
    """

    unit: Unit
    scheduled: bool = False


Hold: TypeAlias = Callable[[str], AbstractAsyncContextManager[Held]]


def _alone(engine: Engine) -> Hold:
    """Hold units where no executor runs."""

    @asynccontextmanager
    async def hold(unit_id: str) -> AsyncIterator[Held]:
        yield Held(await take(engine, unit_id))

    return hold


async def read_mail(engine: Engine, hold: Hold) -> list[str]:
    """Deal with what other processes left for this run; what cannot be done is told, once.

    Args:
        engine: of the run.
        hold: gives access to a unit, in memory or taken from the journal.

    Returns:
        The ids of units that have something new to do.
    """
    woken: list[str] = []
    for message in await engine.journal.mail(engine.run.id):
        try:
            woken += await _deliver(engine, hold, message)
        except (LongshoreError, KeyError) as error:
            engine.emit(Notice(f"{message.verb}: {engine.redactor.text(str(error))}"))
        await engine.journal.drop_mail([message.id])
    return woken


async def _deliver(engine: Engine, hold: Hold, message: Message) -> list[str]:
    if message.verb == "cancel":
        return await cancel_run(engine, hold)
    async with hold(str(message.body["unit"])) as held:
        unit = held.unit
        if message.verb == "act":
            await _act(engine, held, Action.parse(str(message.body["action"])))
        elif unit.job is not None:  # a wake: ask sooner, though never sooner than allowed
            soonest = unit.record.polled_at + engine.capabilities.polls.floor
            at = max(engine.clock.now(), soonest)
            await unit.write(engine.journal, [ChangeUnit({"at": at, "settled": False})])
        return [unit.id]


async def _do_now(engine: Engine, held: Held) -> None:
    """Do what is asked of a unit, unless an executor does."""
    unit = held.unit
    if held.scheduled or not unit.asked:
        return
    step = unit.asked[0]
    await run_step(engine, unit, step)
    if step in unit.asked:
        unit.asked.remove(step)
        why = unit.delays.get(step.flow, (0.0, str(engine.trouble or "")))[1]
        engine.emit(Notice(f"{step.verb} {step.object}: not done yet, ask again ({why})"))


# --------------------------------------------------------------------------------- cancel


async def cancel_run(engine: Engine, hold: Hold | None = None) -> list[str]:
    """Cancel every batch of the run that is not over."""
    woken: list[str] = []
    hold = hold or _alone(engine)
    async for record in units_of(engine.journal, engine.run.id):
        if record.outcome.terminal:
            continue
        async with hold(record.id) as held:
            await _cancel(engine, held)
        woken.append(record.id)
    return woken


async def cancel_unit(engine: Engine, unit: Unit) -> None:
    """Cancel one batch: before the vendor has a job, here; after that, at the vendor."""
    await _cancel(engine, Held(unit))


async def _cancel(engine: Engine, held: Held) -> None:
    if held.unit.record.outcome.terminal:
        return  # it ended since it was looked up
    ask_to_cancel(engine, held.unit)
    if held.unit.verdict is not None and not held.scheduled:
        await run_step(engine, held.unit, Step("conclude"))
    await _do_now(engine, held)


# ------------------------------------------------------------------------------------ act


def offered(unit: Unit) -> tuple[Action, ...]:
    """Return what can be done about a unit's job now."""
    return unit.status.actions if unit.status is not None else ()


def check_offer(unit: Unit, action: Action, *, cancels: bool) -> bool:
    """Look whether an action is one that the job's last status offered, or can be done anyway.

    Args:
        unit: the batch of the job.
        action: what is asked for.
        cancels: the vendor offers to cancel any job that is not over.

    Returns:
        True when the job is to be cancelled though it did not offer that itself.

    Raises:
        UsageError: it cannot be done; the hint lists what can.
    """
    actions, outcome = offered(unit), unit.record.outcome
    if any(a.name == action.name and action.object in (None, a.object) for a in actions):
        return False
    if str(action) == "cancel" and cancels and not outcome.terminal:
        return True
    # A vendor may say that something is to be done without saying to what: a person may know.
    if action.object is not None and not actions and outcome is Outcome.NEEDS_ACTION:
        return False
    raise UsageError(
        f"job {unit.record.job_id} does not offer {action}: it is {unit.record.word or outcome}",
        hint=_hint(unit, action, cancels=cancels),
    )


def _hint(unit: Unit, action: Action, *, cancels: bool) -> str:
    names = [str(offer) for offer in offered(unit)]
    if cancels and not unit.record.outcome.terminal and "cancel" not in names:
        names.append("cancel")
    if names:
        return f"it offers: {', '.join(names)}"
    if unit.record.outcome is Outcome.NEEDS_ACTION:
        return f"the vendor's reply names nothing: say what it is about, as in {action}:ID"
    if unit.record.outcome.terminal:
        return "it is over and offers nothing"
    return f"it offers nothing, as last asked; longshore resume {unit.record.run_id} asks again"


async def _act(engine: Engine, held: Held, action: Action) -> None:
    if check_offer(held.unit, action, cancels=engine.provider.offers("cancel")):
        await _cancel(engine, held)
        return
    held.unit.ask(Step("act", str(action)))
    await _do_now(engine, held)


async def act_on(engine: Engine, unit: Unit, action: Action) -> None:
    """Do what the job's last status offered; ``cancel`` any job where the vendor offers that.

    Raises:
        UsageError: it was not offered; the hint lists what is.
    """
    if check_offer(unit, action, cancels=engine.provider.offers("cancel")):
        await cancel_unit(engine, unit)
        if engine.trouble is not None:
            raise engine.trouble
        return
    step = Step("act", str(action))
    unit.ask(step)
    await run_step(engine, unit, step)
    if engine.trouble is not None:
        raise engine.trouble
