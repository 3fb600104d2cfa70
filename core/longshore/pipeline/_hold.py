"""Working on a run outside of its execution: alone, and told to observers like any other work.

Where somebody executes the run they are asked to do it: ``tries`` are for whoever asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from longshore.journal import Journal, RunRecord
from longshore.pipeline._engine import Engine
from longshore.pipeline._environment import Environment
from longshore.pipeline._events import Listener, RunFinished, RunStarted
from longshore.pipeline._run import hold_engine
from longshore.targets import Target
from longshore.transfer import Clock

__all__ = ["hold_run", "tries"]

PATIENCE = 15.0
"""Seconds in which whoever executes a run is to have done what was asked of it."""

PAUSE = 0.25
"""Seconds between two tries to hold a run that somebody else has."""


@asynccontextmanager
async def hold_run(
    journal: Journal,
    target: Target,
    run: RunRecord,
    environment: Environment,
    listener: Listener | None = None,
) -> AsyncIterator[Engine]:
    """Hold a run, so that nobody executes it meanwhile, and build its engine.

    Observers are told that the run begins and ends: without a beginning nobody knows which run an
    event is of, without an end a trace stays open.

    Raises:
        RunInUse: somebody executes it.
        RunNotFound: it was forgotten since it was read.
        IncompatibleState: another ``state_version`` of the provider wrote it.
    """
    async with hold_engine(journal, target, run, environment, listener) as engine:
        documents = sum((await journal.outcomes(run.id)).values())
        engine.emit(RunStarted(run, documents, 0))  # nothing is to be carried
        try:
            yield engine
        finally:
            engine.emit(RunFinished(run, await journal.outcomes(run.id)))


async def tries(clock: Clock, stop: asyncio.Event) -> AsyncIterator[bool]:
    """Yield for each try to hold a run that somebody else may have: whether it is the first.

    Ends when their time is up, or once ``stop`` is set.
    """
    waited = 0.0
    yield True
    while waited < PATIENCE:
        await clock.sleep(PAUSE)
        waited += PAUSE
        if stop.is_set():
            return
        yield False
