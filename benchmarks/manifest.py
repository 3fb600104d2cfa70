"""A manifest of a million documents: planned, and made durable."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from benchmarks._job import Job
from benchmarks._measure import Bench, Sample
from benchmarks._result import Result, at_least, at_most
from benchmarks._rounds import Rounds, take_turns
from benchmarks._targets import settings
from benchmarks.small import documents_a_second

__all__ = ["manifest_of", "plan_and_enqueue", "run"]

_FILES = 1000


def plan_and_enqueue(bench: Bench, lines: int, verb: str) -> Sample:
    """``longshore plan -``, or the beginning of an upload of so many documents."""
    options = {
        "provider": "subworkflow",
        "settings": settings(bench, "subworkflow"),
        "manifest": str(manifest_of(bench, lines)),
        "documents": lines,
    }
    return bench.measure(f"longshore:{verb}", Job(options=options))


def manifest_of(bench: Bench, lines: int) -> Path:
    path = bench.folder / f"manifest-{lines}.jsonl"
    if not path.exists():
        folder = bench.small_documents(min(lines, _FILES))
        with path.open("w") as file:
            for number in range(lines):
                source = f"{folder}/d{number % _FILES:06}.pdf"
                entry = {"path": source, "name": f"document-{number:07}.pdf"}
                file.write(json.dumps(entry) + "\n")
    return path


def run(bench: Bench) -> Result:
    """Measure the two steps, and how their memory grows."""
    many = bench.scale.manifest
    few = max(many // 10, 1)

    def turns(times: int, *steps: tuple[str, int]) -> Rounds:
        contenders = {
            f"{verb} {count}": partial(plan_and_enqueue, bench, count, verb)
            for verb, count in steps
        }
        return take_turns(contenders, times, bench.say)

    rounds = turns(bench.rounds, ("plan", few), ("plan", many), ("enqueue", few))
    once = turns(1, ("enqueue", many))  # takes minutes, and a peak is a peak
    rounds.samples |= once.samples
    rounds.skipped |= once.skipped
    how = (
        "A manifest on standard input that names each document's file; one document a batch. "
        f"Medians, but {many:,} documents are enqueued once."
    )
    columns = ["step", "documents", "documents/s", "CPU us/document", "peak MB"]
    result = Result("manifest", "A manifest of many documents", how, columns)
    for name in rounds.samples:
        verb, count = name.split()
        cpu = rounds.median(name, lambda sample: sample.cpu * 1e6 / sample.more["documents"])
        peak = rounds.median(name, lambda sample: sample.rss / 1e6)
        speed = rounds.median(name, documents_a_second)
        result.rows.append([verb, f"{int(count):,}", speed, cpu, peak])
        if int(count) == many:
            what = f"{verb}, {many:,} documents: peak memory"
            result.goals.append(at_most(150, what, peak, "MB"))
            if verb == "plan":
                what = f"{many:,} documents planned"
                result.goals.append(at_least(50_000, what, speed, "documents/s"))
    result.notes += [f"{name}: {why}" for name, why in rounds.skipped.items()]
    return result
