"""What the durable record costs, against a run whose journal is in memory."""

from __future__ import annotations

from functools import partial
from statistics import median

from benchmarks._measure import Bench, Sample
from benchmarks._result import Result, at_most
from benchmarks._rounds import Rounds, take_turns
from benchmarks.small import upload_small

__all__ = ["run"]

_LATE = 50


def run(bench: Bench) -> Result:
    """Measure Subworkflow, whose documents take the fewest requests: the journal weighs most."""
    turns = 2 * bench.rounds - 1  # a small difference of large figures
    vendors = {
        "at once": partial(_carry, bench, max(bench.scale.small * 2 // 5, 1), 64, ""),
        f"after {_LATE} ms": partial(
            _carry, bench, max(bench.scale.late // 2, 1), 16, f"-d{_LATE}"
        ),
    }
    contenders = {
        _name(kind, answers): partial(carry, kind)
        for answers, carry in vendors.items()
        for kind in ("sqlite", "memory")
    }
    rounds = take_turns(contenders, turns, bench.say)
    how = (
        "Subworkflow, documents of 16 KiB, one a batch, everything on one core: 64 requests at "
        f"once to a vendor that answers at once, 16 to one that takes {_LATE} ms. {turns} turns "
        "each; differences and ratios are medians of the turns' own."
    )
    columns = ["journal", "the vendor answers", "documents", "wall s", "CPU ms/document"]
    result = Result("journal", "The journal", how, columns)
    for answers in vendors:
        _add(result, rounds, answers)
    result.notes += [f"{name}: {why}" for name, why in rounds.skipped.items()]
    return result


def _carry(bench: Bench, count: int, at_once: int, vendor: str, kind: str) -> Sample:
    client = f"longshore:with_{kind}"
    return upload_small(bench, "subworkflow", count, at_once, client=client, vendor=vendor)


def _cpu(sample: Sample) -> float:
    return sample.cpu * 1e3 / sample.more["documents"]


def _wall(sample: Sample) -> float:
    return sample.seconds


def _name(kind: str, answers: str) -> str:
    return f"{kind}, {answers}"


def _add(result: Result, rounds: Rounds, answers: str) -> None:
    durable, forgetful = names = _name("sqlite", answers), _name("memory", answers)
    for name in names:
        count = rounds.median(name, lambda sample: sample.more["documents"])
        figures = [rounds.median(name, of) for of in (_wall, _cpu)]
        result.rows.append([name.partition(",")[0], answers, count and int(count), *figures])
    pairs = list(zip(*(rounds.samples.get(name, []) for name in names), strict=False))
    cost = median(_cpu(a) - _cpu(b) for a, b in pairs) if pairs else None
    what = f"the vendor answers {answers}"
    result.goals.append(at_most(0.2, f"{what}: CPU per document for the journal", cost, "ms"))
    ratio = rounds.ratio(durable, forgetful, _wall)
    result.goals.append(at_most(1.05, f"{what}: wall time of the run without journal", ratio))
