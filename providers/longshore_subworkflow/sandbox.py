"""Subworkflow.ai's side, for tests and demos: strict where the vendor documents a call.

Everything else is an assumption with a name (see ``_sandbox_table``) and can be switched. Off
until they are switched on: the rates, credits and concurrent jobs of a plan. Not here: a plan's
storage and its own file size, the removal of expired datasets; nor, because Longshore never calls
them, documents by ``url``, search and the deletion of datasets. Pages are not rendered: their share
links give a line of text.

Source: docs.subworkflow.ai/platform, /auth, /glossary and the pages under /api-reference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from longshore.sandbox import (
    Blob,
    Call,
    Form,
    PartCounts,
    Reply,
    StatusWalk,
    VendorState,
    document_state,
    job_state,
    route,
)
from longshore_subworkflow._sandbox_door import NUMBER, Door
from longshore_subworkflow._sandbox_records import (
    FORMATS,
    DatasetRecord,
    JobRecord,
    Part,
    SessionRecord,
    millis,
)

__all__ = ["SubworkflowSandbox"]

_STATUSES = frozenset({"NOT_STARTED", "IN_QUEUE", "IN_PROGRESS", "SUCCESS", "ERROR"})


class SubworkflowSandbox(Door):
    """The pure core: ``handle(call, now)``."""

    showcase_settings: ClassVar[Mapping[str, str]] = {"session_threshold": "20M"}

    def set_up(self) -> None:
        """Begin without files."""
        super().set_up()
        self.walk = StatusWalk.parse(self.assumptions["walk"])
        self.sessions: dict[str, SessionRecord] = {}
        self.ended: dict[str, JobRecord] = {}
        self.datasets: dict[str, DatasetRecord] = {}
        self.jobs: dict[str, JobRecord] = {}
        self.part_counts = PartCounts()
        self.workspace = self.new_token("wks_", 16)

    # ------------------------------------------------------------------ one request

    @route("POST", "/v1/extract")
    def extract(self, call: Call, now: float) -> Reply:
        """Take one file. Source: /api-reference/post-v1-extract."""
        return self._post(call, now, "extract")

    @route("POST", "/v1/vectorize")
    def vectorize(self, call: Call, now: float) -> Reply:
        """Take one file. Source: /api-reference/post-v1-vectorize."""
        return self._post(call, now, "vectorize")

    def _post(self, call: Call, now: float, job_type: str) -> Reply:
        form = self._form(call, "file", "url", "expiresInDays")
        if form.named("url"):
            self.refuse(400, "the sandbox fetches nothing: send a file")
        file = self._file(form)
        stem, dot, ext = (file.filename or "").rpartition(".")
        if not dot or not stem or ext.lower() not in FORMATS:
            self._beyond(f"unsupported file format: {file.filename}")
        if file.blob.size > self.assumptions["single_limit"]:
            self._beyond("file too large for a single request")
        if not file.blob.size and self.assumptions["empty_file"] == "refuse":
            self._beyond("the file is empty")
        days = self._days(form.text("expiresInDays"))
        dataset = self._new_dataset(
            stem, ext.lower(), file.content_type, file.blob, days=days, now=now
        )
        return self._job_reply(self._new_job(dataset, job_type, now), now)

    # ------------------------------------------------------------------ sessions

    @route("POST", "/v1/upload-session/start")
    @route("POST", "/v1/upload_session/start")
    def start(self, call: Call, now: float) -> Reply:
        """Open a session. Source: /api-reference/upload-session/post-v1-upload-session-start."""
        known = ("fileName", "fileExt", "fileType", "jobType")
        expiry = {"documented": ("expiryInDays",), "client": ("expiresInDays",)}.get(
            self.assumptions["expiry_field"], ("expiryInDays", "expiresInDays")
        )
        form = self._form(call, *known, *expiry)
        if not self.assumptions["sessions_allowed"]:
            words = "upload sessions are not part of this plan"
            self.refuse(self.assumptions["plan_status"], words)
        name, ext, kind, job_type = (self._text(form, field) for field in known)
        if ext.lower() not in FORMATS:
            self._beyond(f"unsupported file format: {ext}")
        if "/" not in kind:
            self.refuse(400, "fileType must be a media type")
        if job_type not in ("extract", "vectorize"):
            self.refuse(400, "jobType must be extract or vectorize")
        days = self._days(next((t for f in expiry if (t := form.text(f)) is not None), None))
        key = self.new_token("tmp_", 16)
        self.sessions[key] = SessionRecord(key, name, ext.lower(), kind, job_type, days, now)
        return Reply.json(200, {"success": True, "data": {"key": key}})

    @route("POST", "/v1/upload-session/append")
    @route("POST", "/v1/upload_session/append")
    def append(self, call: Call, now: float) -> Reply:
        """Take one part. Source: /api-reference/upload-session/post-v1-upload-session-append."""
        form = self._form(call, "key", "partNumber", "file")
        session = self._session(form, now)
        text = self._text(form, "partNumber")
        if not NUMBER.fullmatch(text) or int(text) > self.assumptions["parts_maximum"]:
            self.refuse(400, f"partNumber is not a number from 1: {text}")
        number, file = int(text), self._file(form)
        if file.blob.size > self.assumptions["part_maximum"]:
            self._beyond("the part is too large")
        if number in session.parts and self.assumptions["append_twice"] == "reject":
            self.refuse(400, "Could not upload file part.")
        session.parts[number] = Part(self.new_token("", 40), file.blob)
        self.part_counts.add(session.key, number)
        data = {"etag": session.parts[number].etag, "partNumber": number}
        return Reply.json(200, {"success": True, "data": data})

    @route("POST", "/v1/upload-session/end")
    @route("POST", "/v1/upload_session/end")
    def end(self, call: Call, now: float) -> Reply:
        """Join the parts. Source: /api-reference/upload-session/post-v1-upload-session-end."""
        form = self._form(call, "key", "parts")
        key = self._text(form, "key")
        if key in self.ended and self.assumptions["end_twice"] == "same_job":
            return self._job_reply(self.ended[key], now)
        session = self._session(form, now)
        self._check_parts(session, self._text(form, "parts"))
        blob = Blob.join(session.parts[number].blob for number in sorted(session.parts))
        dataset = self._new_dataset(
            session.file_name, session.file_ext, session.file_type, blob, days=session.days, now=now
        )
        self.ended[key] = self._new_job(dataset, session.job_type, now)
        del self.sessions[key]
        return self._job_reply(self.ended[key], now)

    def _check_parts(self, session: SessionRecord, text: str) -> None:
        """Compare the list of parts with what came, then the sizes with the limits."""
        try:
            listed = [(entry["partNumber"], entry["etag"]) for entry in json.loads(text)]
        except (ValueError, TypeError, KeyError):
            self.refuse(400, "parts is not a JSON array of {etag, partNumber}")
        if any(type(number) is not int or type(etag) is not str for number, etag in listed):
            self.refuse(400, "partNumber must be a number and etag a text")
        if self.assumptions["end_order"] == "ascending" and listed != sorted(listed):
            self.refuse(400, "the parts are not in ascending order")
        if sorted(listed) != [(n, part.etag) for n, part in sorted(session.parts.items())]:
            self.refuse(400, "the parts are not those that were uploaded")
        if not listed or [n for n, _ in sorted(listed)] != list(range(1, len(listed) + 1)):
            self.refuse(400, "the part numbers have gaps")
        *others, last = (session.parts[number].blob.size for number in sorted(session.parts))
        if any(size < self.assumptions["part_minimum"] for size in others):
            self._beyond("a part other than the last is too small")
        unequal = len(set(others)) > 1 or (others and last > others[0])
        if unequal and self.assumptions["equal_parts"]:
            self._beyond("all parts but the last must have the same size")
        if session.size > self.assumptions["session_limit"]:
            self._beyond("the file is too large")
        if not session.size and self.assumptions["empty_file"] == "refuse":
            self._beyond("the file is empty")

    @route("POST", "/v1/upload-session/abort")
    @route("POST", "/v1/upload_session/abort")
    def abort(self, call: Call, now: float) -> Reply:
        """Delete the parts. Source: /api-reference/upload-session/post-v1-upload-session-abort."""
        form = self._form(call, "key")
        key = self._text(form, "key")
        if self.assumptions["abort_gone"] == "not_found":
            self._session(form, now)
        self.sessions.pop(key, None)
        return Reply.json(200, {"success": True})

    def _session(self, form: Form, now: float) -> SessionRecord:
        session = self.sessions.get(self._text(form, "key"))
        lifetime = self.assumptions["session_lifetime"]
        if session is None or now - session.started > lifetime:
            self.refuse(self.assumptions["gone_status"], "upload session not found")
        return session

    # ------------------------------------------------------------------ jobs

    @route("GET", "/v1/jobs")
    def list_jobs(self, call: Call, now: float) -> Reply:
        """Source: /api-reference/get-v1-jobs; the order: the README of the vendor's client."""
        offset, limit = self._paging(call)
        statuses = [word for word in call.param("statuses").split(",") if word]
        if not _STATUSES.issuperset(statuses):
            self.refuse(400, "unknown status")
        jobs = [*self.jobs.values()]
        if self.assumptions["job_order"] == "newest_first":
            jobs.reverse()
        elif self.assumptions["job_order"] == "by_id":
            jobs.sort(key=lambda job: job.id)
        listed = [
            job
            for job in jobs
            if self._is_listed(job, now) and (not statuses or job.status(now) in statuses)
        ]
        page = [self._job_json(job, now) for job in listed[offset : offset + limit]]
        head = {"statuses": statuses, "orderBy": [], "offset": offset, "limit": limit}
        return Reply.json(200, {**head, "total": len(page), "data": page})

    def _is_listed(self, job: JobRecord, now: float) -> bool:
        ended = job.ended(now)
        new = now - job.created < self.assumptions["listed_after"]
        return not new and (ended is None or now - ended < self.assumptions["listed_for"])

    @route("GET", "/v1/jobs/{id}")
    def show_job(self, call: Call, now: float, id: str) -> Reply:
        """Source: /api-reference/get-v1-jobs-id."""
        return self._job_reply(self._job(id), now)

    @route("DELETE", "/v1/jobs/{id}")
    def cancel_job(self, call: Call, now: float, id: str) -> Reply:
        """Cancel what waits or runs. Source: the README of the vendor's client; no page."""
        if not self.assumptions["cancel_call"]:
            return self.not_found(call)
        job = self._job(id)
        if job.status(now) not in ("NOT_STARTED", "IN_PROGRESS"):
            self.refuse(400, "the job can not be canceled any more")
        job.canceled = now
        return self._job_reply(job, now)

    def _job(self, id: str) -> JobRecord:
        if id not in self.jobs:
            self.refuse(404, "job not found")
        return self.jobs[id]

    def _job_json(self, job: JobRecord, now: float) -> dict[str, Any]:
        return job.to_json(
            now,
            not_yet=self.assumptions["not_yet"],
            show_canceled=self.assumptions["canceled_at"],
        )

    def _job_reply(self, job: JobRecord, now: float) -> Reply:
        return Reply.json(200, {"success": True, "total": 1, "data": self._job_json(job, now)})

    def _new_job(self, dataset: DatasetRecord, job_type: str, now: float) -> JobRecord:
        self._check_capacity(now)
        walk = self.walk
        if self.assumptions.matches("fail_names", dataset.name):
            walk = replace(walk, last="ERROR")
        kind = "datasets/extract"
        if job_type == "vectorize":
            kind = self.assumptions["vectorize_type"]
        job = JobRecord(self.new_token("dsj_", 16), dataset, kind, walk, now)
        self.jobs[job.id] = job
        self.datasets[dataset.id] = dataset
        return job

    def _check_capacity(self, now: float) -> None:
        """402 and 403 are known from the vendor's newer client only."""
        credits, most = self.assumptions["credits"], self.assumptions["concurrent_jobs"]
        if 0 <= credits <= len(self.jobs):
            self.refuse(402, "Insufficient credits")
        if most and sum(job.ended(now) is None for job in self.jobs.values()) >= most:
            self.refuse(403, "too many concurrent jobs")

    # ------------------------------------------------------------------ datasets, share links

    @route("GET", "/v1/datasets")
    def list_datasets(self, call: Call, now: float) -> Reply:
        """Newest first, the only order here. Source: /api-reference/get-v1-datasets."""
        offset, limit = self._paging(call)
        if call.param("sort", "-createdAt") != "-createdAt":
            self.refuse(400, "the sandbox sorts by -createdAt only")
        newest = [*reversed(self.datasets.values())][offset : offset + limit]
        shown = [self._dataset_json(dataset, call, now) for dataset in newest]
        head = {"sort": ["-createdAt"], "offset": offset, "limit": limit, "total": len(shown)}
        return Reply.json(200, {"success": True, **head, "data": shown})

    @route("GET", "/v1/datasets/{id}")
    def show_dataset(self, call: Call, now: float, id: str) -> Reply:
        """Source: /api-reference/get-v1-datasets-id."""
        shown = self._dataset_json(self._dataset(id), call, now)
        return Reply.json(200, {"success": True, "total": 1, "data": shown})

    def _dataset_json(self, dataset: DatasetRecord, call: Call, now: float) -> dict[str, Any]:
        shown = dataset.to_json(self._share(call, now, f"dsx_{dataset.id[3:]}"))
        if self.assumptions["file_names"] == "altered":
            shown["fileName"] = dataset.altered_name
        if self.assumptions["sizes_told"] == "at_end" and any(
            job.dataset is dataset and job.ended(now) is None for job in self.jobs.values()
        ):
            shown["fileSize"] = 0 if self.assumptions["not_yet"] == "zero" else None
        return shown

    @route("GET", "/v1/datasets/{id}/items")
    def list_items(self, call: Call, now: float, id: str) -> Reply:
        """Every page as pdf and as jpg. Source: /api-reference/get-v1-datasets-id-items."""
        dataset = self._dataset(id)
        offset, limit = self._paging(call)
        rows = [row for row in ("pdf", "jpg") if call.param("row", row) == row]
        items = [
            {
                "id": f"dss_{id[3:]}-{col}-{row}",
                "col": col,
                "row": row,
                "datasetId": id,
                "createdAt": millis(dataset.created),
                "share": self._share(call, now, f"dsx_{id[3:]}-{col}-{row}"),
            }
            for col in range(1, dataset.pages + 1)
            for row in rows
        ]
        page = items[offset : offset + limit]
        head = {"sort": [], "offset": offset, "limit": limit, "total": len(page)}
        return Reply.json(200, {**head, "data": page})

    @route("GET", "/v1/share/{id}", guarded=False)
    def share(self, call: Call, now: float, id: str) -> Reply:
        """Hand out bytes for a token, without a key. Source: /glossary."""
        token = call.param("token")
        expires = token.partition("-")[0]
        if token != self._token(id, expires) or now * 1000 > int(expires, 16):
            self.refuse(self.assumptions["share_status"], "the link is not valid (any more)")
        dataset_id, _, page = f"ds_{id.removeprefix('dsx_')}".partition("-")
        dataset = self._dataset(dataset_id)
        if page:
            return Reply.text(200, f"{dataset.name}, page {page.replace('-', ' as ')}\n")
        return Reply.of(200, dataset.blob.read(), dataset.media_type)

    def _share(self, call: Call, now: float, id: str) -> dict[str, Any]:
        seconds = call.param("expiresInSeconds", "600")
        if not NUMBER.fullmatch(seconds):
            self.refuse(400, "expiresInSeconds must be a number from 1")
        expires = millis(now) + int(seconds) * 1000
        token = self._token(id, f"{expires:x}")
        url = f"{self.base_url}/v1/share/{id}?token={token}"
        return {"url": url, "token": token, "expiresAt": expires}

    def _token(self, id: str, expires: str) -> str:
        """Sign a link, so that none has to be remembered."""
        digest = hashlib.sha256(f"{self.workspace}:{id}:{expires}".encode()).hexdigest()
        return f"{expires}-{digest[:12]}"

    def _dataset(self, id: str) -> DatasetRecord:
        if id not in self.datasets:
            self.refuse(404, "dataset not found")
        return self.datasets[id]

    def _new_dataset(
        self, name: str, ext: str, kind: str, blob: Blob, *, days: int, now: float
    ) -> DatasetRecord:
        id, pages = self.new_token("ds_", 16), self.assumptions["pages"]
        return DatasetRecord(id, self.workspace, name, ext, kind, blob, pages, days, now)

    def state(self, now: float) -> VendorState:
        """Return what is held, for the inspection view."""
        jobs = self.jobs.values()
        return {
            "documents": [document_state(j.dataset.name, j.dataset.blob, j.id) for j in jobs],
            "jobs": [job_state(j.id, j.status(now), [j.dataset.name]) for j in jobs],
            "parts": self.part_counts.state(),
        }
