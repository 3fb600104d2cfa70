"""How fast Longshore is beside its peers, measured side by side: `make bench`.

Every row of the goals is a function ``(bench) -> Result`` of one module here. Clients are
processes of their own on one core (``_child``), the server is another on another core (``_sink``);
they take turns in rounds (``_rounds``).
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import (
    concurrency,
    forms,
    hashing,
    journal,
    latency,
    manifest,
    memory,
    parts,
    polling,
    scaling,
    small,
    startup,
)
from benchmarks._measure import Bench
from benchmarks._result import Result

__all__ = ["BENCHES"]

BENCHES: dict[str, Callable[[Bench], Result]] = {
    "parts": parts.plain,
    "tls": parts.tls,
    "forms": forms.run,
    "hashing": hashing.run,
    "memory": memory.run,
    "small": small.run,
    "batches": small.batches,
    "queue": small.queue,
    "latency": latency.run,
    "journal": journal.run,
    "manifest": manifest.run,
    "polling": polling.run,
    "startup": startup.run,
    "concurrency": concurrency.run,
    "scaling": scaling.run,
}
