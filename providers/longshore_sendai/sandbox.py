"""The vendor's side of Send AI, as its reference pages describe it.

Uploads, tasks, review. What is not documented, or documented in two ways, is an assumption: see
`longshore_sendai._sandbox_table`. Moving an upload is documented twice in ways that contradict
each other: it is not served.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from longshore.sandbox import (
    BadCall,
    Blob,
    Call,
    Form,
    FormPart,
    RateLimit,
    Reply,
    StatusWalk,
    Vendor,
    VendorState,
    document_state,
    iso_time,
    job_state,
    route,
)
from longshore_sendai._sandbox_table import TABLE
from longshore_sendai._sandbox_uploads import (
    FINISHED,
    TASK_WORDS,
    TaskRecord,
    UploadRecord,
    aggregate,
    parts_of_email,
)

__all__ = ["SendaiSandbox"]

_F = TypeVar("_F", bound=Callable[..., Reply])

_PREFIXES = ("/v2/{team}/project/{project}/%s", "/v2/{team}/%s", "/api/v1/%ss")
_FIELDS = frozenset({"file", "name", "projectId", "meta"})


def _calls(method: str, kind: str, rest: str = "") -> Callable[[_F], _F]:
    """Mark the handler of a call under each prefix; what a path does not name is "" there."""

    def mark(handler: _F) -> _F:
        for prefix in _PREFIXES:
            handler = route(method, prefix % kind + rest)(handler)
        return handler

    return mark


class SendaiSandbox(Vendor):
    """The upload and task API. Sources: docs.send.ai/api/v2."""

    name = "sendai"
    home = "https://api.send.ai"
    table = TABLE
    demo_settings: ClassVar[Mapping[str, str]] = {
        **Vendor.demo_settings,
        "team_id": "team_demo",
        "project_id": "proj_demo",
    }

    def set_up(self) -> None:
        """Begin without uploads."""
        self.walk = StatusWalk.parse(self.assumptions["walk"])
        words = {*(word for word, _ in self.walk.steps), self.walk.last}
        if not words <= TASK_WORDS:
            raise ValueError(f"assumption 'walk': no task is {', '.join(words - TASK_WORDS)}")
        self._rate = RateLimit(self.assumptions["requests_per_minute"], per=60.0)
        self.uploads: dict[str, UploadRecord] = {}
        self.tasks: dict[str, tuple[UploadRecord, TaskRecord]] = {}

    # -------------------------------------------------------------- who may do what

    def guard(self, call: Call, now: float) -> Reply | None:
        """Ask for a key. Source: docs.send.ai/api/v2/uploads/upload.create (401)."""
        if not self.assumptions.allows("api_key", call.bearer):
            return self.error(401, "the API key is missing or not valid")
        if wait := self._rate.take(call.bearer, now):
            return self.error(429, "too many requests").retry_after(wait)
        return None

    def _enter(self, team: str, project: str, scope: str) -> None:
        """Check the prefix, the place and the scope.

        Sources: docs.send.ai/api/scopes, .../projects/import/api.
        """
        known = self.assumptions
        if known["path_prefix"] != ("project" if project else "team" if team else "v1"):
            self.refuse(404, "no such endpoint")
        self._check_place(team_id=team, project_id=project)
        if not known["import_via_api"]:
            self.refuse(403, "the project does not allow import via API")
        if scope not in known.words("scopes"):
            self.refuse(403, f"the key lacks the scope {scope}")

    def _check_place(self, **named: str) -> None:
        """Compare what a path or a form names with the only team and project that there are."""
        if any(id and not self.assumptions.allows(name, id) for name, id in named.items()):
            self.refuse(403, "you do not have access to this project")

    # -------------------------------------------------------------------- uploads

    @_calls("POST", "upload")
    def create(self, call: Call, now: float, team: str = "", project: str = "") -> Reply:
        """Take the files. Source: docs.send.ai/api/v2/uploads/upload.create."""
        self._enter(team, project, "upload.create")
        form = call.form()
        project = self._check_form(form, project)
        files = self._files(form)
        upload = UploadRecord(
            id=self.new_id("upl_"),
            team=team,
            project=project,
            name=form.text("name") or files[0].filename or "",
            meta=self._meta(form.text("meta")),
            created=now,
            files=files,
            tasks=[],
        )
        for file in files:
            for name, blob in self._documents(file):
                task = self._new_task(name, blob, now)
                upload.tasks.append(task)
                self.tasks[task.id] = (upload, task)
        self.uploads[upload.id] = upload
        return self._created(upload, now)

    def _created(self, upload: UploadRecord, now: float) -> Reply:
        word = self._status(upload, now)
        word = word.lower() if self.assumptions["create_case"] == "lower" else word
        body = upload.bare(word)
        if self.assumptions["create_envelope"]:
            body = {"payload": upload.shown(word, settled=False)}
        return Reply.json(self.assumptions["create_status"], body)

    def _check_form(self, form: Form, project: str) -> str:
        """Check the names of the fields; return the project, which some paths do not name."""
        for part in form:
            if part.name not in _FIELDS and self.assumptions["unknown_fields"] == "refuse":
                self.refuse(400, f"unknown field {part.name!r}")
        stated = form.text("projectId")
        if not stated and (not project or self.assumptions["project_field"] == "required"):
            self.refuse(400, "the field 'projectId' is missing")
        if project and stated not in (None, project):
            self.refuse(400, "the field 'projectId' is not the project of the path")
        self._check_place(project_id=stated or project)
        return stated or project

    def _files(self, form: Form) -> tuple[FormPart, ...]:
        files = form.files("file")
        if not files or len(files) != len(form.named("file")):
            self.refuse(400, "at least one file is needed, each in a field 'file'")
        if not all(file.filename for file in files):
            self.refuse(400, "a file has no name")
        if len(files) > self.assumptions["max_files"]:
            self.refuse(400, f"{len(files)} files; the most is 100")
        most = self.assumptions["max_file_bytes"]
        for file in files:
            if file.blob.size > most:
                self.refuse(413, f"{file.filename}: larger than {most} bytes")
        return files

    def _meta(self, text: str | None) -> list[dict[str, str]]:
        try:
            meta = json.loads(text) if text is not None else []
        except ValueError:
            self.refuse(400, "'meta' is not JSON")
        good = isinstance(meta, list) and all(
            isinstance(entry, dict)
            and entry.keys() == {"name", "value"}
            and all(isinstance(value, str) for value in entry.values())
            for entry in meta
        )
        if not good:
            self.refuse(400, "'meta' is not a list of {name, value}")
        return list(meta)

    def _documents(self, file: FormPart) -> list[tuple[str, Blob]]:
        name = file.filename or ""
        if self.assumptions["email_tasks"] and name.lower().endswith(".eml"):
            return parts_of_email(name, file.blob)
        return [(name, file.blob)]

    def _new_task(self, name: str, blob: Blob, now: float) -> TaskRecord:
        endings = {
            "review": "REVIEWING", "fail": "FAILED", "filter": "FILTERED", "invalid": "REVIEWING",
        }  # fmt: skip
        fitting = (end for rule, end in endings.items() if self.assumptions.matches(rule, name))
        walk = replace(self.walk, last=next(fitting, self.walk.last))
        return TaskRecord(self.new_id(self.assumptions["task_prefix"]), name, blob, walk, now)

    @_calls("GET", "upload", "/{id}")
    def show(self, call: Call, now: float, id: str, team: str = "", project: str = "") -> Reply:
        """Tell how an upload stands. Source: docs.send.ai/api/v2/uploads/upload.get."""
        self._enter(team, project, "upload.read")
        upload = self.uploads.get(id)
        if upload is None or not upload.is_under(team, project):
            self.refuse(404, "upload not found")
        settled = all(task.state(now) in FINISHED for task in upload.tasks)
        body = upload.shown(self._status(upload, now), settled=settled)
        if self.assumptions["tasks_in_upload"]:
            tasks = [
                {"id": t.id, "name": self._task_name(upload, t), "status": t.state(now)}
                for t in upload.tasks
            ]
            in_files = self.assumptions["tasks_place"] == "files"
            body |= {"files": {"tasks": tasks}} if in_files else {"tasks": tasks}
        return Reply.json(200, {"payload": body})

    def _status(self, upload: UploadRecord, now: float) -> str:
        states = (task.state(now) for task in upload.tasks)
        word = aggregate(states, self.assumptions["aggregation"])
        return self.assumptions["review_word"] if word == "REVIEWING" else word

    # ---------------------------------------------------------------------- tasks

    @_calls("GET", "task", "/{id}")
    def task(self, call: Call, now: float, id: str, team: str = "", project: str = "") -> Reply:
        """Show a task with what was read. Source: docs.send.ai/api/v2/tasks/task.get."""
        upload, task = self._task(team, project, id, "task.read")
        return self._shown(upload, task, now)

    @_calls("POST", "task", "/{id}/complete")
    def complete(self, call: Call, now: float, id: str, team: str = "", project: str = "") -> Reply:
        """Process a reviewed task further. Source: docs.send.ai/api/v2/tasks/task.complete."""
        upload, task = self._task(team, project, id, "task.edit")
        if task.state(now) != "REVIEWING":
            self._wrong_state("complete_wrong_state", f"the task is {task.state(now)}")
            return self._shown(upload, task, now)
        valid = not self.assumptions.matches("invalid", task.name)
        seconds = sum(seconds for _, seconds in self.walk.steps)
        task.approved = valid
        task.go(now, ("PROCESSING", seconds), last="COMPLETED" if valid else "REVIEWING")
        # The reply says PROCESSING even where the walk takes no time.
        return self._shown(
            upload, task, now, status="PROCESSING", message="Task processing started"
        )

    @_calls("POST", "task", "/{id}/discard")
    def discard(self, call: Call, now: float, id: str, team: str = "", project: str = "") -> Reply:
        """Give a reviewed task up; any other is left alone. Source: .../tasks/task.discard."""
        upload, task = self._task(team, project, id, "task.edit")
        if task.state(now) == "REVIEWING":
            task.go(now, last="DISCARDED")
        return self._shown(upload, task, now)

    @_calls("POST", "task", "/{id}/unlock")
    def unlock(self, call: Call, now: float, id: str, team: str = "", project: str = "") -> Reply:
        """Make a finished task editable again. Source: docs.send.ai/api/v2/tasks/overview."""
        upload, task = self._task(team, project, id, "task.edit")
        whole = all(each.state(now) in FINISHED for each in upload.tasks)
        if task.state(now) not in FINISHED or whole:
            why = "the upload is fully processed" if whole else f"the task is {task.state(now)}"
            self._wrong_state("unlock_wrong_state", why)
        else:
            task.go(now, last="REVIEWING")
        return self._shown(upload, task, now)

    @_calls("POST", "task", "/{id}/report")
    def report(self, call: Call, now: float, id: str, team: str = "", project: str = "") -> Reply:
        """Note what is wrong with a task. Source: docs.send.ai/api/v2/tasks/task.report."""
        upload, task = self._task(team, project, id, "task.edit")
        issues = call.json_object().get("issues")
        if not isinstance(issues, list) or not all(
            isinstance(issue, dict) and issue.keys() == {"label", "value"} for issue in issues
        ):
            self.refuse(400, "'issues' must be a list of {label, value}")
        task.issues += issues
        reply = self._shown(upload, task, now)
        return replace(reply, status=self.assumptions["report_status"])

    def _task(
        self, team: str, project: str, id: str, scope: str
    ) -> tuple[UploadRecord, TaskRecord]:
        self._enter(team, project, scope)
        upload, task = self.tasks.get(id, (None, None))
        if upload is None or task is None or not upload.is_under(team, project):
            self.refuse(404, "task not found")
        return upload, task

    def _task_name(self, upload: UploadRecord, task: TaskRecord) -> str:
        titled = self.assumptions["task_names"] == "title"
        return f"Document {upload.tasks.index(task) + 1}" if titled else task.name

    def _shown(
        self, upload: UploadRecord, task: TaskRecord, now: float, *, status: str = "", **more: str
    ) -> Reply:
        word = status or task.state(now)
        body = {
            "id": task.id,
            "name": self._task_name(upload, task),
            "created_at": iso_time(upload.created, milliseconds=False),
            "meta": upload.meta,
            "status": word,
            "step_type": "EXTRACT",
            "upload_id": upload.id,
            "project_id": upload.project,
            "approved": task.approved,
            "exported_at": None,
            "export_failed_at": None,
            "last_opened_at": None,
            "pages": task.pages() if word in ("REVIEWING", "COMPLETED") else [],
        }
        return Reply.json(200, {"payload": body, **more})

    # --------------------------------------------------------------------- errors

    def _wrong_state(self, assumption: str, why: str) -> None:
        status = self.assumptions[assumption]
        if status != 200:
            self.refuse(status, why)

    def error(self, status: int, message: str) -> Reply:
        """Only the status numbers are documented: see the assumption."""
        place = self.assumptions["error_body"]
        if place == "text":
            return Reply.text(status, message)
        body: Any = {"error": {"message": message}} if place == "nested" else {place: message}
        return Reply.json(status, body)

    def bad_call(self, error: BadCall) -> Reply:
        """Answer a malformed call: of the statuses that would fit, 400 and 413 are documented."""
        return self.error(413 if error.status == 413 else 400, str(error))

    # ----------------------------------------------------------------- inspection

    def state(self, now: float) -> VendorState:
        """Return the files that arrived, each with its upload, and the uploads."""
        return {
            "documents": [
                document_state(file.filename or "", file.blob, upload.id)
                for upload in self.uploads.values()
                for file in upload.files
            ],
            "jobs": [
                job_state(
                    upload.id,
                    self._status(upload, now),
                    [file.filename or "" for file in upload.files],
                )
                for upload in self.uploads.values()
            ],
            "parts": {},
        }
