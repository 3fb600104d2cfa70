"""Send AI: one form with many files makes an upload; each file becomes a task, some need review.

    POST upload (all files)  ->  GET upload until it is settled  ->  GET task for what was read
                                      |
                             REVIEWING: POST task/complete or task/discard

There is no session and nothing to complete: the job is the upload that the one POST makes. There is
no idempotency key and no list of uploads either: when the answer to that POST is lost, nobody can
tell whether it acted, and Longshore says so (``unknown``).
"""

from __future__ import annotations

import json
from typing import Literal

from longshore.provider import (
    Accepted,
    AccountError,
    Action,
    Batch,
    Capabilities,
    File,
    Flow,
    Job,
    Limits,
    LongshoreError,
    Multipart,
    PollSchedule,
    ProtocolError,
    Provider,
    Receipt,
    Refused,
    Remedy,
    Request,
    Response,
    Results,
    Retry,
    Session,
    Status,
    Transfer,
    quoted,
    refusal_of,
)
from longshore_sendai import CARD
from longshore_sendai.results import result_of
from longshore_sendai.settings import REFERENCE, SendaiSettings
from longshore_sendai.states import ACTIONS, REVIEWING, status_of
from longshore_sendai.wire import Task, Upload

__all__ = ["Sendai"]

_PARTLY = 207
_HINTS = {
    403: "switch on 'Allow import via API' in the project, add the key to it, and give the key "
    "the scopes upload.create, upload.read, task.read and task.edit",
    404: "this upload or task is not there (any more), or is another project's: check project_id",
    413: "the vendor takes 40 MB a file; a smaller --batch-size makes smaller requests",
}
_BEHAVIOURS = (
    "All documents of a batch travel in one request; nothing can be resumed within it.",
    "A lost answer to the upload is unknown: there is no idempotency key and no list to look into.",
    "The meta entry 'reference' of an upload holds Longshore's own id of the batch.",
    "Documents wait for a person (needs_action) unless the project completes them by itself.",
    "The documented reply names no tasks: each document then has the state of its upload.",
    "Where the reply names no tasks, an action names its own: complete:task_123, discard:task_123.",
    "While a task that the reply does name is open, so is the upload, whatever its own word.",
    "20 MB a page is the vendor's limit too; it is not checked before sending.",
    "An e-mail becomes several tasks: its body and each attachment.",
    "An upload cannot be cancelled.",
)


class Sendai(Provider[SendaiSettings], card=CARD):
    """The batch upload and task API of Send AI."""

    Settings = SendaiSettings

    def account(self) -> str:
        """Name the project: whether upload ids are unique beyond it is not documented."""
        return f"{super().account()}/{self.settings.team_id}/{self.settings.project_id}"

    def capabilities(self) -> Capabilities:
        """The documented limits.

        Source: docs.send.ai/projects/import/api (40 MB a file, 100 files a batch; taken as
        40,000,000 bytes). Types, the size of a request and rates are not documented; nor is how
        often to poll, or how many requests at once: both numbers are ours.
        """
        return Capabilities(
            limits=Limits(documents_per_batch=100, bytes_per_document=40_000_000),
            polls=PollSchedule(interval=5.0, longest=60.0),
            concurrency=4,
            behaviours=_BEHAVIOURS,
        )

    # ------------------------------------------------------------------ the upload itself

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Post every document in one form; this call documents no 404, so one is its address's.

        Source: docs.send.ai/api/v2/uploads/upload.create.
        """
        try:
            reply = yield Request.post(
                self._url("upload"),
                self._form(batch),
                step="upload",
                lost=Remedy.HOLD,
                timeout=self.settings.timeout_for(transfer.size),
            )
        except Refused as refused:
            if refused.status in (404, 405):
                raise _no_such_api(refused.status) from None
            raise
        upload = reply.parse(Upload)
        return transfer.receipt(
            upload.id,
            documents=(Accepted(document=document.id) for document in batch.documents),
            incomplete=reply.status == _PARTLY,
        )

    def _form(self, batch: Batch) -> Multipart:
        """Describe the form: the texts first, then one field ``file`` for each document.

        The table of fields asks for ``projectId`` although the path holds it, and the vendor's own
        example leaves it out; sending it satisfies both, and the paths without a project.
        """
        settings = self.settings
        meta = {**settings.meta, REFERENCE: batch.reference}
        pairs = [{"name": name, "value": value} for name, value in meta.items()]
        return Multipart(
            (
                ("name", settings.upload_name or batch.reference),
                ("projectId", settings.project_id),
                ("meta", json.dumps(pairs, ensure_ascii=False)),
                *(("file", File.of(document)) for document in batch.documents),
            )
        )

    def poll(self, job: Job) -> Flow[Status]:
        """Ask how the upload stands. Source: docs.send.ai/api/v2/uploads/upload.get."""
        reply = yield Request.get(self._url("upload", job.id))
        incomplete = bool(job.data.get("incomplete"))
        return status_of(reply.parse(Upload), incomplete=incomplete, raw=reply.json())

    # --------------------------------------------------------------------------- review

    def act(self, job: Job, action: Action) -> Flow[Status]:
        """Complete or discard one task, or every task under review.

        What the vendor refuses is told as the status's ``error``: the upload itself is as good as
        before, so its batch must not fail.
        """
        if action.name not in ACTIONS:
            problems = [f"{action.name!r} is not offered: use {' or '.join(ACTIONS)}"]
        elif action.object:
            problems = [(yield from self._review(action.name, action.object))]
        else:
            problems = yield from self._review_all(job, action.name)
        status = yield from self.poll(job)
        error = "; ".join(filter(None, problems))
        return status.model_copy(update={"error": error}) if error else status

    def _review_all(self, job: Job, verb: str) -> Flow[list[str]]:
        upload = (yield Request.get(self._url("upload", job.id))).parse(Upload)
        if not upload.tasks:
            return [f"the vendor's reply names no tasks: say which one, as in {verb}:task_123"]
        problems: list[str] = []
        for task in upload.tasks:
            if task.status == REVIEWING:
                problems += [(yield from self._review(verb, task.id))]
        return problems

    def _review(self, verb: str, task_id: str) -> Flow[str]:
        """Complete or discard a task; return the vendor's objection, or "".

        - complete is allowed from REVIEWING only and starts the processing again; what a second
          one answers is not documented. So it is sent ONCE, and the question at the top tells
          after a lost answer whether it is still needed. One that arrives late finds another
          state, or repeats the same validation: neither does harm.
          Source: docs.send.ai/api/v2/tasks/task.complete.
        - discard is ignored in any other state: twice is the same as once.
          Source: docs.send.ai/api/v2/tasks/task.discard.
        """
        step, url = f"{verb}-{task_id}", self._url("task", task_id, verb)
        try:
            if verb == "complete":
                task = (yield Request.get(self._url("task", task_id))).parse(Task)
                if task.status != REVIEWING:
                    return ""
                reply = yield Request.post(url, step=step, lost=Remedy.RERUN)
            else:
                reply = yield Request.post(url, step=step, retry=Retry.IDEMPOTENT)
        except Refused as refused:
            return f"{verb}:{task_id}: {refused.error.message}"
        return f"{verb}:{task_id}: done only in part" if reply.status == _PARTLY else ""

    # --------------------------------------------------------------------------- results

    def results(self, job: Job) -> Flow[Results]:
        """Fetch each task that the upload names. Source: docs.send.ai/api/v2/tasks/task.get."""
        reply = yield Request.get(self._url("upload", job.id))
        upload = reply.parse(Upload)
        if not upload.tasks:
            why = (
                "the vendor's reply names no tasks (the documented shape does not), and there is "
                "no list of them: what was read can only be fetched by the id of a task"
            )
            return Results(warnings=(why,), raw=reply.json())
        documents, warnings, raw = [], [], [reply.json()]
        for entry in upload.tasks:
            try:
                reply = yield Request.get(self._url("task", entry.id))
            except Refused as refused:
                warnings.append(f"task {entry.id} ({entry.name}): {refused.error.message}")
                continue
            documents.append(result_of(reply.parse(Task)))
            raw.append(reply.json())
        return Results(documents=tuple(documents), warnings=tuple(warnings), raw=raw)

    # ---------------------------------------------------------------- addresses, errors

    def _url(self, kind: Literal["upload", "task"], *parts: str) -> str:
        """Build the path of a call; the vendor's pages have three prefixes: ``path_prefix``."""
        return "/".join([self.settings.path_of(kind), *map(quoted, parts)])

    def refusal(self, response: Response) -> LongshoreError:
        """Only the status numbers are documented.

        Assumption: an error body has its words where ``refusal_of`` looks for them.
        A 404 that is no JSON comes from no API: the address is wrong, and no other batch would
        fare better there. A wrong team or project is a 403.
        Source: docs.send.ai/api/v2/uploads/upload.create.
        """
        if response.status in (404, 405) and not _is_json(response):
            return _no_such_api(response.status)
        return refusal_of(response, hint=_HINTS.get(response.status, ""))


def _is_json(response: Response) -> bool:
    try:
        response.json()
    except ProtocolError:
        return False
    return True


def _no_such_api(status: int) -> AccountError:
    return AccountError(
        f"there is no such API at this address ({status})",
        hint="check base_url, team_id and project_id, or try another path_prefix",
        status=status,
    )
