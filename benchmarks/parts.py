"""One large document in signed parts, beside everything that could carry them instead."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks._job import Job
from benchmarks._measure import Bench, Sample, Wrong
from benchmarks._result import Goal, Result, at_least, at_most
from benchmarks._rounds import Rounds, take_turns
from benchmarks._targets import settings, upload_job

__all__ = ["AT_ONCE", "plain", "tls", "upload_in_parts"]

AT_ONCE = 4
CLIENTS = {
    "raw sockets": "raw:sendfile",
    "Longshore, transport": "longshore:transport",
    "httpx, part as bytes": "stock_httpx:as_bytes",
    "httpx, generator": "stock_httpx:generator",
    "httpx.AsyncClient": "stock_httpx:asynchronous",
    "aiohttp": "aio:asynchronous",
    "pycurl": "curl:easy",
    "obstore, HTTP": "obstores:http",
    "obstore, S3": "obstores:s3",
    "awscrt, S3": "crt:s3",
    "boto3": "boto:s3transfer",
}
WHOLE, TRANSPORT, RAW = "Longshore, end to end", "Longshore, transport", "raw sockets"
HTTPX = ("httpx, part as bytes", "httpx, generator")
COLUMNS = ["client", "MB/s", "of raw", "CPU s/GiB", "CPU of raw", "peak MB"]


def rate(sample: Sample) -> float:
    return sample.rate


def cpu(sample: Sample) -> float:
    return sample.cpu_per_gib


def plain(bench: Bench) -> Result:
    """Measure plain HTTP."""
    rounds = _measure(bench, secure=False)
    result = _result("parts", "One document in signed parts, plain HTTP", bench, rounds)
    result.goals += [goal for us in (TRANSPORT, WHOLE) for goal in _plain_goals(rounds, us)]
    return result


def tls(bench: Bench) -> Result:
    """Measure TLS."""
    rounds = _measure(bench, secure=True)
    result = _result("tls", "One document in signed parts, TLS", bench, rounds)
    result.goals += [goal for us in (TRANSPORT, WHOLE) for goal in _tls_goals(rounds, us)]
    return result


def _measure(bench: Bench, *, secure: bool) -> Rounds:
    size, url = bench.scale.document, bench.sink.url(secure=secure)
    job = Job(
        url=url,
        file=bench.document(size),
        size=size,
        part=bench.scale.part,
        at_once=AT_ONCE,
        ca=str(bench.certificate) if secure else "",
    )

    def contender(client: str) -> Callable[[], Sample]:
        return lambda: _whole(bench.measure(client, job), size)

    contenders = {name: contender(client) for name, client in CLIENTS.items()}
    contenders[WHOLE] = lambda: _whole(upload_in_parts(bench, size, secure=secure), size)
    return take_turns(contenders, bench.rounds, bench.say)


def _whole(sample: Sample, size: int) -> Sample:
    """Check that every byte arrived; calls around the parts may add a little."""
    if not size <= sample.size <= size * 1.01 + (1 << 20):
        raise Wrong(f"{size:,} bytes were to be sent, {sample.size:,} arrived")
    return sample


def upload_in_parts(
    bench: Bench,
    size: int,
    *,
    at_once: int = AT_ONCE,
    secure: bool = False,
    checksum: bool = False,
    both_cores: bool = False,
) -> Sample:
    """Carry a document through signed URLs, by the Python API with its journal."""
    told = settings(bench, "geolens", f"p{bench.scale.part}", secure=secure)
    paths, run = [bench.document(size)], {"checksum": checksum}
    job = upload_job(bench, "geolens", told, paths=paths, at_once=at_once, run=run)
    return bench.measure("longshore:upload", job, both_cores=both_cores)


def _result(name: str, title: str, bench: Bench, rounds: Rounds) -> Result:
    scale = bench.scale
    how = (
        f"{scale.document / 2**20:,.0f} MiB from the page cache, parts of {scale.part >> 20} MiB, "
        f"{AT_ONCE} at once, nothing is hashed. Medians; ratios are medians of the rounds' own."
    )
    result = Result(name, title, how, COLUMNS)
    for client in rounds.samples:
        memory = rounds.median(client, lambda sample: sample.rss / 1e6)
        result.rows.append(
            [
                client,
                rounds.median(client, rate),
                rounds.ratio(client, RAW, rate),
                rounds.median(client, cpu),
                rounds.ratio(client, RAW, cpu),
                memory,
            ]
        )
    result.notes += [f"{client}: {why}" for client, why in rounds.skipped.items()]
    return result


def _httpx(rounds: Rounds, us: str) -> float | None:
    """Compare with the better one of the two ways."""
    ratios = [r for name in HTTPX if (r := rounds.ratio(us, name, rate)) is not None]
    return min(ratios, default=None)


def _plain_goals(rounds: Rounds, us: str) -> list[Goal]:
    others = [name for name in CLIENTS if name not in (RAW, TRANSPORT)]
    mine, best = rounds.median(us, cpu), rounds.least(others, cpu)
    return [
        at_least(0.75, f"{us}: MB/s of raw sockets", rounds.ratio(us, RAW, rate)),
        at_most(1.4, f"{us}: CPU per GiB of raw sockets", rounds.ratio(us, RAW, cpu)),
        at_least(3.3, f"{us}: MB/s of stock httpx, sync", _httpx(rounds, us)),
        at_least(2, f"{us}: MB/s of pycurl", rounds.ratio(us, "pycurl", rate)),
        at_least(5, f"{us}: MB/s of obstore's S3 store", rounds.ratio(us, "obstore, S3", rate)),
        at_least(10, f"{us}: MB/s of boto3", rounds.ratio(us, "boto3", rate)),
        at_most(1, f"{us}: CPU per GiB of the best peer", _over(mine, best)),
    ]


def _tls_goals(rounds: Rounds, us: str) -> list[Goal]:
    python = [name for name in CLIENTS if name not in (RAW, TRANSPORT)]
    python = [name for name in python if not name.startswith(("obstore", "awscrt", "pycurl"))]
    mine, best = rounds.median(us, cpu), rounds.least(python, cpu)
    return [
        at_least(1.1, f"{us}: MB/s of a raw SSLSocket", rounds.ratio(us, RAW, rate)),
        at_least(1.6, f"{us}: MB/s of stock httpx, sync", _httpx(rounds, us)),
        at_least(3, f"{us}: MB/s of boto3", rounds.ratio(us, "boto3", rate)),
        at_most(1.1, f"{us}: CPU per GiB of obstore, HTTP", rounds.ratio(us, "obstore, HTTP", cpu)),
        at_most(1, f"{us}: CPU per GiB of the best Python client", _over(mine, best)),
    ]


def _over(mine: float | None, theirs: float | None) -> float | None:
    return None if mine is None or not theirs else mine / theirs
