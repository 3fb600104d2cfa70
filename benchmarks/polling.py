"""Many jobs that one process polls: what it costs, and whether it keeps to the pace."""

from __future__ import annotations

from benchmarks._job import Job
from benchmarks._measure import Bench, Sample, Wrong
from benchmarks._result import Result, at_least, at_most
from benchmarks._targets import settings

__all__ = ["run"]

_SHARE = 1 / 3  # what the small budget allows of the polls that are due


def run(bench: Bench) -> Result:
    """Measure polls without a limit, then with a budget that is too small."""
    scale = bench.scale
    how = (
        f"{scale.polled:,} jobs of Subworkflow that never end, a poll every {scale.interval:g} s "
        f"each, watched for {scale.watched:g} s; then fewer jobs with a third of the requests that "
        "would be due."
    )
    columns = [
        "jobs",
        "budget a minute",
        "polls/s",
        "CPU of a core",
        "least pause s",
        "polls of a job",
    ]
    result = Result("polling", "Jobs being polled", how, columns)
    free = _watch(bench, result, scale.polled, scale.interval, None)
    if free is not None:
        share = free.cpu / free.seconds * 100
        wanted = scale.polled / scale.interval * 0.95
        result.goals.append(at_most(15, f"{scale.polled:,} jobs: CPU of a core", share, "%"))
        rate = free.more["polls"] / free.more["seconds"]
        result.goals.append(at_least(wanted, "polls a second, of all that are due", rate, "/s"))
    jobs, interval = max(scale.polled // 10, 3), scale.interval / 6
    budget = jobs / interval * _SHARE * 60
    tight = _watch(bench, result, jobs, interval, budget)
    if tight is not None:
        more = tight.more
        allowed = budget * max(more["seconds"] / 60, 1)
        result.goals += [
            at_most(allowed, "small budget: polls in the time watched", more["polls"], ""),
            at_least(interval * 0.98, "small budget: pause between polls", more["least_gap"], "s"),
            # One for where the watch begins and ends, one for the order of requests at once.
            at_most(2, "oldest first: polls that jobs differ by", _spread(more), ""),
        ]
    return result


def _spread(more: dict[str, float]) -> float:
    return more["most_polls"] - more["least_polls"]


def _watch(
    bench: Bench, result: Result, jobs: int, interval: float, budget: float | None
) -> Sample | None:
    told = settings(bench, "subworkflow", "r", poll=interval)
    if budget is not None:
        told["requests_per_minute"] = str(budget)
    options = {
        "provider": "subworkflow",
        "settings": told,
        "paths": [bench.small_documents(jobs)],
        "run": {"batch_size": 1, "checksum": False},
        "jobs": jobs,
        "interval": interval,
        "watched": bench.scale.watched,
    }
    job = Job(url=bench.sink.url(), at_once=16, options=options)
    try:
        sample = bench.measure("longshore:polled", job)
    except Wrong as error:
        result.notes.append(str(error))
        return None
    more = sample.more
    polls = f"{more['least_polls']:.0f} to {more['most_polls']:.0f}"
    share = f"{sample.cpu / sample.seconds:.1%}"
    rate = more["polls"] / more["seconds"]  # by the sink's clock, from question to question
    result.rows.append([f"{jobs:,}", budget or "none", rate, share, more["least_gap"], polls])
    bench.say(f"  {jobs:,} jobs: {rate:.0f} polls/s, {share} of a core")
    return sample
