"""Small documents end to end, against the same requests in a bare ``httpx.AsyncClient`` loop."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from benchmarks._job import Job
from benchmarks._measure import Bench, Sample, Wrong
from benchmarks._result import Result, at_least, at_most
from benchmarks._rounds import Rounds, take_turns
from benchmarks._scale import Scale
from benchmarks._targets import BATCHING, PROVIDERS, SHAPES, settings, upload_job

__all__ = ["bare_loop", "batches", "documents_a_second", "queue", "run", "upload_small"]

_AT_ONCE = (1, 16, 64)
_WANTED = {16: 3.0, 64: 6.0}


def documents_a_second(sample: Sample) -> float:
    return sample.more["documents"] / sample.seconds


def _cpu(sample: Sample) -> float:
    return sample.cpu_per_request


def upload_small(
    bench: Bench,
    provider: str,
    count: int,
    at_once: int,
    *,
    batch: int = 1,
    client: str = "longshore:upload",
    vendor: str = "",
    **run: object,
) -> Sample:
    """Carry small documents end to end; the journal commits with FULL, as it does by default."""
    told = settings(bench, provider, f"f{batch}{vendor}")
    paths = [bench.small_documents(count)]
    more = {"batch_size": batch, **run}
    job = upload_job(bench, provider, told, paths=paths, at_once=at_once, run=more)
    sample = bench.measure(client, job)
    if sample.size < count * (16 << 10):
        raise Wrong(f"{count} documents were to be sent, {sample.size:,} bytes arrived")
    return sample


def bare_loop(bench: Bench, provider: str, at_once: int) -> Sample:
    url = bench.sink.url()
    shapes = [asdict(shape) for shape in SHAPES[provider]]
    options = {
        "documents": bench.scale.bare,
        "shapes": shapes,
        "base": f"{url}/{provider}/-",
    }
    return bench.measure("bare:loop", Job(url=url, at_once=at_once, options=options))


def run(bench: Bench) -> Result:
    """Measure every provider, one document a batch, at 1, 16 and 64 at once."""
    scale = bench.scale
    how = (
        f"{scale.small:,} documents of 16 KiB, one a batch, with planning, SHA-256 and a journal "
        f"on disk that commits with FULL; {_many(scale, 1):,} where one request is on its way at a "
        f"time. The bare loop sends the requests of {scale.bare:,} documents and nothing else. CPU "
        "of the whole upload, divided by its requests."
    )
    columns = ["provider", "at once", "documents/s", "bare loop", "ratio", "CPU us/request", "bare"]
    result = Result("small", "Small documents", how, columns)
    for provider in PROVIDERS:
        rounds = take_turns(
            {
                f"{who} {at_once}": contender
                for at_once in _AT_ONCE
                for who, contender in (
                    (
                        "longshore",
                        partial(upload_small, bench, provider, _many(scale, at_once), at_once),
                    ),
                    ("bare", partial(bare_loop, bench, provider, at_once)),
                )
            },
            bench.rounds,
            bench.say,
        )
        _add(result, provider, rounds)
    return result


def _many(scale: Scale, at_once: int) -> int:
    """Few documents where nothing but the cost of each is wanted, and each takes long."""
    return scale.small if at_once > 1 else min(2 * scale.bare, scale.small)


def _add(result: Result, provider: str, rounds: Rounds) -> None:
    for at_once in _AT_ONCE:
        us, bare = f"longshore {at_once}", f"bare {at_once}"
        ratio = rounds.ratio(us, bare, documents_a_second)
        mine = rounds.median(us, _cpu)
        result.rows.append(
            [
                provider,
                at_once,
                rounds.median(us, documents_a_second),
                rounds.median(bare, documents_a_second),
                ratio,
                mine,
                rounds.median(bare, _cpu),
            ]
        )
        what = f"{provider}, {at_once} at once"
        if at_once in _WANTED:
            result.goals.append(
                at_least(_WANTED[at_once], f"{what}: documents/s of the bare loop", ratio)
            )
        result.goals.append(at_most(350, f"{what}: CPU per request", mine, "us"))
    growth = rounds.ratio("longshore 64", "longshore 1", _cpu)
    result.goals.append(at_most(1.2, f"{provider}: CPU per request at 64, of that at 1", growth))
    result.notes += [f"{provider}, {name}: {why}" for name, why in rounds.skipped.items()]


def batches(bench: Bench) -> Result:
    """Measure full batches of the two providers that take many documents in one request."""
    scale = bench.scale
    count = scale.small - scale.small % scale.batch
    rounds = take_turns(
        {
            name: partial(upload_small, bench, name, count, 16, batch=scale.batch)
            for name in BATCHING
        },
        bench.rounds,
        bench.say,
    )
    how = f"{count:,} documents of 16 KiB, {scale.batch} a batch, 16 requests at once, all in."
    columns = ["provider", "documents/s", "CPU ms/document"]
    result = Result("batches", "Full batches", how, columns)
    for name in BATCHING:
        cost = rounds.median(name, _cpu_a_document)
        result.rows.append([name, rounds.median(name, documents_a_second), cost])
        result.goals.append(at_most(0.35, f"{name}: CPU per document", cost, "ms"))
    result.notes += [f"{name}: {why}" for name, why in rounds.skipped.items()]
    return result


def _cpu_a_document(sample: Sample) -> float:
    return sample.cpu * 1e3 / sample.more["documents"]


def queue(bench: Bench) -> Result:
    """Measure whether a document costs more where many are queued."""
    few, many = bench.scale.queued
    rounds = take_turns(
        {
            "few": lambda: upload_small(bench, "subworkflow", few, 64),
            "many": lambda: upload_small(bench, "subworkflow", many, 64),
        },
        bench.rounds,
        bench.say,
    )
    how = f"Subworkflow, one document a batch, 64 at once: {few:,} documents against {many:,}."
    columns = ["documents", "CPU ms/document", "documents/s"]
    result = Result("queue", "What a queue costs", how, columns)
    for count, name in ((few, "few"), (many, "many")):
        costs = [rounds.median(name, of) for of in (_cpu_a_document, documents_a_second)]
        result.rows.append([f"{count:,}", *costs])
    ratio = rounds.ratio("many", "few", _cpu_a_document)
    what = f"CPU per document with {many:,} queued, of that with {few:,}"
    result.goals.append(at_most(1.05, what, ratio))  # no more, but for noise
    result.notes += [f"{name}: {why}" for name, why in rounds.skipped.items()]
    return result
