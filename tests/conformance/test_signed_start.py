"""A vendor that begins to work with the bytes that come to a signed URL, each time anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import BaseModel

from longshore.provider import (
    Answer,
    Batch,
    Flow,
    Found,
    Job,
    Json,
    LostRequest,
    NotDone,
    Provider,
    Raw,
    Receipt,
    Remedy,
    Request,
    Session,
    State,
    Status,
    Transfer,
    quoted,
)
from longshore.sandbox import (
    Call,
    FormPart,
    Reply,
    Vendor,
    VendorState,
    document_state,
    job_state,
    route,
)
from longshore.testing.conformance import Kit, Mode, ProviderConformance, run_checks

FILES = "https://files.brook.example"


class Ticket(BaseModel):
    """A place for one document, and the job that was made of it."""

    id: str
    url: str
    job: str | None = None


class Shown(BaseModel):
    """A job."""

    state: str


class Brook(Provider):
    """Ticket -> PUT, which makes the job -> poll."""

    name = "brook"
    title = "Brook"
    documentation = "https://docs.brook.example"

    def start(self, batch: Batch) -> Flow[Session]:
        """Get a signed URL; a ticket without bytes is nothing."""
        body = Json({"name": batch.only().name})
        reply = yield Request.post("/tickets", body, step="ticket", lost=Remedy.RESTART)
        ticket = reply.parse(Ticket)
        transfer = Transfer(id="file", pieces=(batch.only().whole(),), url=ticket.url)
        return Session(transfers=(transfer,), data={"ticket": ticket.id})

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Put the bytes; each PUT makes a job, so a lost one is asked about."""
        place = f"/tickets/{quoted(str(session.data['ticket']))}"

        def ask(lost: LostRequest) -> Flow[Answer]:
            reply = yield Request.get(place)
            return Found(reply) if reply.parse(Ticket).job else NotDone()

        yield Request.put(str(transfer.url), Raw(transfer.pieces[0]), lost=ask)
        ticket = (yield Request.get(place)).parse(Ticket)
        return transfer.receipt(ticket.job or "")

    def poll(self, job: Job) -> Flow[Status]:
        """Ask for the job."""
        reply = yield Request.get(f"/jobs/{quoted(job.id)}")
        words = {"done": State.SUCCEEDED}
        return Status.of(reply.parse(Shown).state, words, raw=reply.json())


class BrookSandbox(Vendor):
    """The vendor's side."""

    name = "brook"
    home = "https://api.brook.example"

    def set_up(self) -> None:
        """Begin with nothing."""
        self.names: dict[str, str] = {}
        self.jobs: dict[str, tuple[str, FormPart]] = {}

    def guard(self, call: Call, now: float) -> Reply | None:
        """Ask for a key."""
        return None if call.bearer else self.error(401, "no key")

    @route("POST", "/tickets")
    def open(self, call: Call, now: float) -> Reply:
        """Hand out a signed URL."""
        id = self.new_id("t_")
        self.names[id] = str(call.json_object().get("name"))
        return Reply.json(201, self._ticket(id))

    @route("GET", "/tickets/{id}")
    def look(self, call: Call, now: float, id: str) -> Reply:
        """Show a ticket."""
        return Reply.json(200, self._ticket(self._known(id)))

    @route("PUT", "/put/{id}", guarded=False)
    def put(self, call: Call, now: float, id: str) -> Reply:
        """Make a job of the bytes."""
        name = self.names[self._known(id)]
        self.jobs[self.new_id("job_")] = (id, FormPart("", name, "", call.body))
        return Reply.empty(200)

    @route("GET", "/jobs/{id}")
    def show(self, call: Call, now: float, id: str) -> Reply:
        """Show a job."""
        if id not in self.jobs:
            self.refuse(404, "no such job")
        return Reply.json(200, {"state": "done"})

    def _known(self, id: str) -> str:
        if id not in self.names:
            self.refuse(404, "no such ticket")
        return id

    def _ticket(self, id: str) -> dict[str, str | None]:
        made = next((job for job, (ticket, _) in self.jobs.items() if ticket == id), None)
        return {"id": id, "url": f"{FILES}/put/{id}?signature=abc", "job": made}

    def state(self, now: float) -> VendorState:
        """Tell what has arrived."""
        held = [(job, file) for job, (_, file) in self.jobs.items()]
        used = {ticket for ticket, _ in self.jobs.values()}
        return {
            "documents": [document_state(file.filename or "", file.blob, j) for j, file in held],
            "jobs": [job_state(job, "done") for job, _ in held]
            + [job_state(ticket, "open") for ticket in self.names if ticket not in used],
            "parts": {},
        }


KIT = Kit(
    provider=Brook,
    sandbox=BrookSandbox,
    settings={"api_key": "key-123456"},
    modes=[Mode("signed", [("a.pdf", b"0123456789")])],
    words={"done": State.SUCCEEDED},
    idle=frozenset({"open"}),
    over=frozenset({"open"}),
)


class TestBrook(ProviderConformance):
    """A request to a signed URL has a word of its own, too: nothing is delivered twice there."""

    kit = KIT


@pytest.mark.parametrize("field", ["idle", "over"])
def test_states_that_the_kit_was_not_told_of_are_asked_for(field: str) -> None:
    """What looks like a second job, or like one left behind, may be neither: the kit says so."""
    kit = replace(KIT, over=frozenset())
    if field == "idle":
        kit = replace(kit, idle=frozenset())
    ended = run_checks(kit)
    told = [check.message for check in ended if check.name == "test_a_crash_anywhere_is_survived"]
    assert len(told) == 1
    assert f"named in `{field}`" in told[0]
