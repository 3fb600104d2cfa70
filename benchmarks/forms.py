"""The same bytes inside multipart forms, against signed parts: no form is built in memory."""

from __future__ import annotations

from benchmarks._measure import Bench, Sample
from benchmarks._result import Result, at_least
from benchmarks._rounds import take_turns
from benchmarks._targets import settings, upload_job
from benchmarks.parts import AT_ONCE, cpu, rate, upload_in_parts

__all__ = ["run"]

_SIGNED, _APPEND, _FORM = "signed parts", "Subworkflow, append", "Plangrep, form"


def run(bench: Bench) -> Result:
    """Measure the three ways end to end."""
    rounds = take_turns(
        {
            _SIGNED: lambda: upload_in_parts(bench, bench.scale.document),
            _APPEND: lambda: _append(bench),
            _FORM: lambda: _forms(bench),
        },
        bench.rounds,
        bench.say,
    )
    how = (
        f"{bench.scale.document / 2**20:,.0f} MiB end to end, {AT_ONCE} requests at once. The form "
        f"of Plangrep holds whole documents: {AT_ONCE} of them, each in a batch of its own."
    )
    result = Result("forms", "Multipart forms", how, ["way", "MB/s", "of signed", "CPU s/GiB"])
    for way in rounds.samples:
        ratio = rounds.ratio(way, _SIGNED, rate)
        result.rows.append([way, rounds.median(way, rate), ratio, rounds.median(way, cpu)])
        if way != _SIGNED:
            result.goals.append(at_least(0.8, f"{way}: MB/s of signed parts", ratio))
    result.notes += [f"{way}: {why}" for way, why in rounds.skipped.items()]
    return result


def _append(bench: Bench) -> Sample:
    told = settings(bench, "subworkflow") | {
        "session_threshold": "0",
        "part_size": str(bench.scale.part),
    }
    paths, run = [bench.document(bench.scale.document)], {"checksum": False}
    job = upload_job(bench, "subworkflow", told, paths=paths, at_once=AT_ONCE, run=run)
    return bench.measure("longshore:upload", job)


def _forms(bench: Bench) -> Sample:
    paths = [bench.document(bench.scale.document // AT_ONCE)] * AT_ONCE
    told, run = settings(bench, "plangrep"), {"checksum": False, "batch_size": 1}
    job = upload_job(bench, "plangrep", told, paths=paths, at_once=AT_ONCE, run=run)
    return bench.measure("longshore:upload", job)
