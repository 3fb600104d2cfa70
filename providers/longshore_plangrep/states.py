"""Plangrep's words for the states of a job and of its files."""

from __future__ import annotations

from pydantic import JsonValue

from longshore.provider import Action, DocumentStatus, Response, State, Status
from longshore_plangrep import wire

__all__ = ["BEFORE_COMPLETE", "WORDS", "status_of", "status_of_job"]

WORDS = {
    "provisioning": State.RUNNING,
    "awaiting_uploads": State.RUNNING,
    "uploading": State.RUNNING,
    "preflighting": State.RUNNING,
    "processing": State.RUNNING,
    "blocked_insufficient_credits": State.NEEDS_ACTION,
    "completed": State.SUCCEEDED,
    "complete": State.SUCCEEDED,  # in one drawing of uploads/complete-uploads; see the sheet
    "completed_with_errors": State.PARTIAL,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
    "expired": State.EXPIRED,
}
"""Source: docs.plangrep.com/guides/polling-and-webhooks, api-reference/jobs/get-job.

The words of files are not listed anywhere; examples show ``completed``, ``processing`` and
``cancelled``. Assumption: they are words of this table.
"""

BEFORE_COMPLETE = frozenset({"provisioning", "awaiting_uploads", "uploading"})
"""Nothing is processed or billed while a job is in one of these."""

_REASONS = {
    State.PARTIAL: "some pages failed: the results say which",
    State.EXPIRED: "the job expired before it was completed: upload the files again",
}
"""Said where the job says nothing. Source: docs.plangrep.com/api-reference/jobs/get-job."""

_WITHOUT_RESULT = (State.FAILED, State.CANCELLED, State.EXPIRED)
_RESUME, _CANCEL = Action(name="resume"), Action(name="cancel")


def status_of(reply: Response) -> Status:
    """Read a job out of any reply that holds one."""
    return status_of_job(reply.parse(wire.JobReply).job, raw=reply.json())


def status_of_job(job: wire.VendorJob, *, raw: JsonValue = None) -> Status:
    """Say how a job stands.

    Args:
        job: what the vendor said of it.
        raw: the reply as it came.
    """
    state = WORDS.get(job.status, State.RUNNING)
    return Status(
        state=state,
        word=job.status,
        documents=_files(job, state),
        # Source: docs.plangrep.com/concepts/credits, guides/polling-and-webhooks.
        actions=(_RESUME, _CANCEL) if state is State.NEEDS_ACTION else (),
        error=wire.words_of(job.error) or _REASONS.get(state),
        raw=raw,
    )


def _files(job: wire.VendorJob, state: State) -> tuple[DocumentStatus, ...]:
    """Say what is known of each file: by id if it is the upload's, else by its name."""
    own = [WORDS.get(file.status or "", State.RUNNING) for file in job.files]
    explained = any(word in (State.FAILED, State.PARTIAL, State.CANCELLED) for word in own)
    return tuple(
        DocumentStatus(
            state=_file_state(word, state, explained=explained),
            word=job.status if state is State.NEEDS_ACTION else file.status or job.status,
            vendor_id=file.id,
            name=file.file_name,
            error=wire.words_of(file.error),
        )
        for file, word in zip(job.files, own, strict=True)
    )


def _file_state(file: State, job: State, *, explained: bool) -> State:
    """Judge a file by its own word as far as its job bears that out.

    A file that is not finished is where its job is. A job that ended without success has no
    result (docs.plangrep.com/api-reference/jobs/get-job-result), so no file of it succeeded.
    Where pages failed and no file owns up to it, any file may be the one.
    """
    if not file.terminal:
        return job
    if file is State.SUCCEEDED and job in _WITHOUT_RESULT:
        return job
    if file is State.SUCCEEDED and job is State.PARTIAL and not explained:
        return State.PARTIAL
    return file
