"""A vendor that answers late, against the ideal pipeline: always as many requests as allowed."""

from __future__ import annotations

from functools import partial

from benchmarks._measure import Bench, Sample
from benchmarks._result import Result, at_least
from benchmarks._rounds import take_turns
from benchmarks._targets import PROVIDERS, SHAPES, settings, upload_job

__all__ = ["run"]

_LATE = 0.05
_AT_ONCE = 16


def run(bench: Bench) -> Result:
    """Measure every provider."""
    count = bench.scale.late
    names = {provider: _ideal(provider, count) for provider in PROVIDERS}
    paths = [bench.small_documents(count)]

    def late(provider: str) -> Sample:
        told = settings(bench, provider, f"d{_LATE * 1000:.0f}")
        run = {"batch_size": 1}
        job = upload_job(bench, provider, told, paths=paths, at_once=_AT_ONCE, run=run)
        return bench.measure("longshore:upload", job)

    rounds = take_turns(
        {name: partial(late, name) for name in names},
        bench.rounds,
        bench.say,
    )
    how = (
        f"{count:,} documents of 16 KiB, one a batch, {_AT_ONCE} requests at once, every answer "
        f"after {_LATE * 1000:.0f} ms. Ideal: one request to prepare, then {_AT_ONCE} always on "
        "their way."
    )
    columns = ["provider", "wall s", "ideal s", "of the ideal"]
    result = Result("latency", "A vendor that answers late", how, columns)
    for name, ideal in names.items():
        wall = rounds.median(name, lambda sample: sample.seconds)
        share = ideal / wall if wall else None
        result.rows.append([name, wall, ideal, share])
        result.goals.append(at_least(0.97, f"{name}: speed of the ideal pipeline", share))
    result.notes += [f"{name}: {why}" for name, why in rounds.skipped.items()]
    return result


def _ideal(provider: str, count: int) -> float:
    """One harmless request first, where the vendor has one; then turns of equal length."""
    first = 0 if provider == "sendai" else 1
    return (first + -(-count // _AT_ONCE) * len(SHAPES[provider])) * _LATE
