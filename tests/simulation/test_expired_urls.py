"""A vendor that begins to work with the PUT to a signed URL, which may expire unanswered."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.lifecycle import Outcome
from longshore.provider import (
    Answer,
    Batch,
    Flow,
    Found,
    Job,
    LostRequest,
    NotDone,
    Provider,
    ProviderSettings,
    Raw,
    Receipt,
    Remedy,
    Request,
    Retry,
    Session,
    State,
    Status,
    Transfer,
)
from longshore.sandbox import Blob, Call, Reply, Vendor, document_state, job_state, route
from longshore.testing.simulation import Case, broken_promises, play, single_faults

IDLE = frozenset({"open"})
WORDS = {"done": State.SUCCEEDED}


class Harbour(Vendor):
    """POST makes a document and a signed URL; the PUT to it starts the work."""

    name = "quay"
    home = "https://quay.example"

    def set_up(self) -> None:
        self.docs: dict[str, Blob | None] = {}

    @route("POST", "/docs")
    def create(self, call: Call, now: float) -> Reply:
        id = self.new_id("doc_")
        self.docs[id] = None
        return self._signed(id, now)

    @route("POST", "/docs/{id}/url")
    def renew(self, call: Call, now: float, id: str) -> Reply:
        return self._signed(id, now)

    def _signed(self, id: str, now: float) -> Reply:
        until = now + 900
        return Reply.json(
            200, {"id": id, "url": f"{self.home}/put/{id}?until={until}", "until": until}
        )

    @route("PUT", "/put/{id}")
    def put(self, call: Call, now: float, id: str) -> Reply:
        if now > float(call.param("until")):
            return Reply.text(403, "expired")
        if self.docs[id] is not None:
            return Reply.text(409, "it is there")
        self.docs[id] = call.body
        return Reply.empty(200)

    @route("GET", "/docs/{id}")
    def show(self, call: Call, now: float, id: str) -> Reply:
        return Reply.json(200, {"state": "open" if self.docs[id] is None else "done"})

    def state(self, now: float) -> Any:
        held = {id: blob for id, blob in self.docs.items() if blob is not None}
        return {
            "documents": [document_state("", blob, id) for id, blob in held.items()],
            "jobs": [job_state(id, "done" if id in held else "open") for id in self.docs],
            "parts": {},
        }


class Quay(Provider):
    """Without a way to renew URLs."""

    name = "quay"

    def start(self, batch: Batch) -> Flow[Session]:
        reply = yield Request.post("/docs", step="create", lost=Remedy.RESTART)
        whole = Transfer.whole(batch).model_copy(update=_place(reply.json()))
        return Session(transfers=(whole,), data={"id": reply.json()["id"]})

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        id = str(session.data["id"])

        def ask(_: LostRequest) -> Flow[Answer]:
            reply = yield Request.get(f"/docs/{id}")
            return NotDone() if reply.json()["state"] == "open" else Found(reply)

        yield Request.put(transfer.url or "", Raw(transfer.pieces[0]), lost=ask)
        return transfer.receipt(id)

    def poll(self, job: Job) -> Flow[Status]:
        return Status.of((yield Request.get(f"/docs/{job.id}")).json()["state"], WORDS)


class Renewing(Quay):
    """With one."""

    def renew(
        self, batch: Batch, session: Session, transfers: tuple[Transfer, ...]
    ) -> Flow[tuple[Transfer, ...]]:
        url = f"/docs/{session.data['id']}/url"
        reply = yield Request.post(url, step="renew", retry=Retry.IDEMPOTENT)
        return tuple(t.model_copy(update=_place(reply.json())) for t in transfers)


def _place(told: Any) -> dict[str, Any]:
    return {"url": told["url"], "expires_at": told["until"]}


@pytest.mark.parametrize("provider", [Quay, Renewing])
def test_an_expired_url_does_not_hide_that_its_put_acted(provider: type[Provider]) -> None:
    """Two hours after a crash at any point there is one job, and nobody has to look."""
    settings = ProviderSettings(base_url=Harbour.home, api_key="key-123456")  # type: ignore[arg-type]
    case = Case(
        "quay", lambda: provider(settings), Harbour, [("a.pdf", b"bytes")], idle=IDLE, over=IDLE
    )
    for plan in single_faults(play(case).log, frozenset({"crash/hour"})):
        history = play(case, plan)
        assert (plan, broken_promises(case, history)) == (plan, [])
        assert (plan, history.outcomes) == (plan, (Outcome.SUCCEEDED,))
