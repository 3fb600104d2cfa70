"""Plangrep's upload protocol, in the order in which it happens.

Project -> job -> files (one form, or register and signed PUTs) -> complete -> poll. Nothing is
processed or billed before ``uploads/complete``, so whatever is lost before it is given up, its
job is cancelled and a fresh one is made.

Sources are pages of docs.plangrep.com. How a project and a job are made, found and awaited stands
in ``projects`` and ``jobs``; what the replies say of each file, in ``uploads``.
"""

from __future__ import annotations

import json

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
    Setup,
    State,
    Status,
    Transfer,
    refusal_of,
)
from longshore_plangrep import CARD, wire
from longshore_plangrep.jobs import (
    GONE,
    KEY,
    await_job,
    cancel_job,
    check_limits,
    create_job,
    job_url,
    unexpired,
    was_completed,
)
from longshore_plangrep.projects import await_project, project_named, project_url
from longshore_plangrep.results import results_of
from longshore_plangrep.settings import PlangrepSettings
from longshore_plangrep.states import BEFORE_COMPLETE, status_of, status_of_job
from longshore_plangrep.uploads import (
    form_documents,
    signed_body,
    signed_documents,
    signed_session,
    vendor_ids,
)

__all__ = ["Plangrep"]

# Source: authentication (scopes), api-reference/jobs/get-job-result (expiry).
_HINTS = {
    403: "give the key the scopes jobs:read and jobs:write, and artifacts:read for what results "
    "point to",
    404: "check base_url and the project; a job and its result are gone once the job has expired, "
    "after 7 days in the vendor's examples",
}


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
            idempotency_window=86_400.0,  # Assumption: a day; its length is not told.
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
        webhook = batch.callback or self.settings.webhook_url
        created = yield from create_job(str(batch.setup.data["project"]), batch.reference, webhook)
        secret = created.webhook_signing_secret  # shown this once, never again
        form = Session(
            transfers=(Transfer.whole(batch),),
            data={"job": created.job.id, "mode": "form"},
            secrets={"webhook": secret} if secret else {},
        )
        try:
            check_limits(batch, (yield from await_job(created.job)))
            if not self.settings.signs(batch):
                return form
            return (yield from self._register(batch, form))
        except (Refused, BatchError) as failure:
            raise (yield from self._given_back(form, failure)) from None

    def _register(self, batch: Batch, form: Session) -> Flow[Session]:
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
        job = form.data["job"]
        reply = yield from unexpired(
            job,
            Request.post(
                f"{job_url(job)}/uploads",
                Json({"files": files}),
                step="register",
                lost=Abandon(form),
            ),
        )
        found = reply.parse(wire.RegisterReply)
        return signed_session(form, batch.documents, found, self.settings.signed_fields)

    def _classification(self, document: Document) -> dict[str, JsonValue]:
        kind = self.settings.classified(document)
        return {"classification": kind} if kind else {}

    def _given_back(self, session: Session, failure: Refused | BatchError) -> Flow[Refused]:
        """Give back the job of a ``start`` that failed, now or, where that is refused, later.

        Returns:
            The failure as a refusal, so that nothing counts as unknown: a job without a complete
            does no work.
        """
        refused = failure if isinstance(failure, Refused) else Refused(Response(0), failure)
        try:
            yield from self.abort(session)
        except Refused:
            refused.error.abandon = session
        return refused

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
        files: list[JsonValue] = [
            {
                "partName": f"file{index}",
                "fileName": document.name,
                "contentType": document.media_type,
                **self._classification(document),
                **({"sha256": document.sha256} if document.sha256 else {}),
            }
            for index, document in enumerate(batch.documents)
        ]
        metadata = {"clientUploadFlowId": batch.reference, "files": files}
        parts = ((f"file{index}", File.of(d)) for index, d in enumerate(batch.documents))
        job = session.data["job"]
        reply = yield from unexpired(
            job,
            Request.post(
                f"{job_url(job)}/files",
                Multipart((("metadata", json.dumps(metadata, ensure_ascii=False)), *parts)),
                step="files",
                lost=Remedy.RESTART,
                timeout=self.settings.timeout_for(transfer.size),
            ),
        )
        return transfer.receipt(
            documents=form_documents(batch.documents, reply.parse(wire.FilesReply))
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
        if session.data["mode"] == "form":
            (receipt,) = receipts
            documents = [*receipt.documents]
            body: dict[str, JsonValue] = {"documentIds": [entry.vendor_id for entry in documents]}
        else:
            documents = signed_documents(session, receipts)
            body = signed_body(session, documents, receipts)
        job = job_url(session.data["job"])

        def ask(_: LostRequest) -> Flow[Answer]:
            reply = yield Request.get(job)
            return Found(reply) if was_completed(reply) else NotDone()

        try:
            reply = yield Request.post(
                f"{job}/uploads/complete", Json(body), step="complete", key=KEY, lost=ask
            )
        except Refused:
            # The key may be forgotten (its window is not documented) although it did act.
            reply = yield Request.get(job)
            if not was_completed(reply):
                raise
        return Job(id=reply.parse(wire.JobReply).job.id, documents=tuple(documents))

    # --------------------------------------------------------------------- afterwards

    def poll(self, job: Job) -> Flow[Status]:
        """Source: api-reference/jobs/get-job, guides/polling-and-webhooks."""
        return status_of((yield Request.get(job_url(job.id))))

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
                f"{job_url(job.id)}/resume", step="resume", retry=Retry.IDEMPOTENT
            )
        except Refused:
            reply = yield Request.get(job_url(job.id))
            if status_of(reply).actions:
                raise
        return status_of(reply)

    def cancel(self, job: Job) -> Flow[Status]:
        """Source: api-reference/jobs/cancel-job. It may take effect later: poll to confirm."""
        return status_of((yield from cancel_job(job.id)))

    def abort(self, session: Session) -> Flow[None]:
        """Give the session back: its job is cancelled, and its uploads with it."""
        try:
            yield from cancel_job(session.data["job"])
        except Refused as refused:
            if refused.status not in GONE:
                raise

    def results(self, job: Job) -> Flow[Results]:
        """Source: api-reference/jobs/get-job-result (completed, completed_with_errors only)."""
        reply = yield Request.get(f"{job_url(job.id)}/result")
        return results_of(reply, job_url(job.id), self.settings.base_url)

    def inventory(self, setup: Setup) -> Flow[Inventory]:
        """List the jobs of the project that were completed and not cancelled.

        Source: api-reference/jobs/list-jobs (not paged). A job is known again by its
        ``externalId``: no list tells a size or a digest.
        """
        reply = yield Request.get(f"{project_url(setup.data['project'])}/jobs")
        listed = [(job, status_of_job(job)) for job in reply.parse(wire.JobList).jobs]
        return Inventory(
            holdings=tuple(
                Holding(job=job.id, reference=job.external_id, status=status)
                for job, status in listed
                if status.word not in BEFORE_COMPLETE
                and status.state not in (State.CANCELLED, State.EXPIRED)
            ),
            gaps=(
                "only jobs of this project, and only those that carry our externalId",
                "jobs that have expired are not accessible any more: 7 days in the examples",
            ),
        )

    # -------------------------------------------------------------------------- errors

    def refusal(self, response: Response) -> LongshoreError | None:
        """Source: authentication (``code`` to branch on, ``message`` for people)."""
        code, message = wire.error_of(response)
        return refusal_of(response, message, code=code, hint=_HINTS.get(response.status, ""))
