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

__all__ = ["Held", "Hold", "act_on", "cancel_run", "cancel_unit", "offered", "read_mail"]


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
        if message.verb == "act" and _cancels(engine, unit, str(message.body["action"])):
            await _cancel(engine, held)
        elif message.verb == "act":
            unit.ask(Step("act", str(message.body["action"])))
            await _do_now(engine, held)
        elif unit.job is not None:  # a wake: ask sooner, though never sooner than allowed
            soonest = unit.polled_at + engine.capabilities.polls.floor
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


def _offers(unit: Unit, action: Action) -> str:
    names = ", ".join(str(offer) for offer in offered(unit))
    if names or unit.record.outcome is not Outcome.NEEDS_ACTION:
        return f"it offers: {names or 'nothing'}"
    return f"the vendor's reply names nothing: say what it is about, as in {action}:ID"


def _cancels(engine: Engine, unit: Unit, action: str) -> bool:
    """Tell whether ``cancel`` is meant for a job that is not over, and did not offer it itself."""
    offers = any(offer.name == "cancel" for offer in offered(unit))
    open_ = not unit.record.outcome.terminal
    return action == "cancel" and open_ and not offers and engine.provider.offers("cancel")


async def act_on(engine: Engine, unit: Unit, action: Action) -> None:
    """Do what the job's last status offered; ``cancel`` any job where the vendor offers that.

    Raises:
        UsageError: it was not offered; the hint lists what is.
    """
    if _cancels(engine, unit, str(action)):
        await cancel_unit(engine, unit)
        if engine.trouble is not None:
            raise engine.trouble
        return
    actions = offered(unit)
    fits = [a for a in actions if a.name == action.name and action.object in (None, a.object)]
    # A vendor may say that something is to be done without saying to what: a person may know.
    known = action.object is not None and not actions
    if not fits and not (known and unit.record.outcome is Outcome.NEEDS_ACTION):
        raise UsageError(f"the job does not offer {action}", hint=_offers(unit, action))
    step = Step("act", str(action))
    unit.ask(step)
    await run_step(engine, unit, step)
    if engine.trouble is not None:
        raise engine.trouble
