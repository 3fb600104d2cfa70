"""The vendor's words for uploads and tasks, and what they mean for us."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import JsonValue

from longshore.provider import Action, DocumentStatus, State, Status
from longshore_sendai.wire import Task, Upload

__all__ = ["ACTIONS", "REVIEWING", "TASK_STATES", "UPLOAD_STATES", "status_of"]

REVIEWING = "REVIEWING"

ACTIONS = ("complete", "discard")
"""What can be done to a task under review.

Sources: docs.send.ai/api/v2/tasks/task.complete, .../task.discard.
"""

UPLOAD_STATES = {
    "PROCESSING": State.RUNNING,
    REVIEWING: State.NEEDS_ACTION,
    "IN_REVIEW": State.NEEDS_ACTION,
    "COMPLETED": State.SUCCEEDED,
    "PARTIAL": State.PARTIAL,
    "FAILED": State.FAILED,
}
"""Source: docs.send.ai/api/v2/uploads/overview; .../upload.get writes IN_REVIEW for REVIEWING."""

TASK_STATES = {
    "PROCESSING": State.RUNNING,
    REVIEWING: State.NEEDS_ACTION,
    "COMPLETED": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "DISCARDED": State.CANCELLED,
    "FILTERED": State.CANCELLED,
}
"""Source: docs.send.ai/api/v2/tasks/overview."""


_TAKEN_IN_PART = "the vendor took only some of the documents (207)"

_TASK_REASONS = {
    "FAILED": "the task failed: the vendor's own pages show it",
    "DISCARDED": "the task was discarded",
    "FILTERED": "the task was filtered out",
}
"""No field for a reason is documented. Source: docs.send.ai/api/v2/uploads/upload.get,
docs.send.ai/api/v2/tasks/task.get."""


def status_of(upload: Upload, *, incomplete: bool = False, raw: JsonValue = None) -> Status:
    """Say how an upload stands.

    Without tasks in the reply, nothing is said of the single documents: each has the upload's
    state then.

    Args:
        upload: what the vendor said.
        incomplete: the vendor took only a part of the submission (207).
        raw: the reply as it came.
    """
    state = UPLOAD_STATES.get(upload.status, State.RUNNING)
    if incomplete and state is State.SUCCEEDED:
        state = State.PARTIAL
    state = _with_open_tasks(state, upload.tasks)
    return Status(
        state=state,
        word=upload.status,
        documents=tuple(_document_status(task) for task in upload.tasks),
        actions=tuple(
            Action(name=name, object=task.id)
            for task in upload.tasks
            if task.status == REVIEWING
            for name in ACTIONS
        ),
        error=_TAKEN_IN_PART if incomplete and state.terminal else None,
        raw=raw,
    )


def _with_open_tasks(state: State, tasks: Iterable[Task]) -> State:
    """Keep an upload open while one of its tasks is.

    Assumption: it is not documented which word wins when states mix, such as one PROCESSING and
    one FAILED task. Taken at its word, a hasty FAILED or PARTIAL would end the polls too early.
    """
    if not state.terminal:
        return state
    seen = {TASK_STATES.get(task.status, State.RUNNING) for task in tasks}
    return next((open_ for open_ in (State.RUNNING, State.NEEDS_ACTION) if open_ in seen), state)


def _document_status(task: Task) -> DocumentStatus:
    """Say how a task stands; the core finds its document by the name, where that is unique."""
    return DocumentStatus(
        state=TASK_STATES.get(task.status, State.RUNNING),
        word=task.status,
        vendor_id=task.id,
        name=task.name or None,
        error=_TASK_REASONS.get(task.status),
    )
