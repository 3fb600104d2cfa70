"""Any command: started, waited for, its output thrown away."""

from __future__ import annotations

import subprocess

from benchmarks._job import Clock, Job

__all__ = ["start"]


def start(job: Job, clock: Clock) -> None:
    """Run the option ``command``; only the wall time counts."""
    with clock:
        subprocess.run(
            job.options["command"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
