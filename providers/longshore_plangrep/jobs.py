"""The job that carries the files: made, awaited, looked at, cancelled.

Sources are pages of docs.plangrep.com.
"""

from __future__ import annotations

from pydantic import JsonValue

from longshore.provider import (
    Answer,
    Batch,
    Flow,
    Found,
    Json,
    LostRequest,
    NotDone,
    Refused,
    Request,
    RequestRefused,
    Response,
    Retry,
    SessionLost,
    State,
    Undecided,
    Wait,
    quoted,
)
from longshore_plangrep import wire
from longshore_plangrep.projects import (
    API,
    READY_EVERY,
    READY_WITHIN,
    await_project,
    project_url,
)
from longshore_plangrep.states import BEFORE_COMPLETE, status_of

__all__ = [
    "GONE", "KEY", "await_job", "cancel_job", "check_limits", "create_job", "job_url", "unexpired",
    "was_completed",
]  # fmt: skip

KEY = "Idempotency-Key"
"""Documented for two calls: api-reference/jobs/create-job, .../uploads/complete-uploads."""

GONE = (404, 410)
"""How a job that cannot be reached any more is refused; no page has the number."""


def job_url(id: object) -> str:
    """Return the address of a job."""
    return f"{API}/jobs/{quoted(str(id))}"


def create_job(project: str, reference: str, webhook: str | None) -> Flow[wire.JobReply]:
    """Make a job that carries our reference. Source: api-reference/jobs/create-job.

    After the key's window the list tells: it is not paged, and does not keep ``externalId``
    unique. Source: api-reference/jobs/list-jobs.
    """
    url = f"{project_url(project)}/jobs"
    body: dict[str, JsonValue] = {"externalId": reference}
    if webhook:
        body["webhookUrl"] = webhook

    def ask(lost: LostRequest) -> Flow[Answer]:
        reply = yield Request.get(url)
        found = [
            job
            for job in reply.parse(wire.JobList).jobs
            if job.external_id == reference and job.id not in lost.claimed
        ]
        if len(found) > 1:
            return Undecided(READY_EVERY, f"{len(found)} jobs carry {reference}")
        return Found(Response.of({"job": found[0].as_json()})) if found else NotDone()

    try:
        reply = yield Request.post(url, Json(body), step="create-job", key=KEY, lost=ask)
    except Refused:
        # Since `prepare` an upgrade may have begun, and new jobs wait for its end.
        yield from await_project(project, "project-upgraded")
        reply = yield Request.post(url, Json(body), step="create-job-2", key=KEY, lost=ask)
    return reply.parse(wire.JobReply)


def await_job(job: wire.VendorJob) -> Flow[wire.VendorJob]:
    """Return the job once files can come; the reply to its creation may show that at once.

    Assumption: a job deserves the same patience as a project. Source: concepts/jobs.
    """
    if job.status == "provisioning":
        reply = yield Request.get(job_url(job.id))
        job = reply.parse(wire.JobReply).job
    if job.status == "provisioning":
        yield Wait("job-ready", READY_EVERY, limit=READY_WITHIN)
    if job.status not in BEFORE_COMPLETE:
        raise SessionLost(f"the job {job.id} is {job.status} before anything was uploaded")
    return job


def check_limits(batch: Batch, job: wire.VendorJob) -> None:
    """Compare with the job's own limits before the first byte.

    Source: concepts/jobs (``limits.maxFiles``, ``limits.maxDeclaredBytes``).
    """
    limits = job.limits or wire.JobLimits()
    files, size = limits.max_files, limits.max_declared_bytes
    reasons = []
    if files is not None and len(batch.documents) > files:
        reasons.append(f"{len(batch.documents)} files, a job takes {files}")
    if size is not None and batch.size > size:
        reasons.append(f"{batch.size} bytes, a job takes {size}")
    if reasons:
        raise RequestRefused("; ".join(reasons), hint="choose fewer files with --batch-size")


def unexpired(job: object, request: Request) -> Flow[Response]:
    """Send what only an open job takes; a job that expired meanwhile is replaced.

    So it does in a run that is resumed after a week. Source: api-reference/jobs/get-job
    (``expired``: not completed in time), get-job-result (not accessible any more).

    Raises:
        SessionLost: the job expired.
    """
    try:
        return (yield request)
    except Refused:
        try:
            expired = status_of((yield Request.get(job_url(job)))).state is State.EXPIRED
        except Refused as unreachable:
            expired = unreachable.status in GONE
        if not expired:
            raise
        raise SessionLost("the job expired before its files came") from None


def was_completed(reply: Response) -> bool:
    """Tell whether the upload to this job was completed: its status has moved on."""
    return status_of(reply).word not in BEFORE_COMPLETE


def cancel_job(job: object) -> Flow[Response]:
    """Cancel a job; one that has ended refuses, and that is as good.

    Source: api-reference/jobs/cancel-job.
    """
    try:
        return (yield Request.post(f"{job_url(job)}/cancel", step="cancel", retry=Retry.IDEMPOTENT))
    except Refused:
        reply = yield Request.get(job_url(job))
        if not status_of(reply).state.terminal:
            raise
        return reply
