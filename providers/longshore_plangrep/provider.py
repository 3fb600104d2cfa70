"""Plangrep's upload protocol, in the order in which it happens.

Project -> job -> files (one form, or register and signed PUTs) -> complete -> poll. Nothing is
processed or billed before ``uploads/complete``, so whatever is lost before it is given up, its
job is cancelled and a fresh one is made.

Sources are pages of docs.plangrep.com.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from pydantic import JsonValue

from longshore.provider import (
    Abandon,
    Accepted,
    Action,
    Answer,
    Batch,
    BatchError,
    Capabilities,
    Document,
    File,
    Flow,
    Found,
    Holding,
    Inventory,
    Job,
    Json,
    Limits,
    LongshoreError,
    LostRequest,
    Multipart,
    NotDone,
    PartRule,
    PollSchedule,
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
    Wait,
    refusal_of,
)
from longshore_plangrep import CARD, wire
from longshore_plangrep.projects import (
    API,
    READY_EVERY,
    READY_WITHIN,
    await_project,
    project_named,
    project_url,
)
from longshore_plangrep.results import results_of
from longshore_plangrep.settings import PlangrepSettings
from longshore_plangrep.states import BEFORE_COMPLETE, status_of
from longshore_plangrep.uploads import (
    form_uploads,
    in_order,
    signed_body,
    signed_session,
    vendor_ids,
)

__all__ = ["Plangrep"]

KEY = "Idempotency-Key"
_GONE = (404, 410)  # after expiry a job cannot be reached any more


class Plangrep(Provider[PlangrepSettings], card=CARD):
    """Construction documents: many files in one job of a project."""

    Settings = PlangrepSettings
    webhook_setting = "webhook_url"

    def capabilities(self) -> Capabilities:
        """Source: concepts/uploads, concepts/jobs, guides/polling-and-webhooks."""
        signed = self.settings.upload_mode != "form"
        return Capabilities(
            limits=Limits(documents_per_batch=100, bytes_per_batch=10_000_000_000),
            # Plangrep chooses; that it does so above 5 GB is advice on concepts/uploads.
            parts=PartRule(above=5_000_000_000, chosen_by="vendor") if signed else None,
            polls=PollSchedule(floor=5.0, interval=15.0, longest=30.0),
            idempotency_window=86_400.0,  # Assumption: a window exists, its length is not told.
            wants_sha256=signed,
            behaviours=(
                "A job belongs to a project; a new one costs credits and takes 1 to 2 minutes.",
                "Nothing is processed or billed before the upload is completed.",
                "Without credits a job waits (blocked_insufficient_credits) until it is resumed.",
                "Pages that were processed are billed even if the job is cancelled.",
                "Signed URLs cannot be renewed: when they expire, a fresh job is made.",
            ),
            # Source: concepts/credits (the defaults; the organisation's profile has its own).
            credits="10 credits a drawing page and 1 a document page, unless agreed otherwise",
        )

    # ------------------------------------------------------------------------- project

    def prepare(self) -> Flow[Setup]:
        """Find the project, or create it, and await ``ready``; a wrong key is found here too.

        Source: api-reference/projects/{list-projects,create-project,get-project}.
        """
        id = self.settings.project_id
        if not id:
            id = (yield from project_named(self.settings.project_name or "")).id
        project = yield from await_project(id, "project-ready")
        return Setup(data={"project": project.id, "project_name": project.name})

    # ----------------------------------------------------------------------------- job

    def start(self, batch: Batch) -> Flow[Session]:
        """Create the job, await its place, and for signed uploads register the files.

        Source: api-reference/jobs/create-job, concepts/jobs.
        """
        created = yield from self._create_job(batch)
        secret = created.webhook_signing_secret  # shown this once, never again
        bare = Session(
            transfers=(Transfer.whole(batch),),
            data={"job": created.job.id, "mode": "form"},
            secrets={"webhook": secret} if secret else {},
        )
        try:
            job = yield from self._provisioned(created.job)
            _check_limits(batch, job)
            if not self.settings.signs(batch):
                return bare
            return (yield from self._register(batch, bare))
        except (Refused, BatchError) as failure:
            error = failure.error if isinstance(failure, Refused) else failure
            try:
                yield from self.abort(bare)
            except Refused:  # it is tried again later
                error.abandon = bare
            raise failure from None

    def _create_job(self, batch: Batch) -> Flow[wire.JobReply]:
        project = str(batch.setup.data["project"])
        jobs = f"{project_url(project)}/jobs"
        body: dict[str, JsonValue] = {"externalId": batch.reference}
        if url := batch.callback or self.settings.webhook_url:
            body["webhookUrl"] = url

        def ask(lost: LostRequest) -> Flow[Answer]:
            """Source: api-reference/jobs/list-jobs (no paging; externalId is not kept unique)."""
            reply = yield Request.get(jobs)
            found = [
                job
                for job in reply.parse(wire.JobList).jobs
                if job.external_id == batch.reference and job.id not in lost.claimed
            ]
            if len(found) > 1:
                return Undecided(READY_EVERY, f"{len(found)} jobs carry {batch.reference}")
            return Found(Response.of({"job": found[0].as_json()})) if found else NotDone()

        try:
            reply = yield Request.post(jobs, Json(body), step="create-job", key=KEY, lost=ask)
        except Refused:
            # Since `prepare` an upgrade may have begun, and new jobs wait for its end.
            yield from await_project(project, "project-upgraded")
            reply = yield Request.post(jobs, Json(body), step="create-job-2", key=KEY, lost=ask)
        return reply.parse(wire.JobReply)

    def _provisioned(self, job: wire.VendorJob) -> Flow[wire.VendorJob]:
        """Wait until files can come; the reply may show ``awaiting_uploads`` at once.

        Assumption: a job deserves the same patience as a project.
        """
        while job.status == "provisioning":
            reply = yield Request.get(_job_url(job.id))
            job = reply.parse(wire.JobReply).job
            if job.status == "provisioning":
                yield Wait("job-ready", READY_EVERY, limit=READY_WITHIN)
        if job.status not in BEFORE_COMPLETE:
            raise SessionLost(f"the job {job.id} is {job.status} before anything was uploaded")
        return job

    def _register(self, batch: Batch, bare: Session) -> Flow[Session]:
        """Declare the files and get a signed URL for each, or for each of its parts.

        Source: api-reference/uploads/register-uploads.
        """
        files: list[JsonValue] = [
            {
                "fileName": document.name,
                "contentType": document.media_type,
                "fileSize": document.size,
                "sha256": document.sha256,
                **self._classification(document),
            }
            for document in batch.documents
        ]
        reply = yield Request.post(
            f"{_job_url(bare.data['job'])}/uploads",
            Json({"files": files}),
            step="register",
            lost=Abandon(bare),
        )
        uploads = in_order(batch.documents, reply.parse(wire.RegisterReply).uploads)
        return signed_session(bare, batch.documents, uploads, self.settings.signed_fields)

    def _classification(self, document: Document) -> dict[str, JsonValue]:
        kind = self.settings.classified(document)
        return {"classification": kind} if kind else {}

    # --------------------------------------------------------------------------- bytes

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Carry the form, one whole file, or one part."""
        if transfer.url is None:
            return (yield from self._send_form(batch, session, transfer))
        return (yield from self._put(session, transfer, transfer.url))

    def _send_form(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """All files in one form, ``metadata`` first.

        Source: api-reference/uploads/upload-files, guides/submit-a-job.
        """
        documents = [batch.document(piece.document) for piece in transfer.pieces]
        files = [
            {
                "partName": f"file{index}",
                "fileName": document.name,
                "contentType": document.media_type,
                **self._classification(document),
                **({"sha256": document.sha256} if document.sha256 else {}),
            }
            for index, document in enumerate(documents)
        ]
        metadata = {"clientUploadFlowId": batch.reference, "files": files}
        parts = ((f"file{index}", File.of(d)) for index, d in enumerate(documents))
        job = _job_url(session.data["job"])
        try:
            reply = yield Request.post(
                f"{job}/files",
                Multipart((("metadata", json.dumps(metadata, ensure_ascii=False)), *parts)),
                step="files",
                lost=Remedy.RESTART,
                timeout=self.settings.timeout_for(transfer.size),
            )
        except Refused:
            if not (yield from _has_expired(job)):
                raise
            raise SessionLost("the job expired before the files were sent") from None
        uploads = form_uploads(documents, reply.parse(wire.FilesReply))
        return transfer.receipt(
            documents=[
                Accepted(document=document.id, vendor_id=upload.document_id)
                for document, upload in zip(documents, uploads, strict=True)
            ]
        )

    def _put(self, session: Session, transfer: Transfer, url: str) -> Flow[Receipt]:
        """PUT to the storage with the dictated headers; the ETag is kept as it is, quotes too.

        Source: api-reference/uploads/register-uploads, complete-uploads. Assumption: what the
        storage refuses for good (a wrong checksum, say) is wrong with this file only.
        """
        (piece,) = transfer.pieces
        vendor_id, multipart = vendor_ids(session)[piece.document]
        try:
            reply = yield Request.put(url, Raw(piece), headers=transfer.headers)
        except Refused as refused:
            if not isinstance(refused.error, RequestRefused):
                raise
            why = refused.error.message
            return transfer.receipt(
                documents=[Accepted(document=piece.document, vendor_id=vendor_id, error=why)]
            )
        etag = reply.headers.get("ETag", "")
        if multipart and not etag:
            raise ProtocolError("the storage sent no ETag for a part; complete needs it")
        return transfer.receipt(etag)

    # ------------------------------------------------------------------------ complete

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        """Close the upload: from here on Plangrep works and bills.

        Source: api-reference/uploads/complete-uploads.
        """
        job = str(session.data["job"])
        rejected = {e.document: e for r in receipts for e in r.documents if e.error}
        if session.data["mode"] == "form":
            accepted = [e for r in receipts for e in r.documents if not e.error]
            body: dict[str, JsonValue] = {"documentIds": [e.vendor_id for e in accepted]}
        else:
            uploads = {id: u for id, u in vendor_ids(session).items() if id not in rejected}
            accepted = [Accepted(document=id, vendor_id=u[0]) for id, u in uploads.items()]
            body = signed_body(session, uploads, receipts)
        if rejected:
            # Assumption: the record's fields are not documented; its document must be one.
            body["failedUploads"] = [{"documentId": e.vendor_id} for e in rejected.values()]

        def ask(_: LostRequest) -> Flow[Answer]:
            reply = yield Request.get(_job_url(job))
            return Found(reply) if _completed(reply) else NotDone()

        try:
            reply = yield Request.post(
                f"{_job_url(job)}/uploads/complete", Json(body), step="complete", key=KEY, lost=ask
            )
        except Refused:
            # The key may be forgotten (its window is not documented) although it did act.
            reply = yield Request.get(_job_url(job))
            if not _completed(reply):
                raise
        return Job(id=reply.parse(wire.JobReply).job.id, documents=(*accepted, *rejected.values()))

    # --------------------------------------------------------------------- afterwards

    def poll(self, job: Job) -> Flow[Status]:
        """Source: api-reference/jobs/get-job, guides/polling-and-webhooks."""
        return status_of((yield Request.get(_job_url(job.id))))

    def act(self, job: Job, action: Action) -> Flow[Status]:
        """Resume a job that waits for credits, or cancel it.

        Source: api-reference/jobs/resume-job (only from ``blocked_insufficient_credits``).
        """
        if action.name == "cancel":
            return (yield from self.cancel(job))
        if action.name != "resume":
            raise RequestRefused(f"a job offers resume and cancel, not {action.name!r}")
        # A second resume finds the job no longer blocked and is refused: nothing happens twice.
        try:
            reply = yield Request.post(
                f"{_job_url(job.id)}/resume", step="resume", retry=Retry.IDEMPOTENT
            )
        except Refused:
            reply = yield Request.get(_job_url(job.id))
            if status_of(reply).actions:
                raise
        return status_of(reply)

    def cancel(self, job: Job) -> Flow[Status]:
        """Source: api-reference/jobs/cancel-job. It may take effect later: poll to confirm."""
        return status_of((yield from self._stop(job.id)))

    def abort(self, session: Session) -> Flow[None]:
        """Give the session back: its job is cancelled, and its uploads with it."""
        try:
            yield from self._stop(str(session.data["job"]))
        except Refused as refused:
            if refused.status not in _GONE:
                raise

    def _stop(self, job: str) -> Flow[Response]:
        """Cancel a job; one that has ended refuses, and that is as good."""
        try:
            return (
                yield Request.post(f"{_job_url(job)}/cancel", step="cancel", retry=Retry.IDEMPOTENT)
            )
        except Refused:
            reply = yield Request.get(_job_url(job))
            if not status_of(reply).state.terminal:
                raise
            return reply

    def results(self, job: Job) -> Flow[Results]:
        """Source: api-reference/jobs/get-job-result (completed, completed_with_errors only)."""
        reply = yield Request.get(f"{_job_url(job.id)}/result")
        return results_of(reply, _job_url(job.id), self.settings.base_url)

    def inventory(self, setup: Setup) -> Flow[Inventory]:
        """List the jobs of the project that were completed and not cancelled.

        Source: api-reference/jobs/list-jobs (not paged). A job is known again by its
        ``externalId``: no list tells a size or a digest.
        """
        reply = yield Request.get(f"{project_url(setup.data['project'])}/jobs")
        jobs = reply.parse(wire.JobList).jobs
        return Inventory(
            holdings=tuple(
                Holding(job=job.id, reference=job.external_id, status=status)
                for job in jobs
                if job.status not in BEFORE_COMPLETE
                and (status := status_of(Response.of({"job": job.as_json()}))).state
                not in (State.CANCELLED, State.EXPIRED)
            ),
            gaps=("only jobs of this project, and only those that carry our externalId",),
        )

    # -------------------------------------------------------------------------- errors

    def refusal(self, response: Response) -> LongshoreError | None:
        """Source: authentication (``code`` to branch on, ``message`` for people)."""
        code, message = wire.error_of(response.body)
        return refusal_of(response, message, code=code)


def _job_url(job: object) -> str:
    return f"{API}/jobs/{quote(str(job), safe='')}"


def _has_expired(job_url: str) -> Flow[bool]:
    """Tell whether a job is over because nobody completed it in time, as after a long pause.

    Source: api-reference/jobs/get-job (``expired``), get-job-result (not accessible any more).
    """
    try:
        reply = yield Request.get(job_url)
    except Refused as refused:
        return refused.status in _GONE
    return status_of(reply).state is State.EXPIRED


def _check_limits(batch: Batch, job: wire.VendorJob) -> None:
    """Compare with the job's own limits before the first byte.

    Source: concepts/jobs (``limits.maxFiles``, ``limits.maxDeclaredBytes``).
    """
    limits = job.limits or wire.JobLimits()
    files, size = limits.max_files, limits.max_declared_bytes
    reasons = []
    if files is not None and len(batch.documents) > files:
        reasons.append(f"{len(batch.documents)} files, a job takes {files}")
    if size is not None and batch.size > size:
        reasons.append(f"{batch.size} bytes, a job takes {size}")
    if reasons:
        raise RequestRefused("; ".join(reasons), hint="choose fewer files with --batch-size")


def _completed(reply: Response) -> bool:
    return status_of(reply).word not in BEFORE_COMPLETE
