"""The question after a lost answer: did that POST make a job?

A job knows neither the session's key nor a file name, and no key or reference can be given to
it. What remains is a look at the recent jobs and their datasets, which is a heuristic: it says
"found" only when exactly one job can be meant and its dataset has the document's name, ending and
size, and "not done" only when no job can be meant.

Assumption: the vendor may change a name (its encoding, its normal form, its ending), and may tell
a size late. So only another size rules a job out; a job that merely could be ours decides nothing.

Source: docs.subworkflow.ai/api-reference/get-v1-jobs (finished jobs leave the list 24 h after
they ended) and .../get-v1-datasets-id (name without ending, ending, size, time).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeAlias

from longshore.provider import (
    Answer,
    Ask,
    Document,
    Flow,
    Found,
    LostRequest,
    NotDone,
    Refused,
    Request,
    Response,
    Undecided,
    quoted,
)
from longshore_subworkflow.wire import PAGE, Dataset, DatasetReply, JobList, JobRecord

__all__ = ["ask_for_job"]

_PAGES = 100  # 10,000 jobs since the request left
_SKEW = 60.0  # seconds by which the clocks may be further apart than their dates tell
_AGAIN = 30.0
_LISTED_FOR = 24 * 3600.0

_Candidate: TypeAlias = tuple[JobRecord, Dataset]


def ask_for_job(document: Document) -> Ask:
    """Return the question whether a lost request made a job of this document."""

    def ask(lost: LostRequest) -> Flow[Answer]:
        recent: dict[str, JobRecord] = {}  # the list may shift while it is read
        for page in range(_PAGES):
            reply = yield Request.get("/v1/jobs", {"limit": PAGE, "offset": page * PAGE})
            jobs = reply.parse(JobList).data
            new = [*_since(jobs, _sent_at(lost, reply))]
            recent |= {job.id: job for job in new if job.id not in lost.claimed}
            last = not new and _newest_first(jobs)  # a page of claimed jobs is not the last one
            if last or len(jobs) < PAGE:
                break
        else:
            return Undecided(_AGAIN, "too many jobs to look through")
        fitting: list[_Candidate] = []
        for job in recent.values():
            dataset = yield from _dataset_of(job)
            if dataset is None:
                return Undecided(_AGAIN, f"the dataset of job {job.id} cannot be read")
            if dataset.file_size in (None, 0, document.size):
                fitting.append((job, dataset))
        return _judge(document, fitting, lost, reply)

    return ask


def _sent_at(lost: LostRequest, reply: Response) -> float:
    """When the lost request left, by the vendor's clock: ours may be hours ahead of it."""
    date = _date(reply)
    if date is None or reply.received_at is None:
        return lost.sent_at
    return date - (reply.received_at - lost.sent_at)


def _since(jobs: tuple[JobRecord, ...], sent_at: float) -> Iterator[JobRecord]:
    """Pick the jobs that came after the lost request left.

    The job's own time counts, not its dataset's: whether a session's dataset is as old as its
    ``start`` or its ``end`` is not documented. A job without a time may be any.
    """
    earliest = (sent_at - _SKEW) * 1000
    for job in jobs:
        if (job.created_at or earliest) >= earliest:
            yield job


def _newest_first(jobs: tuple[JobRecord, ...]) -> bool:
    """Tell whether only older jobs can follow: no page tells the order, only a client's README."""
    times = [job.created_at for job in jobs if job.created_at]
    return bool(times) and times[0] > times[-1] and times == sorted(times, reverse=True)


def _dataset_of(job: JobRecord) -> Flow[Dataset | None]:
    if job.dataset_id is None:
        return None
    try:
        reply = yield Request.get(f"/v1/datasets/{quoted(job.dataset_id)}")
    except Refused as refused:
        if refused.status == 404:
            return None
        raise
    return reply.parse(DatasetReply).data


def _is_named(document: Document, dataset: Dataset) -> bool:
    """Compare name and ending; the name counts with and without its ending."""
    ending = dataset.file_ext.lower().lstrip(".")
    named = dataset.file_name in (document.stem, document.name)
    return named and ending == document.extension.lstrip(".")


def _judge(
    document: Document, fitting: list[_Candidate], lost: LostRequest, reply: Response
) -> Answer:
    """Judge by the jobs whose size does not rule them out.

    Where one has our very name the vendor keeps such names, and those of other names are not ours.
    """
    mine = [found for found in fitting if _is_named(document, found[1])] or fitting
    if len(mine) > 1:
        ids = ", ".join(job.id for job, _ in mine)
        return Undecided(_AGAIN, f"more than one job may be the one: {ids}")
    if mine:
        job, dataset = mine[0]
        if not (_is_named(document, dataset) and dataset.file_size):
            return Undecided(_AGAIN, f"job {job.id} may be the one: its name or size does not tell")
        if any(_alike(document, rival) for rival in lost.rivals):
            return Undecided(_AGAIN, f"job {job.id} may be that of an equal document")
        record = job.model_dump(mode="json", by_alias=True)
        return Found(Response.of({"success": True, "total": 1, "data": record}))
    if _too_late(lost, reply):
        return Undecided(_AGAIN, "a job that ended more than 24 hours ago is not listed any more")
    if lost.asked < 1:
        return Undecided(_AGAIN, "no such job yet; the request may still arrive")
    return NotDone()


def _alike(one: Document, other: Document) -> bool:
    return (one.stem, one.extension, one.size) == (other.stem, other.extension, other.size)


def _too_late(lost: LostRequest, reply: Response) -> bool:
    """Tell by the vendor's own clock whether the job could have left the list already."""
    date = _date(reply)
    return date is not None and date - _sent_at(lost, reply) > _LISTED_FOR


def _date(reply: Response) -> float | None:
    try:
        date = parsedate_to_datetime(reply.headers.get("date", ""))
    except (ValueError, OverflowError):  # OverflowError: an absurd year or time zone
        return None
    return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
