"""Asking a vendor for something that no batch depends on: results, a status, a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from longshore.errors import IncompatibleState, LongshoreError
from longshore.journal import UnitRecord
from longshore.lifecycle import Job
from longshore.pipeline._engine import Engine
from longshore.pipeline._failures import hide_secrets
from longshore.pipeline._requests import begin
from longshore.pipeline._runner import FlowRunner
from longshore.pipeline._unit import Unit
from longshore.provider import Flow, Results
from longshore.transfer import Tally

__all__ = ["ask", "fetch_results"]

T = TypeVar("T")


async def ask(engine: Engine, verb: Callable[..., Flow[T]], *arguments: object) -> T:
    """Run a flow of GETs to its end; nothing of it is journalled.

    Args:
        engine: that carries it.
        verb: the provider's method that makes the flow.
        arguments: of the method.

    Raises:
        IncompatibleState: another ``state_version`` of the provider wrote the job.
        LongshoreError: the vendor refuses, or cannot be reached.
    """
    for argument in arguments:
        if isinstance(argument, Job):
            await _check_writer(engine, argument)
    ghost = Unit(UnitRecord(id=engine.run.id, run_id=engine.run.id), {})
    try:
        runner = FlowRunner(engine, ghost, verb.__name__, Tally(), durable=False)
        return await runner.run(begin(verb, *arguments))
    except LongshoreError as error:
        hide_secrets(engine, error)
        raise


async def fetch_results(engine: Engine, job: Job) -> Results:
    """Ask the vendor for the results of a job.

    Raises:
        IncompatibleState: another ``state_version`` of the provider wrote the job.
        LongshoreError: the vendor refuses, or cannot be reached.
    """
    return await ask(engine, engine.provider.results, job)


async def _check_writer(engine: Engine, job: Job) -> None:
    """Read no job that another version of the provider wrote: it may mean something else now."""
    provider, journal = engine.provider, engine.journal
    for record in await journal.find_job(job.id, target=engine.run.target):
        if record.run_id == engine.run.id:
            writer = Unit.load(await journal.facts(record.id), alive_at=0.0).writer
            if writer not in (None, provider.state_version):
                raise IncompatibleState(
                    f"state version {writer} of {provider.name} wrote job {job.id}, "
                    f"now {provider.state_version}",
                    hint="install the version that wrote it to ask about it",
                )
