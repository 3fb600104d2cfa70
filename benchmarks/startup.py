"""How long a command takes that does nothing, and what it imports for that."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks._job import Job
from benchmarks._measure import Bench, Sample, Skipped
from benchmarks._result import Result, at_most
from benchmarks._rounds import take_turns

__all__ = ["run"]

_OURS = ("longshore --help", "longshore providers")
_THEIRS = ("aws --version", "llm --version")
_HEAVY = ("httpx", "httpcore", "sqlite3", "starlette", "uvicorn", "vcr", "matplotlib")


def run(bench: Bench) -> Result:
    """Measure at least five starts of each command."""
    contenders: dict[str, Callable[[], Sample]] = {
        line: partial(_start, bench, line) for line in (*_OURS, *_THEIRS)
    }
    rounds = take_turns(contenders, max(bench.rounds, bench.scale.starts), bench.say)
    how = "Wall time of the whole process, one core, files in the page cache. Medians."
    result = Result("startup", "Start-up", how, ["command", "ms", "imports of heavy modules"])
    for line in rounds.samples:
        wall = rounds.median(line, lambda sample: sample.seconds * 1000)
        heavy = _heavy(line) if line in _OURS else None
        result.rows.append([line, wall, ", ".join(heavy) or "none" if heavy is not None else None])
        if heavy is not None:
            result.goals.append(at_most(150, f"{line}: wall time", wall, "ms"))
            result.goals.append(at_most(0, f"{line}: heavy modules", float(len(heavy)), ""))
    result.notes += [f"{line}: {why}" for line, why in rounds.skipped.items()]
    return result


def _program(name: str) -> str:
    own = Path(sys.executable).with_name(name)
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise Skipped(f"{name} is not installed")
    return found


def _start(bench: Bench, line: str) -> Sample:
    name, *arguments = line.split()
    command = [_program(name), *arguments]
    return bench.measure("commands:start", Job(options={"command": command}))


def _heavy(line: str) -> list[str]:
    """Name what is imported although such a command needs none of it."""
    name, *arguments = line.split()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", _program(name), *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    loaded = {entry.rpartition("|")[2].strip() for entry in done.stderr.splitlines()}
    return [module for module in _HEAVY if module in loaded]
