"""A provider that exists nowhere but here, and does everything right; and its vendor.

Open an upload (keyed) -> PUT the parts to signed URLs -> finish (once, with a question) -> poll.
Everything optional is offered, so that every check of the kit has something to look at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
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
from longshore.sandbox import (
    Blob,
    Call,
    Refuse,
    Reply,
    StatusWalk,
    Vendor,
    document_state,
    job_state,
    route,
)
from longshore.testing.conformance import Kit, KnownRefusal, Mode

FILES = "https://files.acme.example"
WORDS = {
    "queued": State.RUNNING,
    "working": State.RUNNING,
    "review": State.NEEDS_ACTION,
    "done": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}


# --------------------------------------------------------------------------- the vendor


class AcmeSandbox(Vendor):
    """The vendor's side."""

    name = "acme"
    home = "https://api.acme.example"

    def __init__(self, assumptions: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.lifetime = 600.0
        self.walk = StatusWalk.parse("queued:1,working:1,done")
        self.uploads: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, Reply] = {}

    def guard(self, call: Call, now: float) -> Reply | None:
        """Ask for a key."""
        return None if call.bearer else Reply.json(401, {"message": "who are you?"})

    def _upload(self, id: str) -> dict[str, Any]:
        if id not in self.uploads:
            raise Refuse(Reply.json(404, {"message": "no such upload"}))
        return self.uploads[id]

    def _job(self, id: str) -> dict[str, Any]:
        if id not in self.jobs:
            raise Refuse(Reply.json(404, {"message": "no such job"}))
        return self.jobs[id]

    @route("GET", "/v1/me")
    def me(self, call: Call, now: float) -> Reply:
        """Show the account."""
        return Reply.json(200, {"account": "acme-1", "plan": "free"})

    @route("POST", "/v1/uploads")
    def open(self, call: Call, now: float) -> Reply:
        """Open an upload; a repeated key gets the first answer again."""
        key = call.headers.get("idempotency-key", "")
        if key and key in self.keys:
            return self.keys[key]
        asked = call.json_object()
        id = self.new_id("up_")
        self.uploads[id] = {**asked, "state": "open", "parts": {}, "token": self.new_token("tok_")}
        urls = self._urls(id, asked["parts"], now)
        body = {"upload": {"id": id, "token": self.uploads[id]["token"], "urls": urls}}
        reply = Reply.json(201, body)
        if key:
            self.keys[key] = reply
        return reply

    def _urls(self, id: str, count: int, now: float) -> list[dict[str, Any]]:
        until = int(now + self.lifetime)
        signature = self.uploads[id]["token"][::-1]
        return [
            {"url": f"{FILES}/put/{id}/{n}?until={until}&signature={signature}", "until": until}
            for n in range(1, count + 1)
        ]

    @route("POST", "/v1/uploads/{id}/urls")
    def renew(self, call: Call, now: float, id: str) -> Reply:
        """Give fresh URLs."""
        return Reply.json(200, {"urls": self._urls(id, self._upload(id)["parts_wanted"], now)})

    @route("PUT", "/put/{id}/{number}", guarded=False)
    def put(self, call: Call, now: float, id: str, number: str) -> Reply:
        """Take a part; whoever brings the API key here has made a mistake."""
        upload = self._upload(id)
        if call.bearer or call.param("signature") != upload["token"][::-1]:
            return Reply.text(403, "wrong signature")
        if now > float(call.param("until")):
            return Reply.text(403, "expired")
        upload["parts"][int(number)] = call.body.read()
        return Reply.empty(200, {"ETag": f'"{len(call.body.read())}-{number}"'})

    @route("POST", "/v1/uploads/{id}/finish")
    def finish(self, call: Call, now: float, id: str) -> Reply:
        """Make a job of an upload."""
        upload, asked = self._upload(id), call.json_object()
        if asked["token"] != upload["token"] or len(asked["etags"]) != len(upload["parts"]):
            return Reply.json(422, {"message": "parts are missing"})
        if upload["state"] == "aborted":
            return Reply.json(409, {"message": "aborted"})
        upload["state"] = "finished"
        job = self.new_id("job_")
        self.jobs[job] = {"upload": id, "at": now, "reference": asked["reference"], "word": ""}
        return Reply.json(202, {"job": self._shown(job, now)})

    def _shown(self, id: str, now: float) -> dict[str, Any]:
        job = self.jobs[id]
        upload = self.uploads[job["upload"]]
        word = job["word"] or self.walk.at(job["at"], now)
        if "review" in upload["name"] and word == "done" and not job.get("approved"):
            word = "review"
        files = [{"file": job["upload"], "name": upload["name"], "status": word, "note": None}]
        return {"id": id, "status": word, "reference": job["reference"], "files": files}

    @route("GET", "/v1/jobs")
    def list(self, call: Call, now: float) -> Reply:
        """List jobs by their reference."""
        wanted = call.param("reference")
        found = [self._shown(id, now) for id, j in self.jobs.items() if j["reference"] == wanted]
        return Reply.json(200, {"jobs": found})

    @route("GET", "/v1/jobs/{id}")
    def show(self, call: Call, now: float, id: str) -> Reply:
        """Show a job."""
        self._job(id)
        return Reply.json(200, {"job": self._shown(id, now)})

    @route("GET", "/v1/jobs/{id}/result")
    def result(self, call: Call, now: float, id: str) -> Reply:
        """Show what was read."""
        self._job(id)
        return Reply.json(200, {"pages": 1, "text": "hello"})

    @route("POST", "/v1/jobs/{id}/{verb}")
    def change(self, call: Call, now: float, id: str, verb: str) -> Reply:
        """Cancel or approve a job."""
        job, word = self._job(id), self._shown(id, now)["status"]
        if verb == "approve":
            job["approved"] = True
        elif word in ("queued", "working", "review"):
            job["word"] = "cancelled"
        return Reply.json(200, {"job": self._shown(id, now)})

    @route("DELETE", "/v1/uploads/{id}")
    def abort(self, call: Call, now: float, id: str) -> Reply:
        """Give an upload back."""
        upload = self._upload(id)
        upload["state"] = "aborted" if upload["state"] == "open" else upload["state"]
        return Reply.empty(204)

    def state(self, now: float) -> Any:
        """Uploads that are open count as jobs, too."""
        jobs = [job_state(id, self._shown(id, now)["status"]) for id in self.jobs]
        jobs += [
            job_state(id, upload["state"])
            for id, upload in self.uploads.items()
            if upload["state"] != "finished"
        ]
        documents = [
            document_state(upload["name"], _blob(upload), id)
            for id, job in self.jobs.items()
            for upload in [self.uploads[job["upload"]]]
        ]
        return {"documents": documents, "jobs": jobs, "parts": {}}


def _blob(upload: Mapping[str, Any]) -> Blob:
    return Blob(b"".join(data for _, data in sorted(upload["parts"].items())))


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
