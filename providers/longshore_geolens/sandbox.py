"""The vendor's side of GeoLens: presign, complete, commit, jobs; strict, and without I/O.

The order and the words of the refusals follow processing/ingest/router.py and presigned.py of
https://github.com/geolens-io/geolens, v1.14.2. What can be switched stands in `_sandbox_table`.
Left out: preview, fan-out, the direct upload and the replacement of a dataset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from longshore.sandbox import (
    Call,
    Reply,
    StorageError,
    StoredObject,
    VendorState,
    document_state,
    job_state,
    route,
)
from longshore_geolens._sandbox_content import content_problem
from longshore_geolens._sandbox_door import Door
from longshore_geolens._sandbox_jobs import GONE, Job
from longshore_geolens._sandbox_requests import (
    CommitRequest,
    CompleteRequest,
    Part,
    PresignRequest,
)

__all__ = ["GeoLensSandbox"]

_MIB = 2**20
_ASSEMBLY = "Upload completion failed — the upload session may have expired. Please try again."


class GeoLensSandbox(Door):
    """A GeoLens server with its S3 bucket."""

    showcase_assumptions: ClassVar[Mapping[str, Any]] = {"threshold": 20 * _MIB}

    # ------------------------------------------------------------------ the upload

    @route("GET", "/ingest/upload/config")
    def config(self, call: Call, now: float) -> Reply:
        """Say what this server takes."""
        options = self.assumptions
        endings = [name.strip() for name in options["extensions"].split(",")]
        quota = options["dataset_quota"]
        left = max(0, quota - self._datasets(self._user(call))) if quota else None
        return Reply.json(
            200,
            {
                "presigned_uploads": options["presigned"],
                "presigned_threshold_bytes": options["threshold"],
                "max_file_size_bytes": options["max_size"],
                "allowed_extensions": ",".join(name for name in endings if name != ".vrt"),
                "remaining_dataset_quota": left,
            },
        )

    @route("POST", "/ingest/upload/presigned")
    def presign(self, call: Call, now: float) -> Reply:
        """Make a job and sign its URLs."""
        options, wanted, user = self.assumptions, self._read(call, PresignRequest), self._user(call)
        if not options["presigned"]:
            self.refuse(400, "Presigned uploads only available in S3 mode")
        id = self.new_uuid("job")
        key = f"staging/{id}/{wanted.filename}"
        job = Job(id, user, wanted.filename, wanted.file_size, key, now)
        self._check_extension(job.extension)
        most = options["max_size"]
        if job.size > most:
            size = f"{job.size / _MIB:.1f} MB"
            words = f"File size ({size}) exceeds the maximum allowed ({most // _MIB} MB)."
            self.refuse(422, words)
        self._check_quota(user, job.size)
        if options["job_timeout"] < options["window"]:
            self.refuse(409, "This upload's time window has closed. Start a new upload.")
        urls, part_size = self._sign(job, wanted.content_type, now)
        self.jobs[id] = job
        return Reply.json(
            201,
            {
                "job_id": id,
                "urls": urls,
                "s3_key": key,
                "upload_id": job.upload_id,
                "part_size": part_size,
            },
        )

    def _check_extension(self, extension: str) -> None:
        if extension == ".vrt":
            words = "Standalone VRT uploads are not supported. "
            words += "Create a managed VRT from existing raster datasets instead."
            self.refuse(422, words)
        allowed = [name.strip() for name in self.assumptions["extensions"].split(",")]
        if extension in allowed:
            return
        status = self.assumptions["extension_status"]
        words = f"File extension '{extension}' not allowed. Allowed: {sorted(allowed)}"
        self.refuse(status, "Internal server error" if status == 500 else words)

    def _sign(self, job: Job, content_type: str, now: float) -> tuple[list[str], int | None]:
        """Return the signed URLs and the part size; begins a multipart upload for large files."""
        expires, part_size = int(self.assumptions["job_timeout"]), self.assumptions["part_size"]
        if job.size <= self.assumptions["threshold"]:
            signed = {"Content-Type": content_type}
            url = self.storage.presign("PUT", job.key, now=now, expires=expires, headers=signed)
            return [url], None
        upload_id = job.upload_id = self.storage.initiate(job.key, content_type)
        numbers = range(1, -(-job.size // part_size) + 1)
        return [
            self.storage.presign_part(upload_id, number, now=now, expires=expires)
            for number in numbers
        ], part_size

    @route("POST", "/ingest/upload/presigned/{job_id}/complete")
    def complete(self, call: Call, now: float, job_id: str) -> Reply:
        """Assemble, freeze and check the bytes, and bind them to the job; works once."""
        wanted, job = self._read(call, CompleteRequest), self._job(call, now, job_id)
        if job.blob is not None or job.runs:
            self.refuse(400, "Upload already completed for this job")
        if job.failed:
            words = "This job has already failed and cannot be completed. Start a new upload."
            self.refuse(400, words)
        if job.upload_id and self.storage.get(job.key) is None:
            self._assemble(job.upload_id, wanted.parts)
        stored = self.storage.get(job.key)
        if stored is None:
            self.refuse(400, "File not found in S3 after upload")
        most = self.assumptions["max_size"]
        if stored.blob.size > most:
            self.storage.delete(job.key)
            size = f"{stored.blob.size / _MIB:.1f} MB"
            words = f"Uploaded file size ({size}) exceeds the maximum allowed ({most // _MIB} MB)."
            self.refuse(422, words)
        if self._fails("freeze_fails"):
            self.refuse(502, _ASSEMBLY)
        self._check_frozen(job, self.storage.copy(job.key, job.frozen_key))
        self.storage.delete(job.key)
        job.blob = stored.blob
        return self._accepted(job, 200, "File uploaded and ready for preview")

    def _assemble(self, upload_id: str, parts: list[Part]) -> None:
        """Put the parts together; whatever goes wrong, the vendor drops the parts."""
        failed, words = 0, ""
        if not parts:
            failed, words = 400, "Multipart upload completion requires at least one uploaded part"
        elif self._fails("assembly_fails"):
            failed, words = 502, _ASSEMBLY
        else:
            try:
                pairs = [(part.part_number, part.etag) for part in parts]
                self.storage.complete(upload_id, pairs)
            except StorageError:
                failed, words = 502, _ASSEMBLY
        if failed:
            if upload_id in self.storage.uploads():
                self.storage.abort(upload_id)
            self.refuse(failed, words)

    def _check_frozen(self, job: Job, frozen: StoredObject) -> None:
        """Compare the copy with what was declared; refused bytes are deleted, the job stays."""
        words = ""
        if frozen.blob.size != job.size:
            words = f"Uploaded file size ({frozen.blob.size} bytes) "
            words += f"does not match the declared size ({job.size} bytes)."
        else:
            self._check_quota(job.owner, job.size)
            if self.assumptions["content_check"]:
                words = content_problem(job.extension, frozen.blob)
        if words:
            self.storage.delete(job.key)
            self.storage.delete(job.frozen_key)
            if self.assumptions["content_refused"] == "failed":
                job.failed, job.cleared = words, True
            self.refuse(422, words)

    # ------------------------------------------------------------------ the import

    @route("POST", "/ingest/commit/{job_id}")
    def commit(self, call: Call, now: float, job_id: str) -> Reply:
        """Queue the import."""
        self._read(call, CommitRequest)
        job = self._job(call, now, job_id)
        once = job.runs and not self.assumptions["second_commit"]
        if self.worker.status(job, now) != "pending" or once:
            self.refuse(400, "Job already processed")
        if job.blob is None:
            self.refuse(400, "Job has no file_path and no source_url — cannot queue ingest")
        if self._fails("queue_down"):
            self.storage.delete(job.frozen_key)
            job.failed, job.cleared = "Task queue unavailable", True
            self.refuse(503, "Task queue unavailable, please retry")
        job.datasets.append(self.new_uuid("dataset"))
        job.runs = job.runs or [now]
        return self._accepted(job, 202, "Import queued")

    @route("GET", "/jobs/{job_id}")
    def show(self, call: Call, now: float, job_id: str) -> Reply:
        """Tell how a job stands."""
        job = self._job(call, now, job_id, "Not authorized to view this job")
        return Reply.json(200, self.worker.describe(job, now))

    @route("POST", "/jobs/{job_id}/retry")
    def retry(self, call: Call, now: float, job_id: str) -> Reply:
        """Queue a failed job again."""
        job = self._job(call, now, job_id)
        if self.worker.status(job, now) != "failed":
            self.refuse(400, "Only failed jobs can be retried")
        if not self.worker.can_retry(job, now):
            self.refuse(400, GONE)
        job.runs.append(now)
        return self._accepted(job, 202, "Job re-queued for ingestion")

    # ------------------------------------------------------------------ what routes share

    def _job(
        self, call: Call, now: float, id: str, denied: str = "Not authorized to access this job"
    ) -> Job:
        job = self.jobs.get(id)
        if job is None:
            self.refuse(404, "Job not found")
        if job.owner != self._user(call):
            self.refuse(403, denied)
        self.worker.settle(job, now)
        return job

    @staticmethod
    def _accepted(job: Job, status: int, message: str) -> Reply:
        return Reply.json(status, {"job_id": job.id, "status": "pending", "message": message})

    def _fails(self, name: str) -> bool:
        """Use up one of the failures that were asked for."""
        left = self._failures[name]
        self._failures[name] = max(0, left - 1)
        return bool(left)

    def _datasets(self, user: str) -> int:
        return sum(len(job.datasets) for job in self.jobs.values() if job.owner == user)

    def _check_quota(self, user: str, size: int) -> None:
        cap, count = self.assumptions["storage_quota"], self.assumptions["dataset_quota"]
        mine = [job.size for job in self.jobs.values() if job.owner == user and job.datasets]
        if cap and sum(mine) + size > cap:
            words = f"Storage quota exceeded: used {sum(mine)} of {cap} bytes "
            self.refuse(413, words + f"(adding {size} bytes)")
        if count and self._datasets(user) >= count:
            used = f"{self._datasets(user)} of {count} datasets used"
            self.refuse(422, f"Dataset quota exceeded: {used}")

    # ------------------------------------------------------------------ inspection

    def state(self, now: float) -> VendorState:
        """Show the bound documents, one for each import of theirs, and all jobs."""
        for job in self.jobs.values():
            self.worker.settle(job, now)
        return {
            "documents": [
                document_state(job.filename, job.blob, job.id)
                for job in self.jobs.values()
                if job.blob is not None and not job.cleared
                for _ in job.datasets or [""]
            ],
            "jobs": [
                job_state(job.id, self.worker.status(job, now), [job.filename])
                for job in self.jobs.values()
            ],
            "parts": self.storage_parts(),
        }
