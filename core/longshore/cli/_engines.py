"""Working on one run outside of its execution: its engine, alone, with what ``prepare`` found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from longshore.cli._terminal import Terminal

if TYPE_CHECKING:
    from longshore.journal import Journal, RunRecord
    from longshore.pipeline import Engine, Listener

__all__ = ["hold"]


@asynccontextmanager
async def hold(
    terminal: Terminal,
    journal: Journal,
    run: RunRecord,
    given: dict[str, str],
    listener: Listener,
) -> AsyncIterator[Engine]:
    """Hold a run and build its engine. For observers it begins and ends, as with any command.

    Raises:
        RunInUse: another process executes it.
        LongshoreError: its plugin or a setting is missing.
    """
    from longshore.cli._resume import target_of
    from longshore.pipeline import Environment, RunFinished, RunStarted, open_engine

    target = target_of(terminal, run, given)
    async with (
        journal.lock_run(run.id),
        open_engine(journal, target, run, Environment(), listener) as engine,
    ):
        documents = sum((await journal.outcomes(run.id)).values())
        engine.emit(RunStarted(run, documents, 0))  # nothing is to be carried
        try:
            yield engine
        finally:
            engine.emit(RunFinished(run, await journal.outcomes(run.id)))
