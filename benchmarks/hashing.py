"""SHA-256 while the bytes are on their way, against the slower of the two alone."""

from __future__ import annotations

from benchmarks._job import Job
from benchmarks._measure import Bench, Sample
from benchmarks._result import Result, at_most
from benchmarks._rounds import Rounds, take_turns
from benchmarks.parts import upload_in_parts

__all__ = ["run"]

_HASH = "hashing alone"


def run(bench: Bench) -> Result:
    """Measure plain HTTP and TLS; every core is for everybody here."""
    size = bench.scale.document
    file = bench.document(size)

    def send(*, secure: bool, checksum: bool) -> Sample:
        return upload_in_parts(bench, size, secure=secure, checksum=checksum, both_cores=True)

    rounds = take_turns(
        {
            _HASH: lambda: bench.measure("longshore:digest", Job(file=file), both_cores=True),
            "sending alone": lambda: send(secure=False, checksum=False),
            "sending and hashing": lambda: send(secure=False, checksum=True),
            "sending alone, TLS": lambda: send(secure=True, checksum=False),
            "sending and hashing, TLS": lambda: send(secure=True, checksum=True),
        },
        bench.rounds,
        bench.say,
    )
    how = f"{size / 2**20:,.0f} MiB end to end; client and sink share all cores. Medians."
    columns = ["what", "wall s", "of the slower one", "CPU s"]
    result = Result("hashing", "Hashing while sending", how, columns)
    for what in rounds.samples:
        suffix = ", TLS" if what.endswith(", TLS") else ""
        ratio = _ratio(rounds, what, f"sending alone{suffix}") if "and" in what else None
        seconds = rounds.median(what, lambda sample: sample.seconds)
        result.rows.append([what, seconds, ratio, rounds.median(what, lambda sample: sample.cpu)])
    both = _ratio(rounds, "sending and hashing", "sending alone")
    result.goals.append(at_most(1.15, "wall time of the slower of hashing and sending", both))
    result.notes += [f"{what}: {why}" for what, why in rounds.skipped.items()]
    return result


def _ratio(rounds: Rounds, both: str, sending: str) -> float | None:
    alone = _HASH, sending
    ratios = [rounds.ratio(both, other, lambda sample: sample.seconds) for other in alone]
    known = [ratio for ratio in ratios if ratio is not None]
    return min(known) if len(known) == len(alone) else None
