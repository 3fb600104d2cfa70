"""A provider that exists nowhere but here, and does everything right.

Open an upload (keyed) -> PUT the parts to signed URLs -> finish (once, with a question) -> poll.
Everything optional is offered, so that every check of the kit has something to look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from pydantic import BaseModel, JsonValue, SecretStr

from longshore.provider import (
    Accepted,
    Action,
    Answer,
    Batch,
    Capabilities,
    DocumentResult,
    DocumentStatus,
    Flow,
    Found,
    Holding,
    Inventory,
    Job,
    Json,
    Limits,
    LongshoreError,
    LostRequest,
    NotDone,
    PartRule,
    Provider,
    ProviderSettings,
    Raw,
    Receipt,
    Refused,
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
    cut,
    excerpt,
    refusal_of,
)
from longshore.testing.conformance import Kit, KnownRefusal, Mode
from tests.conformance.acme_sandbox import AcmeSandbox

WORDS = {
    "queued": State.RUNNING,
    "working": State.RUNNING,
    "review": State.NEEDS_ACTION,
    "done": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}


# ------------------------------------------------------------------------- the provider


class Url(BaseModel):
    """Where a part goes."""

    url: str
    until: float


class Upload(BaseModel):
    """An upload that was opened."""

    id: str
    token: str
    urls: list[Url]


class Opened(BaseModel):
    """The reply to an open."""

    upload: Upload


class Urls(BaseModel):
    """The reply to a renewal."""

    urls: list[Url]


class File(BaseModel):
    """A document of a job."""

    file: str
    name: str
    status: str
    note: str | None = None


class Record(BaseModel):
    """A job."""

    id: str
    status: str
    files: list[File] = []


class JobReply(BaseModel):
    """A reply that holds a job."""

    job: Record


class JobList(BaseModel):
    """A reply that holds jobs."""

    jobs: list[Record]


class Me(BaseModel):
    """The account."""

    account: str


class AcmeSettings(ProviderSettings):
    """The settings of Acme.

    Attributes:
        base_url: where Acme is.
        webhook_secret: with which Acme signs what it sends to us.
    """

    base_url: str = AcmeSandbox.home
    webhook_secret: SecretStr | None = None


class Acme(Provider[AcmeSettings]):
    """Everything right."""

    name = "acme"
    title = "Acme"
    documentation = "https://acme.example/docs"
    Settings = AcmeSettings

    def capabilities(self) -> Capabilities:
        return Capabilities(
            limits=Limits(
                bytes_per_document=1000,
                min_bytes_per_document=1,
                extensions=frozenset({".pdf", ".txt"}),
                name_characters=255,
            ),
            parts=PartRule(above=10, default=10, minimum=10, maximum=20, count=50),
        )

    def prepare(self) -> Flow[Setup]:
        me = (yield Request.get("/v1/me")).parse(Me)
        return Setup(data={"account": me.account})

    def start(self, batch: Batch) -> Flow[Session]:
        document = batch.only()
        pieces = cut(document, batch.part_size)
        body = Json({"name": document.name, "parts": len(pieces), "parts_wanted": len(pieces)})
        reply = yield Request.post("/v1/uploads", body, step="open", key="Idempotency-Key")
        upload = reply.parse(Opened).upload
        if len(upload.urls) != len(pieces):
            raise RequestRefused(f"{len(upload.urls)} URLs for {len(pieces)} parts")
        return Session(
            transfers=tuple(
                Transfer(
                    id=f"part-{n}", number=n, pieces=(piece,), url=url.url, expires_at=url.until
                )
                for n, (piece, url) in enumerate(zip(pieces, upload.urls, strict=True), 1)
            ),
            data={"upload": upload.id},
            secrets={"token": upload.token},
        )

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        assert transfer.url is not None
        reply = yield Request.put(transfer.url, Raw(transfer.pieces[0]))
        return transfer.receipt(reply.headers.get("ETag", ""))

    def renew(
        self, batch: Batch, session: Session, transfers: tuple[Transfer, ...]
    ) -> Flow[tuple[Transfer, ...]]:
        url = f"{self._upload(session)}/urls"
        reply = yield Request.post(url, step="renew", retry=Retry.IDEMPOTENT)
        fresh = dict(enumerate(reply.parse(Urls).urls, 1))
        return tuple(
            t.model_copy(update={"url": fresh[t.number].url, "expires_at": fresh[t.number].until})
            for t in transfers
        )

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        body: dict[str, JsonValue] = {
            "token": session.secrets["token"],
            "etags": [receipt.token for receipt in receipts],
            "reference": batch.reference,
        }
        request = Request.post(
            f"{self._upload(session)}/finish",
            Json(body),
            step="finish",
            lost=lambda lost: self.asks(batch, lost),
        )
        record = (yield request).parse(JobReply).job
        accepted = Accepted(document=batch.only().id, vendor_id=str(session.data["upload"]))
        return Job(id=record.id, documents=(accepted,))

    def asks(self, batch: Batch, lost: LostRequest) -> Flow[Answer]:
        """Look for the job that the lost request may have made."""
        reply = yield Request.get("/v1/jobs", {"reference": batch.reference})
        found = [job for job in reply.parse(JobList).jobs if job.id not in lost.claimed]
        return Found(Response.of({"job": found[0].model_dump()})) if found else NotDone()

    def poll(self, job: Job) -> Flow[Status]:
        return self.status(job, (yield Request.get(self._job(job))))

    def status(self, job: Job, reply: Response) -> Status:
        """Read a job."""
        record = reply.parse(JobReply).job
        state = self.state(record.status)
        return Status(
            state=state,
            word=record.status,
            documents=tuple(
                DocumentStatus(
                    state=self.state(f.status), word=f.status, vendor_id=f.file, name=f.name
                )
                for f in record.files
            ),
            actions=(Action(name="approve"),) if state is State.NEEDS_ACTION else (),
            raw=reply.json(),
        )

    def state(self, word: str) -> State:
        """Map a word."""
        return WORDS.get(word, State.RUNNING)

    def abort(self, session: Session) -> Flow[None]:
        try:
            yield Request("DELETE", self._upload(session), step="abort", retry=Retry.IDEMPOTENT)
        except Refused as refused:
            if refused.status != 404:
                raise

    def cancel(self, job: Job) -> Flow[Status]:
        url = f"{self._job(job)}/cancel"
        return self.status(job, (yield Request.post(url, step="cancel", retry=Retry.IDEMPOTENT)))

    def act(self, job: Job, action: Action) -> Flow[Status]:
        if action.name != "approve":
            raise RequestRefused(f"there is no {action.name!r}: use approve")
        url = f"{self._job(job)}/approve"
        return self.status(job, (yield Request.post(url, step="approve", retry=Retry.IDEMPOTENT)))

    def results(self, job: Job) -> Flow[Results]:
        reply = yield Request.get(f"{self._job(job)}/result")
        return Results(documents=(DocumentResult(pages=1),), raw=reply.json())

    def inventory(self, setup: Setup) -> Flow[Inventory]:
        reply = yield Request.get("/v1/jobs")
        return Inventory(holdings=tuple(Holding(job=job.id) for job in reply.parse(JobList).jobs))

    def refusal(self, response: Response) -> LongshoreError | None:
        return refusal_of(response, excerpt(response.body))

    def _upload(self, session: Session) -> str:
        return f"/v1/uploads/{quote(str(session.data['upload']), safe='')}"

    def _job(self, job: Job) -> str:
        return f"/v1/jobs/{quote(job.id, safe='')}"


MODES = (
    Mode("whole", [("a.pdf", b"12345678")]),
    Mode("parts", [("b.pdf", b"a letter of 25 bytes or so")]),
)


def kit_of(provider: type[Acme], modes: Sequence[Mode] = MODES) -> Kit:
    """Return the kit of Acme, or of one of its broken children."""
    return Kit(
        provider=provider,
        sandbox=AcmeSandbox,
        settings={"api_key": "key-123456", "webhook_secret": "whs-654321"},
        modes=modes,
        words=WORDS,
        review=Mode("review", [("review.pdf", b"12345678")]),
        refusals=[KnownRefusal(404, {"message": "no such upload"}, RequestRefused)],
        idle=frozenset({"open", "aborted", "cancelled"}),
        over=frozenset({"aborted", "cancelled"}),
    )
