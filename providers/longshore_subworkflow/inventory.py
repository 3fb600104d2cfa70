"""What the workspace holds: the jobs that are listed, with the name and size of their datasets."""

from __future__ import annotations

from longshore.provider import (
    Flow,
    Holding,
    Inventory,
    ProtocolError,
    Request,
    State,
)
from longshore_subworkflow.states import status_of_job
from longshore_subworkflow.wire import PAGE, Dataset, DatasetList, JobList, JobRecord

__all__ = ["take_inventory"]

_MOST = 100_000  # entries: a list that repeats itself must not fill the memory

_GAPS = (
    "jobs that ended more than 24 hours ago leave the list: what was doubled before is not seen",
    "no list tells a digest: a stranger's job of the same name and size counts as the same",
)


def take_inventory() -> Flow[Inventory]:
    """List the jobs, and the datasets that they made.

    Source: docs.subworkflow.ai/api-reference/get-v1-jobs (finished ones stay 24 h),
    .../get-v1-datasets (``sort``; name without ending, ending, size).
    """
    jobs: list[JobRecord] = []
    while True:
        reply = yield Request.get("/v1/jobs", {"limit": PAGE, "offset": len(jobs)})
        page = reply.parse(JobList).data
        jobs += page
        if len(page) < PAGE:
            break
        _check(jobs)
    datasets = yield from _datasets({job.dataset_id for job in jobs if job.dataset_id})
    holdings = (_holding(job, datasets.get(job.dataset_id or "")) for job in jobs)
    return Inventory(holdings=tuple(held for held in holdings if held), gaps=_GAPS)


def _datasets(wanted: set[str]) -> Flow[dict[str, Dataset]]:
    """Read the list, newest first, until all that are wanted were in it."""
    found: dict[str, Dataset] = {}
    seen: list[Dataset] = []
    while wanted - found.keys():
        query: dict[str, str | int] = {"sort": "-createdAt", "limit": PAGE, "offset": len(seen)}
        page = (yield Request.get("/v1/datasets", query)).parse(DatasetList).data
        seen += page
        found |= {dataset.id: dataset for dataset in page if dataset.id}
        if len(page) < PAGE:
            break
        _check(seen)
    return found


def _check(entries: list[JobRecord] | list[Dataset]) -> None:
    if len(entries) >= _MOST:
        raise ProtocolError(f"the list goes on after {len(entries):,} entries")


def _holding(job: JobRecord, dataset: Dataset | None) -> Holding | None:
    """Describe a job; one that failed or was cancelled left nothing behind that counts."""
    status = status_of_job(job)
    if status.state in (State.FAILED, State.CANCELLED):
        return None
    return Holding(
        job=job.id,
        document=job.dataset_id,
        name=dataset.whole_name if dataset else None,
        size=dataset.file_size if dataset else None,
        status=status,
    )
