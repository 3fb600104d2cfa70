"""tus 1.0: create an upload, append to it, and ask with HEAD how far it came."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

from longshore.provider import (
    Answer,
    Batch,
    Flow,
    Found,
    Job,
    LostRequest,
    NotDone,
    Piece,
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
        """Append until the server has it all; another offset is another step."""
        place, (piece,), offset = str(session.data["place"]), transfer.pieces, 0
        while offset < piece.size:
            reply = yield self._append(place, piece, offset)
            if (now := _offset(reply)) <= offset:
                raise ProtocolError(f"the server took nothing: it is still at {offset}")
            offset = now
        return transfer.receipt(place)

    def _append(self, place: str, piece: Piece, offset: int) -> Request:
        """The last one completes the upload, so a lost one is asked about: how far is it?"""

        def ask(lost: LostRequest) -> Flow[Answer]:
            reply = yield Request("HEAD", place)
            return Found(reply) if _offset(reply) > offset else NotDone()

        rest = Raw(piece.skip(offset), "application/offset+octet-stream")
        patch = Request("PATCH", place, rest, {"Upload-Offset": str(offset)}, f"patch-{offset}")
        return replace(patch, retry=Retry.ONCE, lost=ask)

    def poll(self, job: Job) -> Flow[Status]:
        """An upload is its own job: it is over when all of it is there."""
        headers = (yield Request("HEAD", job.id)).headers
        done = headers["upload-offset"] == headers["upload-length"]
        return Status(state=State.SUCCEEDED if done else State.RUNNING, word="stored")

    def abort(self, session: Session) -> Flow[None]:
        """Give an unfinished upload back (the termination extension)."""
        place = str(session.data["place"])
        try:
            yield Request("DELETE", place, step="delete", retry=Retry.IDEMPOTENT)
        except Refused as refused:
            if refused.status not in (404, 410):  # gone is as good
                raise

    def sign(self, request: Request, now: float) -> Request:
        """Every request names the version of the protocol."""
        return super().sign(request.with_header("Tus-Resumable", "1.0.0"), now)


def _offset(reply: Response) -> int:
    if not (text := reply.headers.get("upload-offset", "")).isdecimal():
        raise ProtocolError("the reply names no offset")
    return int(text)
