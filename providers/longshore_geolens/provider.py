"""GeoLens, step by step: presign, PUT the parts straight to S3, complete, commit, poll.

Pages named "Source: <operation>" stand under
https://docs.getgeolens.com/guides/api/reference/operations/; files under ``backend/app`` of
https://github.com/geolens-io/geolens at v1.14.2.
"""

from __future__ import annotations

from longshore.provider import (
    Accepted,
    AccountError,
    Action,
    Answer,
    Batch,
    Capabilities,
    Document,
    DocumentStatus,
    Flow,
    Found,
    Job,
    Json,
    LongshoreError,
    LostRequest,
    ProtocolError,
    Provider,
    Raw,
    Receipt,
    Refused,
    Remedy,
    Request,
    RequestRefused,
    Response,
    Results,
    Retry,
    Session,
    SessionLost,
    Setup,
    State,
    Status,
    Transfer,
    Undecided,
    VendorUnavailable,
    cut,
    quoted,
    refusal_of,
    upload_url,
    url_expiry,
)
from longshore_geolens import CARD
from longshore_geolens.limits import capabilities_of
from longshore_geolens.results import results_of
from longshore_geolens.settings import GeoLensSettings
from longshore_geolens.wire import JobStatus, PresignedUpload, UploadConfig, words_of

__all__ = ["GeoLens"]

# Source: platform/jobs/schemas.py (the status enum).
_STATES = {
    "pending": State.RUNNING,
    "running": State.RUNNING,
    "complete": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
    # A person split the upload into one job per layer: this job is over, those are not ours.
    "fanned_out": State.SUCCEEDED,
}

# Source: processing/ingest/router.py and presigned.py (the words of each refusal).
_COMPLETED = "Upload already completed"
_PROCESSED = "Job already processed"
_NOT_FAILED = "Only failed jobs can be retried"
_RETRIED = "already retried by another request"
_NOT_STORED = "Upload completion failed"
_UPLOAD_LOST = (
    "already failed and cannot be completed",
    "File not found in S3",
    "Job not found",
)
_ACCOUNT = {
    "Presigned uploads only available": "the server's storage must be S3: ask who runs it",
    "Storage quota exceeded": "free space at the vendor or have the quota raised, then resume",
    "Dataset quota exceeded": "delete datasets or have the quota raised, then resume",
}

_QUESTION_PAUSE = 30.0


class GeoLens(Provider[GeoLensSettings], card=CARD):
    """The adapter to GeoLens' presigned ingest (v1.2.0 to v1.14.2)."""

    Settings = GeoLensSettings

    def capabilities(self) -> Capabilities:
        """The documented defaults; ``prepare`` replaces them by the server's own."""
        return capabilities_of()

    def sign(self, request: Request, now: float) -> Request:
        """Add ``X-Api-Key``, or the bearer token. Source: openapi.json (info)."""
        key, token = self.settings.api_key, self.settings.token
        if key is not None:
            return request.with_header("X-Api-Key", key.get_secret_value())
        if token is not None:
            return request.with_header("Authorization", f"Bearer {token.get_secret_value()}")
        return request

    # ------------------------------------------------------------------ before the upload

    def prepare(self) -> Flow[Setup]:
        """Ask what this server takes.

        Source: openapi.json, GET /ingest/upload/config. False means a local or Azure storage.
        """
        reply = yield Request.get("/ingest/upload/config")
        config = reply.parse(UploadConfig)
        if not config.presigned_uploads:
            raise AccountError(
                "this GeoLens server takes no presigned uploads",
                hint="its storage must be S3: ask who runs the server",
            )
        return Setup(
            data={"remaining_dataset_quota": config.remaining_dataset_quota},
            capabilities=capabilities_of(config),
        )

    # ------------------------------------------------------------------ the upload

    def start(self, batch: Batch) -> Flow[Session]:
        """Ask for the signed URLs of one file.

        Source: request_presigned_upload_ingest_upload_presigned_post. When the answer is lost the
        job that may exist does nothing by itself and expires (presigned.py): start afresh.
        """
        document = batch.only()
        body = Json(
            {
                "filename": document.name,
                "file_size": document.size,
                "content_type": document.media_type,
            }
        )
        reply = yield Request.post(
            "/ingest/upload/presigned", body, step="presign", lost=Remedy.RESTART
        )
        upload = reply.parse(PresignedUpload)
        return Session(
            transfers=_transfers(document, upload),
            data={"job_id": upload.job_id, "multipart": upload.multipart},
        )

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """PUT the bytes to S3 and keep the ETag as it comes, quotes included.

        Source: complete_presigned_upload (``etag``), frontend/src/api/_presignedUpload.ts.
        """
        assert transfer.url is not None
        reply = yield Request.put(transfer.url, Raw(transfer.pieces[0]), headers=transfer.headers)
        etag = reply.headers.get("ETag", "")
        if session.data["multipart"] and not etag:
            raise ProtocolError(
                "the storage took a part but told no ETag, and completing needs it",
                hint="a proxy before the storage must let the ETag header pass",
            )
        return transfer.receipt(etag)

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        """Complete the upload; then, as a step of its own, commit it."""
        document, job = batch.only(), str(session.data["job_id"])
        ordered = sorted(receipts, key=lambda receipt: receipt.number)
        parts = ordered if session.data["multipart"] else []
        yield from self._complete_upload(job, parts)
        if self.settings.commit:
            yield from self._commit(job, self.settings.title or document.stem)
        return Job(
            id=job,
            data={"committed": self.settings.commit},
            documents=(Accepted(document=document.id, vendor_id=job),),
        )

    def _complete_upload(self, job: str, parts: list[Receipt]) -> Flow[None]:
        """Have the parts put together and checked, with one repeat after a 502.

        If only the vendor's copy failed, the object is there and the repeat succeeds; if the
        assembly failed, the vendor has dropped the parts and a fresh upload is needed (router.py,
        presigned.py). A 502 in other words is that of a proxy: an outage, which says nothing
        about the upload.
        """
        body = Json({"parts": [{"etag": part.token, "part_number": part.number} for part in parts]})
        try:
            return (yield from self._assemble(job, body, "complete"))
        except Refused as refused:
            if refused.status != 502:
                raise
        try:
            yield from self._assemble(job, body, "complete-again")
        except Refused as refused:
            if refused.status != 502:
                raise
            words = words_of(refused.response)
            if _NOT_STORED in words:
                raise SessionLost(words, status=502) from None
            raise VendorUnavailable("a proxy before the vendor answers 502", status=502) from None

    def _assemble(self, job: str, body: Json, step: str) -> Flow[None]:
        """Complete the upload. The second one is refused, and that refusal is the lost answer.

        Only this session knows the job, so "already completed" can only mean our own request; two
        at once wait for each other at the job's row (presigned.py). To ask first would tell
        nothing: a job shows ``pending`` before and after (schemas.py), and a preview, which does
        tell, writes. Nothing works on the bytes before the commit, so that the worst of a repeat
        at an old server (v1.2.0 has no such guard) is a fresh upload.
        Source: complete_presigned_upload_ingest_upload_presigned__job_id__complete_post.
        """
        url = f"/ingest/upload/presigned/{quoted(job)}/complete"
        try:
            yield Request.post(url, body, step=step, retry=Retry.IDEMPOTENT, final={502})
        except Refused as refused:
            words = words_of(refused.response)
            if any(phrase in words for phrase in _UPLOAD_LOST):
                raise SessionLost(words, status=refused.status) from None
            if _COMPLETED not in words:
                raise

    def _commit(self, job: str, title: str) -> Flow[None]:
        """Start the import: the one request here that makes the vendor work.

        Source: commit_import_ingest_commit__job_id__post. It is not idempotent (the guard is the
        status, which stays ``pending`` until a worker takes the job), and its 503 has acted: the
        job is failed then (defer_guard.py). "Already processed" says only that the job moved, by
        our lost request or because the vendor gave the upload up; the job itself tells which.
        """

        def moved(_lost: LostRequest) -> Flow[Answer]:
            reply = yield Request.get(_job_url(job))
            if reply.parse(JobStatus).untouched:
                return Undecided(
                    _QUESTION_PAUSE,
                    f"job {job} is `pending`, as before a commit and while it is queued; where "
                    "later imports overtake it, commit it on the vendor's own pages",
                )
            return Found(reply)

        body = Json({"title": title, "visibility": self.settings.visibility})
        try:
            reply = yield Request.post(
                f"/ingest/commit/{quoted(job)}", body, step="commit", lost=moved
            )
        except Refused as refused:
            if _PROCESSED not in words_of(refused.response):
                raise
            reply = yield Request.get(_job_url(job))
        # 202 is the commit's own answer, another one what the job said when it was asked.
        if reply.status != 202 and reply.parse(JobStatus).given_up:
            raise SessionLost("the vendor gave the upload up before it worked on it")

    # ------------------------------------------------------------------ after the upload

    def poll(self, job: Job) -> Flow[Status]:
        """Ask how the job stands. Source: openapi.json, GET /jobs/{job_id}."""
        reply = yield Request.get(_job_url(job.id))
        status = reply.parse(JobStatus)
        state = _STATES.get(status.status, State.RUNNING)
        if status.untouched and not job.data.get("committed", True):
            state = State.NEEDS_ACTION
        error = status.error_message if state is State.FAILED else None
        return Status(
            state=state,
            word=status.status,
            documents=(
                DocumentStatus(state=state, word=status.status, vendor_id=job.id, error=error),
            ),
            actions=(Action(name="retry"),) if state is State.FAILED and status.can_retry else (),
            error=error,
            progress=status.progress,
            raw=reply.json(),
        )

    def act(self, job: Job, action: Action) -> Flow[Status]:
        """Queue a failed job again.

        Source: retry_job_jobs__job_id__retry_post. Only a failed job is taken, and a job is
        failed no more once the first request arrived: sent twice it retries once.
        """
        if action.name != "retry":
            raise RequestRefused(f"a job offers retry, not {action.name!r}")
        try:
            yield Request.post(f"{_job_url(job.id)}/retry", step="retry", retry=Retry.IDEMPOTENT)
        except Refused as refused:
            words = words_of(refused.response)
            if _NOT_FAILED not in words and _RETRIED not in words:
                raise
        return (yield from self.poll(job))

    def results(self, job: Job) -> Flow[Results]:
        """Name the dataset. Source: openapi.json, GET /jobs/{job_id}."""
        return results_of(job, (yield Request.get(_job_url(job.id))))

    # ------------------------------------------------------------------ errors

    def refusal(self, response: Response) -> LongshoreError | None:
        """Read problem+json and the older shapes; a quota is the account's trouble."""
        words = words_of(response)
        for phrase, hint in _ACCOUNT.items():
            if phrase in words:
                return AccountError(words, hint=hint, status=response.status)
        return refusal_of(response, words, hint=self._hint(response.status, words))

    def _hint(self, status: int, words: str) -> str:
        if status == 401 and self.settings.api_key is None:
            return "get a fresh token (they last 15 minutes by default), or use an API key"
        if status == 403 and words == "Insufficient permissions":
            return "the user needs the role editor or admin, and a key of scope full"
        if status == 404 and words == "Not Found":
            return "check base_url: most servers have the API under /api"
        if status == 403 and words.startswith("Not authorized to"):
            return "a job is its maker's: use the credentials of who began it, or an admin's"
        if status == 404 and words == "Job not found":
            return "ended jobs are forgotten after 30 days by default: look for the dataset itself"
        return ""


def _job_url(id: str) -> str:
    return f"/jobs/{quoted(id)}"


def _transfers(document: Document, upload: PresignedUpload) -> tuple[Transfer, ...]:
    """Pair the URLs with the pieces that the vendor's part size makes.

    Only the URL of a whole file is signed with the content type, and then exactly the declared
    one must be sent (platform/storage/s3.py). No field tells when a URL expires: it says so itself.

    Raises:
        ProtocolError: there are more or fewer URLs than parts, or one is not absolute.
    """
    size = upload.part_size or max(document.size, 1)
    parts = max(-(-document.size // size), 1)  # counted before they are made: there may be millions
    if parts != len(upload.urls):
        raise ProtocolError(
            f"the vendor gave {len(upload.urls)} URLs for {parts} parts of {size} bytes"
        )
    headers = {} if upload.multipart else {"Content-Type": document.media_type}
    return tuple(
        Transfer(
            id=f"part-{number}" if upload.multipart else "file",
            pieces=(piece,),
            number=number,
            url=upload_url(url),
            headers=headers,
            expires_at=url_expiry(url),
        )
        for number, (piece, url) in enumerate(zip(cut(document, size), upload.urls, strict=True), 1)
    )
