"""Subworkflow.ai: a small document goes in one POST, a large one through an upload session.

The session is start -> append x N -> end, with abort as the way out; either way a job comes
back, which is asked about until it says SUCCESS or ERROR.
"""

from __future__ import annotations

import json

from longshore.provider import (
    Accepted,
    Batch,
    Capabilities,
    File,
    Flow,
    Inventory,
    Job,
    LongshoreError,
    Multipart,
    ProtocolError,
    Provider,
    Receipt,
    Refused,
    Remedy,
    Request,
    Response,
    Results,
    Retry,
    Session,
    SessionLost,
    Setup,
    Status,
    Transfer,
    cut,
    quoted,
    refusal_of,
)
from longshore_subworkflow import CARD
from longshore_subworkflow.inventory import take_inventory
from longshore_subworkflow.limits import capabilities_of
from longshore_subworkflow.lookup import ask_for_job
from longshore_subworkflow.results import results_of
from longshore_subworkflow.settings import SubworkflowSettings
from longshore_subworkflow.states import status_of
from longshore_subworkflow.wire import AppendReply, JobList, JobReply, StartReply

__all__ = ["Subworkflow"]

# No page tells why a ``start`` is refused.
_START_HINTS = {
    400: "one reason may be the plan: sessions need Standard or Enterprise; where expires_in_days "
    "is set, another may be the field that says so: set expiry_field",
    404: "try the other path: session_path = underscore (or hyphen)",
}
_HINTS = {
    403: "documents above session_threshold need a plan with upload sessions (Standard or "
    "Enterprise); or the plan's limit is reached, such as its number of concurrent jobs: wait "
    "until jobs have ended or lower max_concurrency, then resume the run",
    404: "what was asked for is not there (any more), or base_url is not that of the API",
}


class Subworkflow(Provider[SubworkflowSettings], card=CARD):
    """The adapter to the v1 API of Subworkflow.ai."""

    Settings = SubworkflowSettings

    def capabilities(self) -> Capabilities:
        """Limits and behaviours: see ``limits``."""
        return capabilities_of(self.settings)

    def sign(self, request: Request, now: float) -> Request:
        """Add the key. Source: docs.subworkflow.ai/auth."""
        key = self.settings.api_key
        return request.with_header("x-api-key", key.get_secret_value()) if key else request

    def prepare(self) -> Flow[Setup]:
        """List one job: it changes nothing, and a wrong key or address shows before any byte.

        Source: docs.subworkflow.ai/api-reference/get-v1-jobs.
        """
        reply = yield Request.get("/v1/jobs", {"limit": 1})
        reply.parse(JobList)
        return Setup()

    # ------------------------------------------------------------------ the upload

    def start(self, batch: Batch) -> Flow[Session]:
        """Open a session for a large document; a small one needs none.

        ``start`` makes no job and its key cannot be had again, so a lost answer means: start
        again. Source: .../upload-session/post-v1-upload-session-start.
        """
        document = batch.only()
        if document.size <= self.settings.session_threshold:
            return Session(transfers=(Transfer.whole(batch),))
        fields = (
            ("fileName", document.stem),  # joined with fileExt by the vendor
            ("fileExt", document.extension.lstrip(".")),
            ("fileType", document.media_type),
            ("jobType", self.settings.job_type),
            *self._retention(*self.settings.expiry_fields),
        )
        url = f"{self.settings.session_url}/start"
        try:
            reply = yield Request.post(url, Multipart(fields), step="start", lost=Remedy.RESTART)
        except Refused as refused:
            refused.error.hint = _START_HINTS.get(refused.status, refused.error.hint)
            raise
        pieces = enumerate(cut(document, batch.part_size), start=1)
        return Session(
            transfers=tuple(
                Transfer(id=f"part-{number}", number=number, pieces=(piece,))
                for number, piece in pieces
            ),
            secrets={"key": reply.parse(StartReply).data.key},
        )

    def _retention(self, *names: str) -> tuple[tuple[str, str], ...]:
        """Say how long the dataset is kept, under each of these names."""
        days = self.settings.expires_in_days
        return () if days is None else tuple((name, str(days)) for name in names)

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Append one part to the session, or post the whole document."""
        if "key" in session.secrets:
            return (yield from self._append(batch, session, transfer))
        return (yield from self._post(batch, transfer))

    def _post(self, batch: Batch, transfer: Transfer) -> Flow[Receipt]:
        """Post the document; the answer is the job, so this is what must not happen twice.

        Source: docs.subworkflow.ai/api-reference/post-v1-extract and .../post-v1-vectorize.
        """
        document = batch.only()
        form = Multipart((*self._retention("expiresInDays"), ("file", File.of(document))))
        url = f"/v1/{self.settings.job_type}"
        timeout = self.settings.timeout_for(document.size)
        ask = ask_for_job(document)
        reply = yield Request.post(url, form, step="post", lost=ask, timeout=timeout)
        job = _job_of(batch, reply)
        return transfer.receipt(job.id, documents=job.documents, **job.data)

    def _append(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Append one part; parts are counted from 1 and may go out in any order.

        What a second part of the same number does is not documented, and the vendor's advice
        for a session in trouble is a new one. Source: .../post-v1-upload-session-append.
        """
        part = File(transfer.pieces[0], batch.only().name)
        form = Multipart(
            (("key", session.secrets["key"]), ("partNumber", str(transfer.number)), ("file", part))
        )
        retry = Retry.IDEMPOTENT if self.settings.resend_parts else Retry.ONCE
        try:
            reply = yield Request.post(
                f"{self.settings.session_url}/append",
                form,
                step="append",
                retry=retry,
                lost=Remedy.RESTART,
            )
        except Refused as refused:
            raise self._lost_or(refused) from None
        part_reply = reply.parse(AppendReply).data
        if part_reply.part_number not in (None, transfer.number):
            raise ProtocolError(
                f"part {transfer.number} was sent, part {part_reply.part_number} was confirmed"
            )
        return transfer.receipt(part_reply.etag)

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        """End the session: the vendor joins the parts and starts the job at once.

        ``parts`` is one field that holds a JSON text, ascending by part number.
        Source: .../post-v1-upload-session-end; the order: the vendor's own clients.
        """
        if "key" not in session.secrets:
            return (yield from super().complete(batch, session, receipts))
        ordered = sorted(receipts, key=lambda receipt: receipt.number)
        parts = [{"etag": receipt.token, "partNumber": receipt.number} for receipt in ordered]
        form = Multipart((("key", session.secrets["key"]), ("parts", json.dumps(parts))))
        url, document = f"{self.settings.session_url}/end", batch.only()
        # The parts are joined first. Source: .../post-v1-upload-session (its times go by the size).
        timeout = self.settings.timeout_for(document.size)
        ask = ask_for_job(document)
        try:
            reply = yield Request.post(url, form, step="end", lost=ask, timeout=timeout)
        except Refused as refused:
            raise self._lost_or(refused) from None
        return _job_of(batch, reply)

    def _lost_or(self, refused: Refused) -> Refused | SessionLost:
        """Say what a refused ``append`` or ``end`` is: the loss of its session, or a refusal.

        Assumption: 404 means that the key is not known (any more). A part that is sent again may
        be refused as a repetition (400, 409), or come once more, late, and have another tag at
        ``end``: for a session in trouble the vendor's advice is a new one.
        """
        if refused.status not in ((400, 404, 409) if self.settings.resend_parts else (404,)):
            return refused
        return SessionLost(f"the upload session is of no use any more: {refused.error.message}")

    def abort(self, session: Session) -> Flow[None]:
        """Give the session back; its parts are deleted. One that is gone needs nothing more.

        Source: .../upload-session/post-v1-upload-session-abort.
        """
        key = session.secrets.get("key")
        if key is None:
            return
        url = f"{self.settings.session_url}/abort"
        form = Multipart((("key", key),))
        try:
            yield Request.post(url, form, step="abort", retry=Retry.IDEMPOTENT)
        except Refused as refused:
            if refused.status != 404:
                raise

    # ------------------------------------------------------------------ the job

    def poll(self, job: Job) -> Flow[Status]:
        """Ask for the job. Source: docs.subworkflow.ai/api-reference/get-v1-jobs-id."""
        return status_of((yield Request.get(_job_url(job))))

    def cancel(self, job: Job) -> Flow[Status]:
        """Cancel a job that waits or runs; one that has ended keeps its state.

        Assumption: ``DELETE /v1/jobs/:id`` has no page of its own; the vendor's client has it.
        """
        try:
            reply = yield Request("DELETE", _job_url(job), step="cancel", retry=Retry.IDEMPOTENT)
        except Refused as refused:
            if refused.status not in (400, 404, 409):
                raise
            return (yield from self.poll(job))
        return status_of(reply)

    def results(self, job: Job) -> Flow[Results]:
        """List the pages of the job's dataset; see ``results``."""
        told = yield Request.get(_job_url(job))
        return (yield from results_of(job, told))

    def inventory(self, setup: Setup) -> Flow[Inventory]:
        """List the jobs of the workspace; see ``inventory``."""
        return take_inventory()

    # ------------------------------------------------------------------ errors

    def refusal(self, response: Response) -> LongshoreError:
        """Say what to do next; ``refusal_of`` finds the words, in ``error`` or in ``message``.

        Source: every page under docs.subworkflow.ai/api-reference; the vendor's own client.
        """
        return refusal_of(response, hint=_HINTS.get(response.status, ""))


def _job_url(job: Job) -> str:
    return f"/v1/jobs/{quoted(job.id)}"


def _job_of(batch: Batch, reply: Response) -> Job:
    """Read the job; its dataset is what the document is called at the vendor."""
    record = reply.parse(JobReply).data
    accepted = Accepted(document=batch.only().id, vendor_id=record.dataset_id)
    return Job(id=record.id, data={"dataset_id": record.dataset_id}, documents=(accepted,))
