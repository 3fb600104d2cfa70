"""A step that is no execution of a run, told to observers as if it were one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from longshore.journal import Journal
from longshore.lifecycle import Outcome
from longshore.pipeline import DocumentFinished, Engine, RunFinished, RunStarted

__all__ = ["observed"]


@asynccontextmanager
async def observed(engine: Engine, journal: Journal, batch_id: str) -> AsyncIterator[None]:
    """Tell that a run begins and ends, and what became of a batch that does not go on by itself.

    Without a beginning nobody knows which run an event is of; without an end a trace stays open.
    """
    run = engine.run
    engine.emit(RunStarted(run, sum((await journal.outcomes(run.id)).values()), 0))
    try:
        yield
    finally:
        taken = await journal.facts(batch_id)
        for record in taken.documents:
            if record.outcome is not Outcome.RUNNING:
                engine.emit(DocumentFinished(run, record, taken.unit))
        engine.emit(RunFinished(run, await journal.outcomes(run.id)))
