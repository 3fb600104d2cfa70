"""An engine that only asks: with the settings of an earlier run, and what its prepare found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from longshore.errors import RunNotFound
from longshore.journal import Journal, MemoryJournal, RunRecord
from longshore.pipeline import Engine, Environment, Unit, open_engine, run_to, target_to_resume
from longshore.targets import overrides_of, target_now

__all__ = ["open_for_asking"]


@asynccontextmanager
async def open_for_asking(
    journal: Journal,
    target: str,
    run_id: str,
    environment: Environment,
    *,
    settings: Mapping[str, str],
    config: Path | None,
) -> AsyncIterator[Engine]:
    """Open the engine of a run without executing anything; ``prepare`` could make a project.

    Where the journal does not have the run any more, the target is as it is configured now, and
    the engine's journal is an empty one.

    Args:
        journal: the durable record.
        target: the target's name.
        run_id: the run that carried the documents; "" where nobody knows.
        environment: of the machine.
        settings: overrule settings of all targets (``key``) or of one (``target:key``).
        config: the configuration file; None: look for it.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    given = overrides_of(target, settings)
    run = await _find(journal, run_id)
    if run is not None:
        filled = target_to_resume(run, given, config)
        setup = Unit.load(await journal.facts(run.id), alive_at=0.0).setup
    else:
        filled = target_now(target, given, config)
        run, journal = run_to(filled, run_id), MemoryJournal()
        setup = None
    async with open_engine(journal, filled, run, environment) as engine:
        engine.setup = setup or engine.setup
        yield engine


async def _find(journal: Journal, run_id: str) -> RunRecord | None:
    if not run_id:
        return None
    try:
        run = await journal.run(run_id)
    except RunNotFound:
        return None
    return run if run.id == run_id else None
