"""Cancelling a run from outside: here, or by whoever executes it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from longshore.errors import AccountError, RunInUse
from longshore.journal import Journal, RunRecord, units_of
from longshore.pipeline._advance import prepare
from longshore.pipeline._asked import cancel_run
from longshore.pipeline._engine import Engine
from longshore.pipeline._environment import Environment
from longshore.pipeline._events import DocumentFinished, Listener
from longshore.pipeline._hold import hold_run, tries
from longshore.pipeline._mailbox import mail_for
from longshore.pipeline._run import settle
from longshore.targets import Target

__all__ = ["Cancelled", "cancel"]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What came of cancelling a run.

    Attributes:
        batches: those that were not over, by their ids.
        by: who did it: ``us``; ``executor``, of the run; ``nobody``, for the executor was asked
            and has not done it yet.
        trouble: why the account could not go on, if it could not.
    """

    batches: Sequence[str]
    by: Literal["us", "executor", "nobody"]
    trouble: AccountError | None = None


async def cancel(
    journal: Journal,
    target: Target,
    run: RunRecord,
    environment: Environment,
    *,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
) -> Cancelled:
    """Cancel what is not over in a run, at the vendor too where it offers that.

    Whoever executes the run is asked to do it. As soon as nobody does any more, it is done here:
    some have a run only for a moment, and read no mail.

    Args:
        journal: the durable record.
        target: of the run.
        run: the run.
        environment: of the machine.
        listener: is told what happens here.
        stop: once set no other batch is cancelled, and nobody is waited for.

    Raises:
        IncompatibleState: another ``state_version`` of the provider wrote it.
    """
    batches = [unit.id async for unit in units_of(journal, run.id) if not unit.outcome.terminal]
    stop = stop or asyncio.Event()
    async for first in tries(environment.clock, stop):
        if not first and not await mail_for(journal, run.id, "cancel"):
            return Cancelled(batches, "executor")
        try:
            async with hold_run(journal, target, run, environment, listener) as engine:
                await _cancel_here(engine, stop)
                return Cancelled(batches, "us", engine.trouble)
        except RunInUse:
            if first:
                await journal.post(run.id, "cancel", {}, once=True)
    return Cancelled(batches, "nobody")


async def _cancel_here(engine: Engine, stop: asyncio.Event) -> None:
    journal, run = engine.journal, engine.run
    if await _has_open_job(journal, run.id):
        await prepare(engine)  # what it found is needed to talk about jobs
    for unit_id in await cancel_run(engine, stop):
        taken = await journal.facts(unit_id)
        if taken.unit.outcome.terminal:
            for record in taken.documents:
                engine.emit(DocumentFinished(run, record, taken.unit))
    if await settle(journal, run.id, engine.clock.now()):
        # an earlier call may have asked a process that ended: it would cancel a rerun, too
        await journal.drop_mail(await mail_for(journal, run.id, "cancel"))


async def _has_open_job(journal: Journal, run_id: str) -> bool:
    async for unit in units_of(journal, run_id):
        if unit.job_id and not unit.outcome.terminal:
            return True
    return False
