"""What the vendor's words for a job mean."""

from __future__ import annotations

from pydantic import JsonValue

from longshore.provider import DocumentStatus, Response, State, Status
from longshore_subworkflow.wire import JobRecord, JobReply

__all__ = ["status_of", "status_of_job"]

_STATES = {
    "NOT_STARTED": State.RUNNING,
    "IN_QUEUE": State.RUNNING,  # only in the list filter's enum; waits for a free slot
    "IN_PROGRESS": State.RUNNING,
    "SUCCESS": State.SUCCEEDED,
    "ERROR": State.FAILED,
}
"""Source: docs.subworkflow.ai/api-reference/get-v1-jobs; SUCCESS and ERROR end a job
(.../post-v1-extract)."""


def status_of(reply: Response) -> Status:
    """Read a job out of any reply that holds one."""
    return status_of_job(reply.parse(JobReply).data, raw=reply.json())


def status_of_job(job: JobRecord, *, raw: JsonValue = None) -> Status:
    """Say how a job stands.

    There is no word for a cancelled job: it ends as ERROR. Assumption: ``canceledAt`` is then
    set; where it is not, the job reads as failed.

    Args:
        job: what the vendor said of it.
        raw: the reply as it came.
    """
    state = _STATES.get(job.status, State.RUNNING)
    if state is State.FAILED and job.canceled_at:
        state = State.CANCELLED
    error = job.status_text if state is State.FAILED else None
    document = DocumentStatus(state=state, word=job.status, vendor_id=job.dataset_id, error=error)
    return Status(state=state, word=job.status, documents=(document,), error=error, raw=raw)
