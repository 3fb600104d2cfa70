"""The jobs of the sandbox: what a row holds, and how it moves by itself.

Source: platform/jobs/router.py, schemas.py and sweep.py (v1.14.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from longshore.sandbox import Blob, StatusWalk, iso_time

__all__ = ["GONE", "Job", "Worker"]

GONE = "The source is no longer available. Start the import again."

_DAY = 86_400.0
_PROGRESS = {"ogr2ogr": 0.1, "cog_convert": 0.2, "quicklook": 0.6, "complete": 1.0}


@dataclass
class Job:
    """One row: an upload, and the import that follows its commit.

    Attributes:
        blob: the frozen bytes, once complete has bound them.
        datasets: one id for each commit that passed.
        runs: when the import was queued: by the commit, then by each retry.
        failed: the message of a failure that is no import's.
        cleared: the bytes are gone.
    """

    id: str
    owner: str
    filename: str
    size: int
    key: str
    created: float
    upload_id: str | None = None
    blob: Blob | None = None
    datasets: list[str] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)
    failed: str = ""
    cleared: bool = False

    @property
    def extension(self) -> str:
        """The file's ending, lower case."""
        return _extension(self.filename)

    @property
    def frozen_key(self) -> str:
        """Where complete copies the bytes to."""
        return f"staging/{self.id}/frozen/{self.filename}"


@lru_cache(maxsize=256)
def _extension(name: str) -> str:
    return PurePath(name).suffix.lower()


class Worker:
    """Moves jobs: imports by their walk, and what nobody goes on with into ``failed``."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._vector = StatusWalk.parse(options["walk"])
        self._raster = StatusWalk.parse(options["raster_walk"])

    def _walk(self, job: Job) -> StatusWalk:
        return self._raster if job.extension in (".tif", ".tiff") else self._vector

    def settle(self, job: Job, now: float) -> None:
        """Fail a job that waited too long; the vendor does so when a job is read."""
        if job.failed or job.runs:
            return
        age, timeout = now - job.created, self._options["job_timeout"]
        if job.blob is None and age > timeout:
            job.failed = f"Stale: pending for {int(age)}s without being processed"
        elif job.blob is not None and age > max(_DAY, timeout + 3600.0):
            job.failed = "Stale: upload completed but never committed"
        job.cleared = bool(job.failed)

    def status(self, job: Job, now: float) -> str:
        """Return the vendor's word for a job."""
        if job.failed:
            return "failed"
        step = self._step(job, now)
        if step != "complete":
            return "running" if step and step != "pending" else "pending"
        return "failed" if self._fails(job) else "complete"

    def _step(self, job: Job, now: float) -> str:
        return self._walk(job).at(job.runs[-1], now) if job.runs else ""

    def _fails(self, job: Job) -> bool:
        again = len(job.runs) > 1 and self._options["retry_succeeds"]
        return fnmatchcase(job.filename, self._options["fail_names"]) and not again

    def can_retry(self, job: Job, now: float) -> bool:
        """Tell whether a failed job still has what a retry needs."""
        failed = self.status(job, now) == "failed"
        return failed and not job.cleared and bool(self._options["can_retry"])

    def describe(self, job: Job, now: float) -> dict[str, Any]:
        """Return the ``JobStatusResponse``, with all its fields."""
        status, step, walk = self.status(job, now), self._step(job, now), self._walk(job)
        begun = ended = None
        if status in ("running", "complete", "failed") and job.runs:
            first = next((name for name, _ in walk.steps if name != "pending"), walk.last)
            begun = iso_time(walk.entered(first, job.runs[-1]))
        if status in ("complete", "failed"):
            ended = iso_time(walk.ended(job.runs[-1]) if job.runs else now)
        if step == "pending":
            step = "queued" if self._options["queued_step"] else ""
        raster = walk is self._raster
        progress = (0.8 if raster else 0.7) if step == "finalize" else _PROGRESS.get(step)
        retry = self.can_retry(job, now)
        error = job.failed or "ogr2ogr could not read the file"
        return {
            "id": job.id,
            "status": status,
            "dataset_id": job.datasets[0] if status == "complete" else None,
            "source_filename": job.filename,
            "error_message": error if status == "failed" else None,
            "can_retry": retry,
            "retry_reason": GONE if status == "failed" and not retry else None,
            "warning_message": None,
            "warnings": [],
            "progress": progress if status != "failed" else None,
            "current_step": (step or None) if status != "failed" else None,
            "rows_processed": None,
            "rows_failed": None,
            "archive_failed": False,
            "temporal_parse_errors": {},
            "started_at": begun,
            "completed_at": ended,
            "created_at": iso_time(job.created),
        }
