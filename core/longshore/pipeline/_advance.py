"""Moving one unit as far as it can go now; whoever runs this decides when to come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from longshore.errors import LongshoreError
from longshore.journal import DropFacts, FactKind, Write
from longshore.pipeline._engine import MOST_RESTARTS, Engine, capabilities_of
from longshore.pipeline._ready import Next, ready
from longshore.pipeline._steps import run_step
from longshore.pipeline._stopping import GRACE, end_soon
from longshore.pipeline._unit import Unit
from longshore.sources import is_small

__all__ = ["BEAT", "advance", "advance_unit", "equip", "prepare", "take", "take_all"]

BEAT = 5.0
"""Seconds between an executor's signs of life."""

_LATE = BEAT + 30.0
"""Seconds that the last one may be old: it waits for a locked journal as long as any write."""


async def take(engine: Engine, unit_id: str) -> Unit:
    """Take a unit over; whoever had it before can no longer write.

    Args:
        engine: everything that moves it.
        unit_id: the batch id, or the run id for ``prepare``.
    """
    (unit,) = await take_all(engine, [unit_id])
    return unit


async def take_all(engine: Engine, unit_ids: Sequence[str]) -> list[Unit]:
    """Take several units over; see ``take``."""
    known = await engine.journal.take(*unit_ids)
    seen_at = min(engine.run.alive_at, engine.began)  # earlier, unless our clock was set back
    alive_at = min(engine.clock.now(), seen_at + _LATE)
    units = [equip(engine, Unit.load(taken, alive_at)) for taken in known]
    if engine.run.alive_at > engine.run.created_at:  # there was an earlier process
        for unit in units:
            unit.wait_on(min(alive_at, engine.began))
    return units


def equip(engine: Engine, unit: Unit) -> Unit:
    """Give a unit that comes into memory what it needs besides what the journal knows of it."""
    if unit.id != engine.run.id:
        unit.setup = engine.setup
        unit.callback = engine.callback(unit.id)
        documents = unit.documents.values()
        unit.small = all(is_small(record.document, engine.small) for record in documents)
    if unit.session is not None:
        engine.learn(unit, unit.session)
    else:
        engine.redactor.learn(unit.secrets)
    return unit


async def advance(
    unit_id: str,
    *,
    engine: Engine,
    stop: Callable[[], bool] | None = None,
    until: Callable[[Unit], bool] | None = None,
) -> Next:
    """Take one unit (a batch, or a run's ``prepare``) and move it as far as it can go now.

    Never sleeps for a poll: it says when to come back instead.

    Args:
        unit_id: the batch id, or the run id for ``prepare``.
        engine: everything that moves it.
        stop: asked between two steps; True ends here, resumable.
        until: True for a unit that has come far enough.
    """
    return await advance_unit(await take(engine, unit_id), engine=engine, stop=stop, until=until)


async def advance_unit(
    unit: Unit,
    *,
    engine: Engine,
    stop: Callable[[], bool] | None = None,
    until: Callable[[Unit], bool] | None = None,
) -> Next:
    """Move a unit that is already taken; see ``advance``."""
    outcome: Next | None = None
    while outcome is None:
        now = engine.clock.now()
        if (stop and stop()) or (until and until(unit)):
            outcome = Next("later", now, "stopped")
            break
        steps = ready(unit, now, engine.capabilities, checksum=engine.checksum)
        outcome = steps if isinstance(steps, Next) else await run_step(engine, unit, steps[0])
    if unit.unsaved:  # requests that led to nothing yet were made all the same
        await unit.write(engine.journal, [unit.cost()])
    return outcome


async def prepare(engine: Engine, *, stop: asyncio.Event | None = None) -> Next | LongshoreError:
    """Run the run's ``prepare`` as far as it can go, and adopt what it found.

    Args:
        engine: of the run.
        stop: once set, what is in flight may end soon; resumable.

    Returns:
        ``finished`` when the batches may start; when to come back; or what went wrong.
    """
    unit = await take(engine, engine.run.id)
    if stop is None:
        outcome = await advance_unit(unit, engine=engine, until=_cannot_go_on)
    else:
        work = advance_unit(unit, engine=engine, stop=stop.is_set, until=_cannot_go_on)
        cut = Next("later", engine.clock.now(), "stopped")
        outcome = await end_soon(work, stop, lambda: GRACE + _patience(unit)) or cut
    if unit.verdict is not None:
        await unit.write(engine.journal, _refused(unit))
        return unit.verdict.error
    if outcome.state == "finished":
        engine.setup = unit.setup
        engine.capabilities = capabilities_of(engine.provider, unit.setup)
    return outcome


def _patience(unit: Unit) -> float:
    """Seconds more for an open request whose repetition could do harm."""
    tallies = unit.tallies.values() if unit.intents else ()
    return max((tally.patience for tally in tallies), default=0.0)


def _refused(unit: Unit) -> list[Write]:
    """Forget what the vendor refused and what was waited for: a resume asks afresh.

    What it did take, and what may have arrived, is kept.
    """
    answers = [
        DropFacts((FactKind.ANSWER, FactKind.INTENT), flow, step)
        for (flow, step), answered in unit.answers.items()
        if answered.response.status >= 300
    ]
    return [*answers, DropFacts((FactKind.TIMER,))]


def _cannot_go_on(unit: Unit) -> bool:
    """True when a fresh attempt does not help either."""
    verdict = unit.verdict
    if verdict is None:
        return False
    return not verdict.restart or unit.record.restarts + verdict.blame > MOST_RESTARTS
