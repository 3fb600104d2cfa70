"""The process of one client: runs it once and tells what it took. Started by ``_measure``."""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
from importlib import import_module
from pathlib import Path

from benchmarks._job import Client, Clock, Job

__all__ = ["main"]


def main(text: str) -> dict[str, object]:
    """Run the client that the text describes."""
    told = json.loads(text)
    os.sched_setaffinity(0, told["cores"])
    module, _, name = told["client"].partition(":")
    try:
        client: Client = getattr(import_module(f"benchmarks._peers.{module}"), name)
    except ImportError as error:
        return {"skipped": f"{error.name} is not installed"}
    gc.set_threshold(10_000, 10, 10)  # as the command line does; for whoever takes part
    clock = Clock()
    more = client(Job(**told["job"]), clock)
    return {"seconds": clock.seconds, "cpu": clock.cpu, "rss": _peak(), "more": dict(more or {})}


def _peak() -> int:
    """Return the peak of this process alone; ``ru_maxrss`` would count what forked it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    out = os.dup(1)  # some clients print
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    answer = json.dumps(main(sys.argv[1]))
    os.write(out, answer.encode())
    os._exit(0)  # what a client does at its end is not measured
