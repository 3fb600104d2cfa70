"""What the sandbox remembers: projects, jobs and their documents."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from longshore.sandbox import Blob, StatusWalk, iso_time

__all__ = ["TERMINAL", "HeldDocument", "HeldJob", "HeldProject", "Remembered"]

TERMINAL = frozenset({
    "completed", "complete", "completed_with_errors", "failed", "cancelled", "expired",
})  # fmt: skip


@dataclass(frozen=True)
class Remembered:
    """What an Idempotency-Key did first."""

    at: float
    body: bytes
    job: str


@dataclass
class HeldProject:
    """A project."""

    id: str
    name: str
    created: float
    ready_at: float

    def view(self, now: float, no_upgrade: str | None) -> dict[str, Any]:
        """Source: docs.plangrep.com/api-reference/projects/get-project."""
        ready = now >= self.ready_at
        return {
            "id": self.id,
            "name": self.name,
            "projectKind": "open_api",
            "status": "ready" if ready else "provisioning",
            "runtime": {
                "status": "running" if ready else "starting",
                "upgradeStatus": no_upgrade,
            },
            "createdAt": iso_time(self.created),
            "updatedAt": iso_time(max(self.created, min(now, self.ready_at))),
        }


@dataclass
class HeldDocument:
    """A file of a job; `mode` is form, direct_put or multipart."""

    id: str
    file_id: str
    name: str
    content_type: str
    size: int
    mode: str
    sha256: str | None = None
    classification: str | None = None
    token: str = ""
    key: str = ""
    upload_id: str = ""
    blob: Blob | None = None
    error: str | None = None

    @property
    def credits(self) -> int:
        """One page each: 10 for a drawing, 1 for another document (docs: concepts/credits)."""
        return 10 if self.classification in (None, "plans", "mixed") else 1


@dataclass
class HeldJob:
    """A job. Times are Unix seconds; `started` is the moment of complete or resume."""

    id: str
    project: str
    external_id: str | None
    secret: str
    created: float
    available: float
    expires: float
    started: float | None = None
    cancelled: float | None = None
    blocked: bool = False
    credits: int = 0
    documents: list[HeldDocument] = field(default_factory=list)

    def end(self, word: str) -> str:
        """Return how the job ends by itself."""
        failed = [document for document in self.documents if document.error]
        if not failed:
            return word
        return "failed" if len(failed) == len(self.documents) else "completed_with_errors"

    def status(self, now: float, walk: StatusWalk, word: str) -> str:
        """Source: docs.plangrep.com/guides/polling-and-webhooks."""
        if self.cancelled is not None and now >= self.cancelled:
            return "cancelled"
        if self.started is None:
            if now >= self.expires:
                return "expired"
            if now < self.available:
                return "provisioning"
            return "uploading" if self.documents else "awaiting_uploads"
        if now >= self.expires and self.ended(walk) > self.expires:
            return "expired"
        state = walk.at(self.started, now)
        first = walk.steps[0][0] if walk.steps else ""
        if self.blocked and state != first:
            return "blocked_insufficient_credits"
        return self.end(word) if state == walk.last else state

    def ended(self, walk: StatusWalk) -> float:
        """Return when the job ends by itself, unless it expires before."""
        if self.started is None or self.blocked:
            return math.inf
        return walk.ended(self.started)

    def view(
        self,
        status: str,
        *,
        file_ids: str,
        file_status: str,
        limits: dict[str, int],
        result_url: str | None,
        ended: float | None,
    ) -> dict[str, Any]:
        """Source: docs.plangrep.com/api-reference/jobs/list-jobs, cancel-job, resume-job."""
        done = status in ("completed", "complete", "completed_with_errors")
        pages = len(self.documents)
        good = sum(1 for document in self.documents if not document.error) if done else 0
        return {
            "id": self.id,
            "externalId": self.external_id,
            "status": status,
            "projectId": self.project,
            "limits": limits,
            "pageCount": pages,
            "successfulPageCount": good,
            "billing": {"creditsDebited": self.credits if done else 0},
            "files": [
                {
                    "id": document.file_id if file_ids == "own" else document.id,
                    "fileName": document.name,
                    "status": _file_status(document, status) if file_status == "words" else None,
                }
                for document in self.documents
            ],
            "resultUrl": result_url if done else None,
            "error": {"code": "all_pages_failed", "message": "nothing usable was found"}
            if status == "failed"
            else None,
            "createdAt": iso_time(self.created),
            "updatedAt": iso_time(max(self.created, ended or self.started or self.created)),
            "completedAt": None if ended is None else iso_time(ended),
            "expiresAt": iso_time(self.expires),
        }


def _file_status(document: HeldDocument, job: str) -> str:
    if job in ("cancelled", "expired"):
        return "cancelled"
    if job not in TERMINAL:
        return "processing"
    return "failed" if document.error else "completed"
