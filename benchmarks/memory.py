"""Peak memory: it depends on the settings, never on the size of the document."""

from __future__ import annotations

from functools import partial

from benchmarks._measure import Bench
from benchmarks._result import Result, at_most
from benchmarks._rounds import take_turns
from benchmarks.parts import upload_in_parts

__all__ = ["run"]

_AT_ONCE = 8


def run(bench: Bench) -> Result:
    """Measure two sizes, plain HTTP and TLS."""
    sizes = bench.scale.document, bench.scale.large
    names = {
        (size, secure): f"{size / 2**30:,.3g} GiB{', TLS' if secure else ''}"
        for secure in (False, True)
        for size in sizes
    }

    rounds = take_turns(
        {
            name: partial(upload_in_parts, bench, size, at_once=_AT_ONCE, secure=secure)
            for (size, secure), name in names.items()
        },
        1,  # a peak is a peak
        bench.say,
    )
    part = bench.scale.part >> 20
    how = f"One sparse document end to end in parts of {part} MiB, {_AT_ONCE} at once."
    result = Result("memory", "Peak memory", how, ["document", "peak MB", "MB/s"])
    peaks = {name: rounds.median(name, lambda sample: sample.rss / 1e6) for name in names.values()}
    for name, peak in peaks.items():
        result.rows.append([name, peak, rounds.median(name, lambda sample: sample.rate)])
        result.goals.append(at_most(80, f"{name}: peak memory", peak, "MB"))
    small, large = peaks[names[sizes[0], False]], peaks[names[sizes[1], False]]
    ratio = large / small if large and small else None
    result.goals.append(at_most(1.05, f"{sizes[1] / sizes[0]:.0f} times the size: memory", ratio))
    result.notes += [f"{name}: {why}" for name, why in rounds.skipped.items()]
    return result
