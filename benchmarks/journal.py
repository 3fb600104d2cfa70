"""What the durable record costs, against a run whose journal is in memory."""

from __future__ import annotations

from functools import partial
from statistics import median

from benchmarks._measure import Bench
from benchmarks._result import Result, at_most
from benchmarks._rounds import take_turns
from benchmarks.small import upload_small

__all__ = ["run"]

_AT_ONCE = 64


def run(bench: Bench) -> Result:
    """Measure Subworkflow, whose documents take the fewest requests: the journal weighs most."""
    count = bench.scale.small
    rounds = take_turns(
        {
            kind: partial(
                upload_small, bench, "subworkflow", count, _AT_ONCE, client=f"longshore:with_{kind}"
            )
            for kind in ("sqlite", "memory")
        },
        bench.rounds,
        bench.say,
    )
    how = f"Subworkflow, {count:,} documents of 16 KiB, one a batch, {_AT_ONCE} at once."
    columns = ["journal", "wall s", "CPU ms/document"]
    result = Result("journal", "The journal", how, columns)
    for kind in rounds.samples:
        cpu = rounds.median(kind, lambda sample: sample.cpu)
        wall = rounds.median(kind, lambda sample: sample.seconds)
        result.rows.append([kind, wall, cpu * 1e3 / count if cpu else None])
    pairs = zip(*(rounds.samples.get(kind, []) for kind in ("sqlite", "memory")), strict=False)
    costs = [(a.cpu - b.cpu) * 1e3 / count for a, b in pairs]
    cost = median(costs) if costs else None
    result.goals.append(at_most(0.2, "CPU per document for the journal", cost, "ms"))
    ratio = rounds.ratio("sqlite", "memory", lambda sample: sample.seconds)
    result.goals.append(at_most(1.05, "wall time of the run without journal", ratio))
    result.notes += [f"{kind}: {why}" for kind, why in rounds.skipped.items()]
    return result
