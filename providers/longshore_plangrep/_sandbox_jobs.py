"""The projects and jobs of the sandbox: made, shown, blocked for credits, resumed, cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from longshore.sandbox import Call, Reply, route
from longshore_plangrep._sandbox_door import API, Door
from longshore_plangrep._sandbox_records import TERMINAL, HeldJob, HeldProject, Remembered

__all__ = ["Jobs"]


class Jobs(Door):
    """The calls about projects and jobs, and how a job goes on."""

    # ------------------------------------------------------------------ projects

    @route("POST", f"{API}/projects")
    def create_project(self, call: Call, now: float) -> Reply:
        """Source: api-reference/projects/create-project."""
        name = self.fields(call.json_object(), {"name!": (str, 1, 180)})["name"]
        if any(project.name == name for project in self.projects.values()):
            self.refuse_as("conflict", "project_name_taken", "the name is in use")
        cost = self.assumptions["project_cost"]
        if cost > self.credits:
            self.refuse_as("short", "insufficient_credits", "a project costs credits")
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
            self.refuse_as("missing", "not_found", "no such project")
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
            self.refuse_as(
                "invalid", "invalid_webhook_url", "webhookUrl must be a public https URL"
            )

        def make() -> HeldJob:
            if now < project.ready_at:
                self.refuse_as("conflict", "project_not_ready", "the project is not ready")
            job = HeldJob(
                id=self.new_id("job_"),
                project=project.id,
                external_id=body.get("externalId"),
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
            self.refuse_as("invalid", "invalid_idempotency_key", "at most 256 characters")
        known = self.keys.get((scope, key)) if key else None
        if known and now - known.at < self.assumptions["idempotency_window"]:
            if known.body != call.body.read():
                self.refuse_as("conflict", "idempotency_key_reused", "the key had another body")
            return self.jobs[known.job], True
        job = make()
        if key:
            self.keys[scope, key] = Remembered(now, call.body.read(), job.id)
        return job, False

    @route("GET", f"{API}/projects/{{project_id}}/jobs")
    def list_jobs(self, call: Call, now: float, project_id: str) -> Reply:
        """Source: api-reference/jobs/list-jobs (newest first)."""
        project = self._project(project_id)
        own = [
            job
            for job in reversed(self.jobs.values())
            if job.project == project.id and not self._is_gone(job, now)
        ]
        return Reply.json(200, {"jobs": [self.view(job, now) for job in own]})

    @route("GET", f"{API}/jobs/{{job_id}}")
    def get_job(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/jobs/get-job."""
        return Reply.json(200, {"job": self.view(self.job(job_id, now), now)})

    @route("POST", f"{API}/jobs/{{job_id}}/cancel")
    def cancel_job(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/jobs/cancel-job (non-terminal jobs only, no body).

        What is being processed may take its time (guides/polling-and-webhooks), or end before.
        """
        job = self.job(job_id, now)
        self._no_body(call)
        status = self.status(job, now)
        if status in TERMINAL:
            self.refuse_as("conflict", "job_not_cancellable", "the job has ended")
        at = now + (self.assumptions["cancel_takes"] if status == "processing" else 0.0)
        if at < min(job.ended(self.walk), job.expires):
            job.cancelled = min(at, job.cancelled or at)
        return Reply.json(200, {"job": self.view(job, now)})

    @route("POST", f"{API}/jobs/{{job_id}}/resume")
    def resume_job(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/jobs/resume-job (only from blocked_insufficient_credits)."""
        job = self.job(job_id, now)
        self._no_body(call)
        if self.status(job, now) != "blocked_insufficient_credits":
            self.refuse_as("conflict", "job_not_blocked", "the job is not blocked")
        needed = self.needed(job)
        if needed > self.credits:
            self.refuse_as("short", "insufficient_credits", f"{needed} credits are needed")
        self.reserve(job)
        job.started = now
        if self.assumptions["resume_status"] == "processing" and self.walk.steps:
            job.started = now - self.walk.steps[0][1]
        return Reply.json(200, {"job": self.view(job, now)})

    def _no_body(self, call: Call) -> None:
        if call.body.size:
            self.refuse_as("invalid", "invalid_request", "this call takes no body")

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
        job.started, matches = now, self.assumptions.matches
        for document in job.documents:
            if matches("failing", document.name) and not document.error:
                document.error = "the file could not be read"
        triggered = any(matches("blocked", document.name) for document in job.documents)
        if triggered or self.needed(job) > self.credits:
            job.blocked = True
        else:
            self.reserve(job)

    def job(self, id: str, now: float) -> HeldJob:
        """Return a job, or end the call."""
        job = self.jobs.get(id)
        if job is None or self._is_gone(job, now):
            self.refuse_as("missing", "not_found", "no such job")
        return job

    def _is_gone(self, job: HeldJob, now: float) -> bool:
        """Tell whether a job that ended has expired since. Source: .../jobs/get-job-result."""
        kept = now < job.expires or self.assumptions["after_expiry"] == "kept"
        return not kept and self.status(job, now) != "expired"

    def status(self, job: HeldJob, now: float) -> str:
        """Return the status of a job."""
        return job.status(now, self.walk, self.assumptions["completed_word"])

    def view(self, job: HeldJob, now: float) -> dict[str, Any]:
        """Return a job as replies show it."""
        status = self.status(job, now)
        ended = None
        if status == "cancelled":
            ended = job.cancelled
        elif status in TERMINAL:
            ended = min(job.ended(self.walk), job.expires)
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
