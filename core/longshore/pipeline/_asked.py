"""What people and webhooks ask of units: to cancel, to act, to look sooner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from longshore.errors import UsageError
from longshore.journal import ChangeUnit, DropMail, Message, units_of
from longshore.lifecycle import Action, Outcome
from longshore.pipeline._advance import take
from longshore.pipeline._engine import Engine
from longshore.pipeline._events import Notice
from longshore.pipeline._steps import run_step
from longshore.pipeline._unit import Step, Unit
from longshore.pipeline._verbs import ask_to_cancel
from longshore.provider import Provider

__all__ = [
    "Held", "Hold", "act_on", "alone", "cancel_all", "cancel_run", "cancel_unit", "check_offer",
    "do_act", "holding", "offered", "wake",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """A unit that nobody else takes meanwhile.

    Attributes:
        unit: as this process knows it.
        scheduled: an executor moves it: what is asked of it will be done.
        cut_off: the vendor could not be reached a moment ago: it is not asked in vain once more.
    """

    unit: Unit
    scheduled: bool = False
    cut_off: bool = False


AnyProvider: TypeAlias = Provider[Any] | type[Provider[Any]]

Hold: TypeAlias = Callable[[str], AbstractAsyncContextManager[Held]]


def alone(engine: Engine) -> Hold:
    """Hold units where no executor runs."""

    @asynccontextmanager
    async def hold(unit_id: str) -> AsyncIterator[Held]:
        yield Held(await take(engine, unit_id), cut_off=engine.trouble is not None)

    return hold


@asynccontextmanager
async def holding(engine: Engine, hold: Hold, unit_id: str) -> AsyncIterator[Held]:
    """Hold a unit, which leaves memory with its secrets afterwards if no executor moves it."""
    async with hold(unit_id) as held:
        try:
            yield held
        finally:
            if not (held.scheduled or held.unit.unwanted):
                engine.forget(held.unit)


async def wake(engine: Engine, unit: Unit) -> None:
    """Ask about a job sooner, though never sooner than allowed."""
    soonest = unit.record.polled_at + engine.capabilities.polls.floor
    changes: dict[str, object] = {"at": max(engine.clock.now(), soonest)}
    if unit.record.settled:  # else it stays as it is: a poll that is under way may end the job
        changes["settled"] = False
    await unit.write(engine.journal, [ChangeUnit(changes)])


async def _do_now(engine: Engine, held: Held) -> None:
    """Do what is asked of a unit, unless an executor does, or the account is refused."""
    unit = held.unit
    if held.scheduled or held.cut_off or not unit.asked or engine.refused:
        return
    step = unit.asked[0]
    await run_step(engine, unit, step)
    if step not in unit.asked:
        return
    at, why = unit.delays.get(step.flow, (0.0, str(engine.trouble or "")))
    words = f"{step.verb} {step.object}".strip() + ": not done yet"
    if at > engine.clock.now():
        unit.asked.remove(step)
        words += ", ask again"
    engine.emit(Notice(f"{words} ({why})"))  # else nothing may leave now: it stays to be done


# --------------------------------------------------------------------------------- cancel


async def cancel_run(engine: Engine, stop: asyncio.Event | None = None) -> list[str]:
    """Cancel every batch of the run that is not over, or as many as can be until it is stopped.

    Returns:
        The ids of those batches.
    """
    found: list[str] = []
    async for unit in cancel_all(engine, alone(engine)):
        found.append(unit.id)
        if stop is not None and stop.is_set():
            break
    return found


async def cancel_all(engine: Engine, hold: Hold) -> AsyncIterator[Unit]:
    """Cancel every batch of the run that is not over, one after the other; yields each."""
    async for record in units_of(engine.journal, engine.run.id):
        if not record.outcome.terminal:
            async with holding(engine, hold, record.id) as held:
                await _cancel(engine, held)
            yield held.unit


async def cancel_unit(engine: Engine, unit: Unit) -> None:
    """Cancel one batch: before the vendor has a job, here; after that, at the vendor."""
    await _cancel(engine, Held(unit))


async def _cancel(engine: Engine, held: Held) -> None:
    if held.unit.record.outcome.terminal:
        return  # it ended since it was looked up
    held.unit.unwanted = engine.follows is not None  # an executor moves it, from now on at least
    ask_to_cancel(engine, held.unit)
    if held.unit.verdict is not None and not held.scheduled:
        await run_step(engine, held.unit, Step("conclude"))
    await _do_now(engine, held)


# ------------------------------------------------------------------------------------ act


def offered(unit: Unit) -> tuple[Action, ...]:
    """Return what can be done about a unit's job now."""
    return unit.status.actions if unit.status is not None else ()


def check_offer(unit: Unit, action: Action, provider: AnyProvider) -> bool:
    """Look whether an action is one that the job's last status offered, or can be done anyway.

    Args:
        unit: the batch of the job.
        action: what is asked for.
        provider: of the job; where it offers ``cancel``, any job may be that is not over.

    Returns:
        True when the job is to be cancelled though it did not offer that itself.

    Raises:
        UsageError: it cannot be done; the hint lists what can.
    """
    actions, outcome = offered(unit), unit.record.outcome
    cancels = provider.offers("cancel")
    if any(a.name == action.name and action.object in (None, a.object) for a in actions):
        return False
    if str(action) == "cancel" and cancels and not outcome.terminal:
        return True
    # A vendor may say that something is to be done without saying to what: a person may know.
    if action.object is not None and not actions and outcome is Outcome.NEEDS_ACTION:
        return False
    raise UsageError(
        f"job {unit.record.job_id} does not offer {action}: it is {unit.record.word or outcome}",
        hint=_hint(unit, provider),
    )


def _hint(unit: Unit, provider: AnyProvider) -> str:
    names = [str(offer) for offer in offered(unit)]
    over = unit.record.outcome.terminal
    if provider.offers("cancel") and not over and "cancel" not in names:
        names.append("cancel")
    if names:
        return f"it offers: {', '.join(names)}"
    if unit.record.outcome is Outcome.NEEDS_ACTION:
        return (
            "the vendor's reply names nothing: say what is to be done and to what (ACTION:ID), "
            f"as longshore providers show {provider.name} tells"
        )
    if over:
        return "it is over and offers nothing"
    return f"it offers nothing, as last asked; longshore resume {unit.record.run_id} asks again"


async def do_act(engine: Engine, held: Held, action: Action, wish: Message) -> None:
    """Have done what a message wishes; it goes with the commit of what came of it.

    Raises:
        UsageError: it was not offered; the hint lists what is.
    """
    if check_offer(held.unit, action, engine.provider):
        await _cancel(engine, held)
        return
    held.unit.ask(Step("act", str(action), besides=(DropMail(wish.id),)))
    await _do_now(engine, held)


async def act_on(engine: Engine, unit: Unit, action: Action) -> None:
    """Do what the job's last status offered; ``cancel`` any job where the vendor offers that.

    Raises:
        UsageError: it was not offered; the hint lists what is.
    """
    if check_offer(unit, action, engine.provider):
        await cancel_unit(engine, unit)
    else:
        step = Step("act", str(action))
        unit.ask(step)
        await run_step(engine, unit, step)
    if engine.trouble is not None:
        raise engine.trouble
