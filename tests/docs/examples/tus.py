"""tus 1.0: create an upload, append to it, and ask with HEAD how far it came."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

from longshore.provider import (
    Batch,
    Flow,
    Job,
    Provider,
    Raw,
    Receipt,
    Remedy,
    Request,
    Retry,
    Session,
    State,
    Status,
    Transfer,
)  # fmt: skip


class Tus(Provider):
    """A plain tus 1.0 server (tus.io/protocols/resumable-upload)."""

    name = "tus"

    def start(self, batch: Batch) -> Flow[Session]:
        """Create the upload; one whose answer is lost stays empty and expires by itself."""
        document = batch.only()
        request = Request.post("/files", step="create", lost=Remedy.RESTART)
        request = request.with_header("Upload-Length", str(document.size))
        name = b64encode(document.name.encode()).decode()
        reply = yield request.with_header("Upload-Metadata", f"filename {name}")
        # Relative again, or our credentials would not go with it.
        place = reply.headers["location"].removeprefix(self.settings.base_url)
        return Session(transfers=(Transfer.whole(batch),), data={"place": place})

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Send what the server has not got; RERUN: HEAD at the top is the question."""
        place, (piece,) = str(session.data["place"]), transfer.pieces
        offset = int((yield Request("HEAD", place)).headers["upload-offset"])
        while offset < piece.size:
            rest = Raw(piece.skip(offset), "application/offset+octet-stream")
            # Another offset is another request, so it has another name.
            patch = Request("PATCH", place, rest, step=f"patch-{offset}", retry=Retry.ONCE)
            patch = patch.with_header("Upload-Offset", str(offset))
            reply = yield replace(patch, lost=Remedy.RERUN)
            offset = int(reply.headers["upload-offset"])
        return transfer.receipt(place)

    def poll(self, job: Job) -> Flow[Status]:
        """An upload is its own job: it is over when all of it is there."""
        headers = (yield Request("HEAD", job.id)).headers
        done = headers["upload-offset"] == headers["upload-length"]
        return Status(state=State.SUCCEEDED if done else State.RUNNING, word="stored")

    def abort(self, session: Session) -> Flow[None]:
        """Give an unfinished upload back (the termination extension)."""
        place = str(session.data["place"])
        gone = frozenset({404, 410})
        yield Request("DELETE", place, step="delete", retry=Retry.IDEMPOTENT, final=gone)

    def sign(self, request: Request, now: float) -> Request:
        """Every request names the version of the protocol."""
        return super().sign(request.with_header("Tus-Resumable", "1.0.0"), now)
