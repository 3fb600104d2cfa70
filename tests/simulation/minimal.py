"""Three vendors as small as can be, and their adapters: what is timed here is the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from longshore.capabilities import Capabilities, Limits, PartRule, PollSchedule
from longshore.lifecycle import Batch, Job, Receipt, Session, State, Status, Transfer
from longshore.provider import (
    Answer,
    File,
    Flow,
    Found,
    Json,
    LostRequest,
    Multipart,
    NotDone,
    Provider,
    ProviderSettings,
    Raw,
    Remedy,
    Request,
    Response,
    Retry,
    Undecided,
)
from longshore.sandbox import Blob, Call, Reply, Vendor, document_state, job_state
from longshore.testing.simulation import Case

HOME = "https://minimal.example"
SETTINGS: Mapping[str, Any] = {"base_url": HOME, "api_key": "key-123456"}
_SMALL = Capabilities(limits=Limits(), polls=PollSchedule(floor=1.0, interval=2.0))
_PARTED = _SMALL.model_copy(update={"parts": PartRule(default=4, minimum=1)})
_DONE = Status(state=State.SUCCEEDED, word="done")


@dataclass
class _Job:
    name: str
    blob: Blob
    reference: str = ""


@dataclass
class _Upload:
    reference: str
    parts: dict[int, Blob] = field(default_factory=dict)


class Shelf(Vendor):
    """Keeps what it is sent; every document is a job that is done at once."""

    name = "minimal"
    home = HOME

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, _Job] = {}
        self.keys: dict[str, str] = {}
        self.uploads: dict[str, _Upload] = {}

    def handle(self, call: Call, now: float) -> Reply:
        """Route by hand: there are six calls."""
        path = call.path
        if call.method == "GET":
            return self._get(call, path)
        if path == "/form":
            (part,) = call.form().files("file")
            return self._made(_Job(part.filename or "", part.blob))
        if path == "/keyed":
            key = call.headers["idempotency-key"]
            if key not in self.keys:
                self._made(_Job(call.headers["x-name"], call.body))
                self.keys[key] = f"j{len(self.jobs)}"
            return Reply.json(200, {"id": self.keys[key]})
        return self._upload(call, path)

    def _get(self, call: Call, path: str) -> Reply:
        if path.startswith("/jobs/"):
            known = path.removeprefix("/jobs/") in self.jobs
            return Reply.json(200 if known else 404, {"state": "done"})
        wanted = call.param("reference")
        found = [id for id, job in self.jobs.items() if job.reference == wanted]
        return Reply.json(200, {"jobs": found})

    def _upload(self, call: Call, path: str) -> Reply:
        if path == "/uploads":
            id = self.new_id("u")
            self.uploads[id] = _Upload(call.json()["reference"])
            return Reply.json(200, {"id": id})
        _, _, id, what = path.split("/")
        upload = self.uploads.get(id)
        if upload is None:
            return Reply.json(404, {"error": "no such upload"})
        if what == "end":
            blob = Blob.join(upload.parts[number] for number in sorted(upload.parts))
            del self.uploads[id]
            return self._made(_Job(call.json()["name"], blob, upload.reference))
        if what == "abort":
            del self.uploads[id]
        else:
            upload.parts[int(what)] = call.body
        return Reply.empty(204)

    def _made(self, job: _Job) -> Reply:
        id = f"j{len(self.jobs) + 1}"
        self.jobs[id] = job
        return Reply.json(200, {"id": id})

    def template(self, call: Call) -> str:
        """Count by method only."""
        return call.method

    def state(self, now: float) -> Any:
        """Return what is held; an upload does nothing by itself."""
        jobs = [job_state(id, "done") for id in self.jobs]
        return {
            "documents": [document_state(j.name, j.blob, id) for id, j in self.jobs.items()],
            "jobs": [*jobs, *(job_state(id, "open") for id in self.uploads)],
            "parts": {},
        }


class _Minimal(Provider[ProviderSettings]):
    name = "minimal"

    def capabilities(self) -> Capabilities:
        return _SMALL

    def poll(self, job: Job) -> Flow[Status]:
        reply = yield Request.get(f"/jobs/{job.id}")
        return _DONE.model_copy(update={"word": reply.json()["state"]})

    def _receipt(self, transfer: Transfer, reply: Response) -> Receipt:
        return transfer.receipt(str(reply.json()["id"]))


class Held(_Minimal):
    """One form; nobody can tell whether a lost one acted."""

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Post the document."""
        form = Multipart((("file", File.of(batch.only())),))
        reply = yield Request.post("/form", form, step="post", lost=Remedy.HOLD)
        return self._receipt(transfer, reply)


class Keyed(_Minimal):
    """One request with a key."""

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Post the document."""
        request = Request.post(
            "/keyed", Raw(transfer.pieces[0]), step="post", key="Idempotency-Key"
        ).with_header("X-Name", batch.only().name)
        return self._receipt(transfer, (yield request))


class Parted(_Minimal):
    """A session with parts, and a list of jobs by our own reference."""

    def capabilities(self) -> Capabilities:
        """Parts of four bytes."""
        return _PARTED

    def start(self, batch: Batch) -> Flow[Session]:
        """Open an upload."""
        body = Json({"reference": batch.reference})
        reply = yield Request.post("/uploads", body, step="open", lost=Remedy.RESTART)
        size, whole = 4, batch.only().whole()
        pieces = [
            whole.model_copy(update={"offset": at, "size": min(size, whole.size - at)})
            for at in range(0, whole.size, size)
        ]
        return Session(
            transfers=tuple(
                Transfer(id=f"p{number}", number=number, pieces=(piece,))
                for number, piece in enumerate(pieces, 1)
            ),
            data={"id": reply.json()["id"]},
            secrets={"key": f"session-{reply.json()['id']}"},
        )

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Put one part."""
        url = f"/uploads/{session.data['id']}/{transfer.number}"
        yield Request.put(url, Raw(transfer.pieces[0]))
        return transfer.receipt()

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        """Put the parts together; after a lost answer, look for a job of our reference."""

        def ask(lost: LostRequest) -> Flow[Answer]:
            reply = yield Request.get("/jobs", {"reference": batch.reference})
            found = [id for id in reply.json()["jobs"] if id not in lost.claimed]
            if len(found) > 1:
                return Undecided(5.0, "more than one")
            return Found(Response.of({"id": found[0]})) if found else NotDone()

        body = Json({"name": batch.only().name})
        url = f"/uploads/{session.data['id']}/end"
        reply = yield Request.post(url, body, step="end", lost=ask)
        return Job(id=str(reply.json()["id"]))

    def abort(self, session: Session) -> Flow[None]:
        """Give the upload back."""
        url = f"/uploads/{session.data['id']}/abort"
        yield Request.post(url, step="abort", retry=Retry.IDEMPOTENT, final=(404,))


def _case(name: str, provider: type[_Minimal], size: int, **more: Any) -> Case:
    documents = (("a.bin", b"a" * size),)
    settings = ProviderSettings(**SETTINGS)
    return Case(name, lambda: provider(settings), Shelf, documents, **more)


CASES = (
    _case("minimal/held", Held, 8, may_be_unknown=True),
    _case("minimal/keyed", Keyed, 8),
    _case(
        "minimal/parted", Parted, 8, idle=frozenset({"open"}), over=frozenset({"open"}),
        held=lambda vendor: [f"session-{id}" for id in vendor.uploads],
    ),
)  # fmt: skip
