"""Plangrep's side, as docs.plangrep.com describes it; what is open stands in `_sandbox_table`.

It is written in chapters: `_sandbox_door` (key, rate, errors), `_sandbox_jobs`, `_sandbox_uploads`,
and here the results. Triggers: files named `*fail*` fail, files named `*blocked*` block their job
for credits until it is resumed; the option `credits` sets the account's balance (attribute
`credits` to change it). Passing here is no evidence about the vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from longshore.sandbox import (
    Blob,
    Call,
    Reply,
    Vendor,
    VendorState,
    document_state,
    job_state,
    route,
)
from longshore_plangrep._sandbox_door import API
from longshore_plangrep._sandbox_records import HeldDocument, HeldJob
from longshore_plangrep._sandbox_results import artifact_of, result_of
from longshore_plangrep._sandbox_uploads import Uploads

__all__ = ["PlangrepSandbox"]


class PlangrepSandbox(Uploads):
    """The pure core: ``handle(call, now)``."""

    demo_settings: ClassVar[Mapping[str, str]] = {**Vendor.demo_settings, "project_name": "Demo"}
    showcase_settings: ClassVar[Mapping[str, str]] = {"upload_mode": "signed"}
    showcase_assumptions: ClassVar[Mapping[str, Any]] = {
        "multipart_above": 20_000_000,
        "part_bytes": 10 << 20,
    }

    # ------------------------------------------------------------------ results

    @route("GET", f"{API}/jobs/{{job_id}}/result")
    def result(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/jobs/get-job-result, concepts/results."""
        job = self.job(job_id, now)
        view = self.view(job, now)
        if view["resultUrl"] is None:
            self.refuse_as("conflict", "result_not_ready", f"the job is {view['status']}")
        owner = self.assumptions["evidence_owner"]
        found = result_of(job, view, link=partial(self._link, job), owner=owner, now=now)
        return Reply.json(200, found)

    def _link(self, job: HeldJob, path: str) -> str:
        """Return the URL of an artifact of a job's result."""
        if self.assumptions["artifact_links"] == "job":
            return f"{self.base_url}{API}/jobs/{job.id}/artifact?path={quote(path, safe='')}"
        token = self.new_token("dl_")
        self.downloads[token] = (job.id, path)
        return f"{self.base_url}{API}/artifact-downloads/{token}"

    @route("GET", f"{API}/jobs/{{job_id}}/artifact")
    def artifact(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/artifacts/get-job-artifact (only paths of the snapshot)."""
        found = artifact_of(self.job(job_id, now), call.param("path"))
        if found is None:
            self.refuse_as("missing", "not_found", "no such artifact")
        return Reply.of(200, found, "application/octet-stream")

    @route("GET", f"{API}/artifact-downloads/{{token}}", guarded=False)
    def download(self, call: Call, now: float, token: str) -> Reply:
        """Source: api-reference/artifacts/get-artifact-download (no key; good once)."""
        job, path = ("", "") if call.bearer else self.downloads.pop(token, ("", ""))
        found = artifact_of(self.jobs[job], path) if job else None
        if found is None:
            self.refuse_as("missing", "not_found", "no such download")
        return Reply.of(200, found, "application/octet-stream")

    # ------------------------------------------------------------------ inspection

    def state(self, now: float) -> VendorState:
        """Return what Plangrep holds: documents of jobs that it works on name their job."""
        held = [(job, document) for job in self.jobs.values() for document in job.documents]
        return {
            "documents": [
                document_state(document.name, blob, None if job.started is None else job.id)
                for job, document in held
                if (blob := self._bytes_of(document)) is not None
            ],
            "jobs": [
                job_state(job.id, self.status(job, now), [d.name for d in job.documents])
                for job in self.jobs.values()
            ],
            "parts": self.storage_parts(),
        }

    def _bytes_of(self, document: HeldDocument) -> Blob | None:
        if document.blob is None and document.key and (put := self.storage.get(document.key)):
            return put.blob
        return document.blob
