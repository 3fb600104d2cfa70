"""What people and webhooks ask of a run: cancel, act, wake; directly or through the mailbox."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from longshore.errors import CancelledByUser, UsageError
from longshore.journal import ChangeUnit
from longshore.lifecycle import Action
from longshore.pipeline._advance import take
from longshore.pipeline._engine import Engine
from longshore.pipeline._events import Notice
from longshore.pipeline._steps import run_step
from longshore.pipeline._unit import Step, Unit, Verdict

__all__ = ["act_on", "cancel_run", "cancel_unit", "offered", "read_mail"]


async def read_mail(engine: Engine, active: Mapping[str, Unit]) -> list[str]:
    """Deal with what other processes left for this run.

    Args:
        engine: of the run.
        active: units in memory; others are taken from the journal.

    Returns:
        The ids of units that have something new to do.
    """
    messages = await engine.journal.mail(engine.run.id)
    woken: list[str] = []
    for message in messages:
        if message.verb == "cancel":
            woken += await cancel_run(engine, active)
        else:
            woken += await _deliver(engine, active, message.verb, message.body)
    if messages:
        await engine.journal.drop_mail([message.id for message in messages])
    return woken


async def _deliver(
    engine: Engine, active: Mapping[str, Unit], verb: str, body: dict[str, JsonValue]
) -> list[str]:
    unit = active.get(str(body["unit"])) or await take(engine, str(body["unit"]))
    if verb == "act":
        unit.asked.append(Step("act", str(body["action"])))
    else:  # a wake: ask sooner, though never sooner than the vendor's floor allows
        polled = unit.record.at - engine.capabilities.polls.interval
        at = max(engine.clock.now(), polled + engine.capabilities.polls.floor)
        await unit.write(engine.journal, [ChangeUnit({"at": at, "settled": False})])
    if unit.id not in active and unit.asked:
        await run_step(engine, unit, unit.asked[0])
    return [unit.id]


# --------------------------------------------------------------------------------- cancel


async def cancel_run(engine: Engine, active: Mapping[str, Unit] | None = None) -> list[str]:
    """Cancel every batch of the run that is not over."""
    after, woken = "", []
    active = active or {}
    while page := await engine.journal.units(engine.run.id, after=after):
        after = page[-1].id
        for record in page:
            if record.outcome.terminal:
                continue
            unit = active.get(record.id)
            if unit is not None:
                _ask_to_cancel(engine, unit)
            else:
                await cancel_unit(engine, await take(engine, record.id))
            woken.append(record.id)
    return woken


async def cancel_unit(engine: Engine, unit: Unit) -> None:
    """Cancel one batch: before the vendor has a job, here; after that, at the vendor."""
    _ask_to_cancel(engine, unit)
    if unit.verdict is not None:
        await run_step(engine, unit, Step("conclude"))
    elif unit.asked:
        await run_step(engine, unit, unit.asked[0])


def _ask_to_cancel(engine: Engine, unit: Unit) -> None:
    if unit.job is None and not unit.intents:
        unit.verdict = Verdict(CancelledByUser("cancelled before the vendor had a job"))
    elif unit.job is None:
        engine.emit(Notice(f"batch {unit.id}: a request is open; cancel again when it is answered"))
    elif engine.provider.offers("cancel"):
        unit.asked.append(Step("cancel"))
    else:
        engine.emit(Notice(f"job {unit.job.id}: the vendor offers no way to cancel it"))


# ------------------------------------------------------------------------------------ act


def offered(unit: Unit) -> tuple[Action, ...]:
    """Return what can be done about a unit's job now."""
    return unit.status.actions if unit.status is not None else ()


async def act_on(engine: Engine, unit: Unit, action: Action) -> None:
    """Do what the job's last status offered.

    Raises:
        UsageError: it was not offered; the hint lists what is.
    """
    actions = offered(unit)
    fits = [a for a in actions if a.name == action.name and action.object in (None, a.object)]
    if not fits:
        names = ", ".join(str(a) for a in actions) or "nothing"
        raise UsageError(f"the job does not offer {action}", hint=f"it offers: {names}")
    step = Step("act", str(action))
    unit.asked.append(step)
    await run_step(engine, unit, step)
    if engine.trouble is not None:
        raise engine.trouble
