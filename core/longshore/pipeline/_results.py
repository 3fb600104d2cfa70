"""Fetching what a vendor read out of the documents."""

from __future__ import annotations

from longshore.journal import UnitRecord
from longshore.lifecycle import Job
from longshore.pipeline._engine import Engine
from longshore.pipeline._runner import FlowRunner
from longshore.pipeline._unit import Unit
from longshore.provider import Results
from longshore.transfer import Tally

__all__ = ["fetch_results"]


async def fetch_results(engine: Engine, job: Job) -> Results:
    """Ask the vendor for the results of a job; nothing of it is journalled.

    Raises:
        LongshoreError: the vendor refuses, or cannot be reached.
    """
    ghost = Unit(UnitRecord(id=engine.run.id, run_id=engine.run.id), {})
    runner = FlowRunner(engine, ghost, "results", Tally(), durable=False)
    return await runner.run(engine.provider.results(job))
