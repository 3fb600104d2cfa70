"""How cost grows: with the size of a document, with their number, with requests at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks._measure import Bench, Sample, Wrong
from benchmarks._plots import exponent
from benchmarks._result import Curve, Result
from benchmarks._targets import settings, upload_job
from benchmarks.manifest import manifest_of, plan_and_enqueue
from benchmarks.parts import upload_in_parts
from benchmarks.small import bare_loop, documents_a_second, upload_small

__all__ = ["measured", "run"]

_MIB = 2**20
_LONGEST = 240.0
"""Seconds: a point that would take longer, by the one before it, is left out, and that is told."""


@dataclass(frozen=True, slots=True)
class Axes:
    """One picture."""

    plot: str
    x: str
    y: str


def run(bench: Bench) -> Result:
    """Draw the curves; each point is one run, because a curve shows its own noise."""
    how = (
        "One run a point. Exponents are fitted to the last three points, log-log. A curve ends "
        f"where one more point would take more than {_LONGEST:.0f} seconds; that is told below. "
        "Documents up to 4 GiB are in the page cache, larger ones are not."
    )
    result = Result("scaling", "How cost grows", how, ["curve", "from", "to", "exponent"])
    for draw in (_by_size, _by_documents, _by_requests):
        draw(bench, result)
    return result


def _by_size(bench: Bench, result: Result) -> None:
    at = partial(upload_in_parts, bench)
    samples = measured(bench, result, "bytes uploaded", bench.scale.sizes, at)
    samples = [(x // _MIB, sample) for x, sample in samples]
    cost, memory = Axes("Cost by size", "MiB", "seconds"), Axes("Memory by size", "MiB", "MB")
    _add(result, cost, "wall", samples, _wall)
    _add(result, cost, "CPU", samples, _cpu)
    _add(result, memory, "peak", samples, _peak)


def _by_documents(bench: Bench, result: Result) -> None:
    cost = Axes("Cost by documents", "documents", "CPU seconds")
    memory = Axes("Memory by documents", "documents", "MB")
    scale = bench.scale
    for what, points, at in (
        ("uploaded end to end", scale.counts, partial(_upload, bench)),
        ("planned", scale.planned, partial(plan_and_enqueue, bench, verb="plan")),
        ("enqueued", scale.planned, partial(plan_and_enqueue, bench, verb="enqueue")),
    ):
        samples = measured(bench, result, f"documents {what}", points, at)
        _add(result, cost, what, samples, _cpu)
        _add(result, memory, what, samples, _peak)


def _by_requests(bench: Bench, result: Result) -> None:
    speed = Axes("Speed by requests at once", "requests at once", "documents/s")
    cost = Axes("Cost by requests at once", "requests at once", "CPU us a request")
    count = bench.scale.bare
    for who, at in (
        ("Longshore", partial(upload_small, bench, "geolens", count)),
        ("bare httpx loop", partial(bare_loop, bench, "geolens")),
    ):
        samples = measured(bench, result, f"requests at once, {who}", bench.scale.at_once, at)
        _add(result, speed, who, samples, documents_a_second)
        _add(result, cost, who, samples, _cpu_a_request)


def _upload(bench: Bench, count: int) -> Sample:
    told, manifest = settings(bench, "subworkflow"), str(manifest_of(bench, count))
    run = {"batch_size": 1}
    job = upload_job(
        bench, "subworkflow", told, paths=["-"], at_once=64, run=run, manifest=manifest
    )
    return bench.measure("longshore:upload", job)


def measured(
    bench: Bench, result: Result, what: str, points: Sequence[int], at: Callable[[int], Sample]
) -> list[tuple[int, Sample]]:
    """Measure point after point; those that are left out are named in the result's notes."""
    samples: list[tuple[int, Sample]] = []
    for point in points:
        label = f"{point:,} {what}"
        if (likely := _likely(samples, point)) > _LONGEST:
            result.notes.append(f"{label}: not measured; it would take about {likely:,.0f} s")
            continue
        try:
            samples.append((point, at(point)))
        except Wrong as error:
            result.notes.append(f"{label}: {error}")
            continue
        bench.say(f"  {label}: {samples[-1][1].seconds:.2f} s")
    return samples


def _likely(samples: Sequence[tuple[int, Sample]], point: int) -> float:
    """Say how many seconds a point will take if each of its units takes what they took so far."""
    if not samples:
        return 0.0
    last, sample = samples[-1]
    return sample.seconds * point / last


def _add(
    result: Result,
    axes: Axes,
    label: str,
    samples: Sequence[tuple[int, Sample]],
    of: Callable[[Sample], float],
) -> None:
    points = [(float(x), of(sample)) for x, sample in samples]
    if not points:
        result.notes.append(f"{axes.plot}, {label}: no point could be measured")
        return
    result.curves.append(Curve(axes.plot, label, axes.x, axes.y, points))
    ends = [f"{x:,.6g} {axes.x}: {y:.3g} {axes.y}" for x, y in (points[0], points[-1])]
    result.rows.append([f"{axes.plot}: {label}", *ends, exponent(points)])


def _wall(sample: Sample) -> float:
    return sample.seconds


def _cpu(sample: Sample) -> float:
    return sample.cpu


def _peak(sample: Sample) -> float:
    return sample.rss / 1e6


def _cpu_a_request(sample: Sample) -> float:
    return sample.cpu_per_request
