"""Plain S3 multipart: create an upload, PUT its parts, complete it."""

from __future__ import annotations

import re
from urllib.parse import quote
from xml.sax.saxutils import escape

from longshore.provider import (
    Answer,
    Batch,
    Bytes,
    Capabilities,
    Flow,
    Found,
    Job,
    Limits,
    LostRequest,
    NotDone,
    PartRule,
    ProtocolError,
    Provider,
    Raw,
    Receipt,
    Refused,
    Remedy,
    Request,
    Response,
    Retry,
    Session,
    State,
    Status,
    Transfer,
    cut,
)  # fmt: skip


class S3(Provider):
    """A bucket of any S3 server; base_url is the bucket's (docs.aws.amazon.com/AmazonS3)."""

    name = "s3"

    def capabilities(self) -> Capabilities:
        """Parts of 5 MiB to 5 GiB, at most 10,000 of them."""
        parts = PartRule(minimum=5 * 2**20, maximum=5 * 2**30, count=10_000)
        return Capabilities(parts=parts, limits=Limits(documents_per_batch=1))

    def start(self, batch: Batch) -> Flow[Session]:
        """The key holds our reference: whatever lies there later is this attempt's work."""
        place = f"/{batch.reference}/{quote(batch.only().name, safe='')}"
        reply = yield Request.post(f"{place}?uploads", step="create", lost=Remedy.RESTART)
        upload = f"{place}?uploadId={quote(_tag(reply, 'UploadId'))}"
        transfers = tuple(
            Transfer(id=str(n), number=n, pieces=(piece,))
            for n, piece in enumerate(cut(batch.only(), batch.part_size), 1)
        )
        return Session(transfers=transfers, data={"place": place, "upload": upload})

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """A part sent twice replaces itself."""
        url = f"{session.data['upload']}&partNumber={transfer.number}"
        reply = yield Request.put(url, Raw(transfer.pieces[0]))
        return transfer.receipt(reply.headers["etag"])

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        """The commit point: a lost answer is asked about, by looking for the object."""
        place = str(session.data["place"])

        def ask(lost: LostRequest) -> Flow[Answer]:
            try:
                return Found((yield Request("HEAD", place)))
            except Refused as refused:
                if refused.status == 404:
                    return NotDone()
                raise

        rows = (
            f"<Part><PartNumber>{r.number}</PartNumber><ETag>{escape(r.token)}</ETag></Part>"
            for r in sorted(receipts, key=lambda receipt: receipt.number)
        )
        xml = f"<CompleteMultipartUpload>{''.join(rows)}</CompleteMultipartUpload>"
        body = Bytes(xml.encode(), "application/xml")
        reply = yield Request.post(str(session.data["upload"]), body, step="complete", lost=ask)
        if "<Error>" in reply.text:  # S3 may say 200 first and find the error later
            raise ProtocolError(f"the parts were not put together: {_tag(reply, 'Code')}")
        return Job(id=place)

    def poll(self, job: Job) -> Flow[Status]:
        """A bucket stores and does no more: what is there has succeeded."""
        yield Request("HEAD", job.id)
        return Status(state=State.SUCCEEDED, word="stored")

    def abort(self, session: Session) -> Flow[None]:
        """Unfinished uploads cost money."""
        url = str(session.data["upload"])
        try:
            yield Request("DELETE", url, step="abort", retry=Retry.IDEMPOTENT)
        except Refused as refused:
            if refused.status != 404:  # gone is as good
                raise


def _tag(reply: Response, name: str) -> str:
    found = re.search(f"<{name}>([^<]+)</{name}>", reply.text)
    if found is None:
        raise ProtocolError(f"the reply names no {name}")
    return found[1]
