"""Plangrep's side, as docs.plangrep.com describes it; what is open stands in `_sandbox_table`.

Triggers: files named `*fail*` fail, files named `*blocked*` block their job for credits until it
is resumed; the option `credits` sets the account's balance (attribute `credits` to change it).
Passing here is no evidence about the vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, ClassVar, NoReturn
from urllib.parse import quote, urlsplit

from longshore.sandbox import (
    BadCall,
    Blob,
    Call,
    RateLimit,
    Refuse,
    Reply,
    StatusWalk,
    Storage,
    Vendor,
    VendorState,
    document_state,
    job_state,
    route,
)
from longshore_plangrep._sandbox_fields import checked
from longshore_plangrep._sandbox_records import TERMINAL, HeldDocument, HeldJob, HeldProject
from longshore_plangrep._sandbox_results import artifact_of, result_of
from longshore_plangrep._sandbox_table import TABLE
from longshore_plangrep._sandbox_uploads import Uploads

__all__ = ["PlangrepSandbox"]

API = "/api/open/v1"
_MINIMUM_PART = 5 << 20


@dataclass(frozen=True)
class _Remembered:
    at: float
    body: bytes
    job: str


class PlangrepSandbox(Uploads, Vendor):
    """The pure core.

    Attributes:
        credits: the account's balance.
        projects: by id.
        jobs: by id.
    """

    name = "plangrep"
    home = "https://plangrep.com"
    table = TABLE
    demo_settings: ClassVar[Mapping[str, str]] = {**Vendor.demo_settings, "project_name": "Demo"}
    showcase_settings: ClassVar[Mapping[str, str]] = {"upload_mode": "signed"}
    showcase_assumptions: ClassVar[Mapping[str, Any]] = {
        "multipart_above": 20_000_000,
        "part_bytes": 10 << 20,
    }

    def __init__(
        self,
        assumptions: Mapping[str, Any] | None = None,
        *,
        seed: str = "",
        base_url: str | None = None,
    ) -> None:
        super().__init__(assumptions, seed=seed, base_url=base_url)
        chosen = self.assumptions
        self.walk = StatusWalk.parse(chosen["walk"])
        self.credits: float = chosen["credits"]
        smallest = min(_MINIMUM_PART, chosen["part_bytes"])
        self.storage = Storage("https://storage.plangrep.com", minimum_part=smallest)
        self.storages.append(self.storage)
        self.projects: dict[str, HeldProject] = {}
        self.jobs: dict[str, HeldJob] = {}
        self._keys: dict[tuple[str, str], _Remembered] = {}
        self._downloads: dict[str, tuple[str, str]] = {}  # token -> job, path
        self._rate = RateLimit(chosen["requests_per_minute"], per=60.0)
        if chosen["project_id"]:
            given = HeldProject(chosen["project_id"], "Given project", 0.0, 0.0)
            self.projects[given.id] = given

    # ------------------------------------------------------------------ the door

    def guard(self, call: Call, now: float) -> Reply | None:
        """Source: authentication (401 for a missing, wrong, revoked or expired token)."""
        key = self.assumptions["api_key"]
        if not call.bearer or (key and call.bearer != key):
            return self._error(401, "unauthorized", "a valid API key is needed")
        if wait := self._rate.take(call.bearer, now):
            return self._error(429, "rate_limited", "too many requests").retry_after(wait)
        return None

    def bad_call(self, error: BadCall) -> Reply:
        """Refuse what cannot be read."""
        status = self.assumptions["invalid_status"] if error.status == 400 else error.status
        return self._error(status, "invalid_request", str(error))

    def not_found(self, call: Call) -> Reply:
        """Refuse an unknown path."""
        return self._error(404, "not_found", f"no such endpoint: {call.method} {call.path}")

    def refuse(self, kind: str, code: str, message: str) -> NoReturn:
        """End the call with an error; `kind` names the assumption that holds its status."""
        raise Refuse(self._error(self.assumptions[f"{kind}_status"], code, message))

    def _error(self, status: int, code: str, message: str) -> Reply:
        said = {"code": code, "message": message}
        nested = self.assumptions["error_shape"] == "nested"
        return Reply.json(status, {"error": said} if nested else said)

    def fields(self, value: Any, spec: Mapping[str, Any], where: str = "") -> dict[str, Any]:
        """Return an object whose fields were checked against a specification."""
        strict = self.assumptions["unknown_fields"] == "refuse"
        return checked(value, spec, where or "the body", strict=strict)

    # ------------------------------------------------------------------ projects

    @route("POST", f"{API}/projects")
    def create_project(self, call: Call, now: float) -> Reply:
        """Source: api-reference/projects/create-project."""
        name = self.fields(call.json_object(), {"name!": (str, 1, 180)})["name"]
        if any(project.name == name for project in self.projects.values()):
            self.refuse("conflict", "project_name_taken", "the name is in use")
        cost = self.assumptions["project_cost"]
        if cost > self.credits:
            self.refuse("short", "insufficient_credits", "a project costs credits")
        self.credits -= cost
        ready = now + self.assumptions["project_provisioning"]
        project = HeldProject(self.new_id("proj_"), name, now, ready)
        self.projects[project.id] = project
        billing = {
            "availableCredits": self.credits,
            "creditsCharged": cost,
            "requiredCredits": cost,
        }
        return Reply.json(202, {"project": self._project_view(project, now), "billing": billing})

    @route("GET", f"{API}/projects")
    def list_projects(self, call: Call, now: float) -> Reply:
        """Source: api-reference/projects/list-projects."""
        listed = [self._project_view(project, now) for project in self.projects.values()]
        return Reply.json(200, {"projects": listed})

    @route("GET", f"{API}/projects/{{project_id}}")
    def get_project(self, call: Call, now: float, project_id: str) -> Reply:
        """Source: api-reference/projects/get-project."""
        return Reply.json(200, {"project": self._project_view(self._project(project_id), now)})

    def _project(self, id: str) -> HeldProject:
        if id not in self.projects:
            self.refuse("missing", "not_found", "no such project")
        return self.projects[id]

    def _project_view(self, project: HeldProject, now: float) -> dict[str, Any]:
        word = self.assumptions["no_upgrade"]
        return project.view(now, None if word == "null" else word)

    # ------------------------------------------------------------------ jobs

    @route("POST", f"{API}/projects/{{project_id}}/jobs")
    def create_job(self, call: Call, now: float, project_id: str) -> Reply:
        """Source: api-reference/jobs/create-job."""
        project = self._project(project_id)
        spec = {"externalId": (str, 0, 180), "webhookUrl": str}
        body = self.fields(call.json_object(), spec)
        hook = body.get("webhookUrl")
        if hook is not None and (urlsplit(hook).scheme != "https" or not urlsplit(hook).hostname):
            self.refuse("invalid", "invalid_webhook_url", "webhookUrl must be a public https URL")

        def make() -> HeldJob:
            if now < project.ready_at:
                self.refuse("conflict", "project_not_ready", "the project is not ready")
            job = HeldJob(
                id=self.new_id("job_"),
                project=project.id,
                external_id=body.get("externalId"),
                webhook_url=hook,
                secret=self.new_token("wss_"),
                created=now,
                available=now + self.assumptions["job_provisioning"],
                expires=now + self.assumptions["job_ttl"],
            )
            self.jobs[job.id] = job
            return job

        job, replayed = self.once(call, now, f"create {project.id}", make)
        reply: dict[str, Any] = {"job": self.view(job, now)}
        wanted = hook is not None or self.assumptions["secret_always"]
        if wanted and (not replayed or self.assumptions["secret_on_replay"]):
            reply["webhookSigningSecret"] = job.secret
        if replayed:
            reply["idempotent"] = True
        return Reply.json(202, reply)

    def once(
        self, call: Call, now: float, scope: str, make: Callable[[], HeldJob]
    ) -> tuple[HeldJob, bool]:
        """Do it, or return what the same Idempotency-Key did before; True for a replay.

        Source: api-reference/jobs/create-job, uploads/complete-uploads. Not documented, and never
        put to the test by Longshore: a key counts per route and path, with another body it is
        refused, refusals are not kept.
        """
        key = call.headers.get("idempotency-key", "")
        if len(key) > 256:
            self.refuse("invalid", "invalid_idempotency_key", "at most 256 characters")
        known = self._keys.get((scope, key)) if key else None
        if known and now - known.at < self.assumptions["idempotency_window"]:
            if known.body != call.body.read():
                self.refuse("conflict", "idempotency_key_reused", "the key had another body")
            return self.jobs[known.job], True
        job = make()
        if key:
            self._keys[scope, key] = _Remembered(now, call.body.read(), job.id)
        return job, False

    @route("GET", f"{API}/projects/{{project_id}}/jobs")
    def list_jobs(self, call: Call, now: float, project_id: str) -> Reply:
        """Source: api-reference/jobs/list-jobs (newest first)."""
        project = self._project(project_id)
        own = [job for job in reversed(self.jobs.values()) if job.project == project.id]
        return Reply.json(200, {"jobs": [self.view(job, now) for job in own]})

    @route("GET", f"{API}/jobs/{{job_id}}")
    def get_job(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/jobs/get-job."""
        return Reply.json(200, {"job": self.view(self.job(job_id), now)})

    @route("POST", f"{API}/jobs/{{job_id}}/cancel")
    def cancel_job(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/jobs/cancel-job (non-terminal jobs only, no body)."""
        job = self.job(job_id)
        self._no_body(call)
        if self.status(job, now) in TERMINAL:
            self.refuse("conflict", "job_not_cancellable", "the job has ended")
        job.cancelled = now
        return Reply.json(200, {"job": self.view(job, now)})

    @route("POST", f"{API}/jobs/{{job_id}}/resume")
    def resume_job(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/jobs/resume-job (only from blocked_insufficient_credits)."""
        job = self.job(job_id)
        self._no_body(call)
        if self.status(job, now) != "blocked_insufficient_credits":
            self.refuse("conflict", "job_not_blocked", "the job is not blocked")
        needed = self.needed(job)
        if needed > self.credits:
            self.refuse("short", "insufficient_credits", f"{needed} credits are needed")
        self.reserve(job)
        job.started = now
        if self.assumptions["resume_status"] == "processing" and self.walk.steps:
            job.started = now - self.walk.steps[0][1]
        return Reply.json(200, {"job": self.view(job, now)})

    def _no_body(self, call: Call) -> None:
        if call.body.size:
            self.refuse("invalid", "invalid_request", "this call takes no body")

    # ------------------------------------------------------------------ credits, states

    @staticmethod
    def needed(job: HeldJob) -> int:
        """Credits for the pages that will be processed; failed pages are free."""
        return sum(document.credits for document in job.documents if not document.error)

    def reserve(self, job: HeldJob) -> None:
        """Take the credits of a job that goes on. Source: concepts/credits."""
        job.blocked, job.credits = False, self.needed(job)
        self.credits -= job.credits

    def begin(self, job: HeldJob, now: float) -> None:
        """Start the work: what `complete` triggers."""
        job.started = now
        for document in job.documents:
            if self.named(document.name, "failing") and not document.error:
                document.error = "the file could not be read"
        triggered = any(self.named(document.name, "blocked") for document in job.documents)
        if triggered or self.needed(job) > self.credits:
            job.blocked = True
        else:
            self.reserve(job)

    def named(self, name: str, option: str) -> bool:
        """Tell whether a file name is one of a trigger."""
        return fnmatchcase(name.lower(), self.assumptions[option].lower())

    def job(self, id: str) -> HeldJob:
        """Return a job, or end the call."""
        if id not in self.jobs:
            self.refuse("missing", "not_found", "no such job")
        return self.jobs[id]

    def status(self, job: HeldJob, now: float) -> str:
        """Return the status of a job."""
        return job.status(now, self.walk, self.assumptions["completed_word"])

    def view(self, job: HeldJob, now: float) -> dict[str, Any]:
        """Return a job as replies show it."""
        status = self.status(job, now)
        ended = job.cancelled
        if ended is None and status in TERMINAL:
            ended = job.expires if job.started is None else self.walk.ended(job.started)
        return job.view(
            status,
            file_ids=self.assumptions["file_ids"],
            file_status=self.assumptions["file_status"],
            limits={
                "maxDeclaredBytes": self.assumptions["max_declared_bytes"],
                "maxFiles": self.assumptions["max_files"],
            },
            result_url=f"{self.storage.base}/results/{job.id}?token={job.id}",
            ended=ended,
        )

    # ------------------------------------------------------------------ results

    @route("GET", f"{API}/jobs/{{job_id}}/result")
    def result(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/jobs/get-job-result, concepts/results."""
        job = self.job(job_id)
        view = self.view(job, now)
        if view["resultUrl"] is None:
            self.refuse("conflict", "result_not_ready", f"the job is {view['status']}")
        owner = self.assumptions["evidence_owner"]
        found = result_of(job, view, link=partial(self._link, job), owner=owner, now=now)
        return Reply.json(200, found)

    def _link(self, job: HeldJob, path: str) -> str:
        """Return the URL of an artifact of a job's result."""
        if self.assumptions["artifact_links"] == "job":
            return f"{self.base_url}{API}/jobs/{job.id}/artifact?path={quote(path, safe='')}"
        token = self.new_token("dl_")
        self._downloads[token] = (job.id, path)
        return f"{self.base_url}{API}/artifact-downloads/{token}"

    @route("GET", f"{API}/jobs/{{job_id}}/artifact")
    def artifact(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/artifacts/get-job-artifact (only paths of the snapshot)."""
        found = artifact_of(self.job(job_id), call.param("path"))
        if found is None:
            self.refuse("missing", "not_found", "no such artifact")
        return Reply.of(200, found, "application/octet-stream")

    @route("GET", f"{API}/artifact-downloads/{{token}}", guarded=False)
    def download(self, call: Call, now: float, token: str) -> Reply:
        """Source: api-reference/artifacts/get-artifact-download (no key; good once)."""
        job, path = ("", "") if call.bearer else self._downloads.pop(token, ("", ""))
        found = artifact_of(self.jobs[job], path) if job else None
        if found is None:
            self.refuse("missing", "not_found", "no such download")
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
