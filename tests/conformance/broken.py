"""Acme with one fault each; beside it the check that names the fault.

``also`` are checks that cannot but fail as well, because the fault reaches what they look at.
"""

from __future__ import annotations

import itertools
import time
from contextlib import suppress
from dataclasses import replace
from time import monotonic

from pydantic import BaseModel, ConfigDict, JsonValue

from longshore.provider import (
    Answer,
    Batch,
    Flow,
    Found,
    Job,
    LongshoreError,
    LostRequest,
    NotDone,
    Receipt,
    Refused,
    Remedy,
    Request,
    RequestRefused,
    Response,
    Retry,
    Session,
    Setup,
    State,
    Status,
    Transfer,
    Unauthorized,
    Wait,
    WaitExpired,
    refusal_of,
)
from tests.conformance.acme import WORDS, Acme
from tests.conformance.faults import changed, fails

COUNT = itertools.count()


# ------------------------------------------------------------------------------- flows


@fails("the_flows_only_describe")
class Watching(Acme):
    def poll(self, job: Job) -> Flow[Status]:
        time.time()
        return (yield from super().poll(job))


@fails("the_flows_only_describe")
class Timing(Acme):
    """Uses what its module has imported by name."""

    def poll(self, job: Job) -> Flow[Status]:
        monotonic()
        return (yield from super().poll(job))


@fails("a_flow_needs_only_its_arguments")
class Remembering(Acme):
    session: Session | None = None

    def start(self, batch: Batch) -> Flow[Session]:
        self.session = yield from super().start(batch)
        return self.session

    def abort(self, session: Session) -> Flow[None]:
        assert self.session is not None
        return (yield from super().abort(self.session))


@fails(
    "the_same_upload_is_the_same_requests",
    "an_interrupted_flow_goes_on",
    "a_flow_needs_only_its_arguments",
)
class Counting(Acme):
    def start(self, batch: Batch) -> Flow[Session]:
        flow, number = super().start(batch), f"{next(COUNT)}"
        return (yield from changed(flow, lambda r: replace(r, url=f"{r.url}?n={number}")))


@fails("no_step_comes_twice_in_a_flow", "the_engine_succeeds_as_well")
class Repeating(Acme):
    def start(self, batch: Batch) -> Flow[Session]:
        session = yield from super().start(batch)
        yield Request.post(f"{self._upload(session)}/urls", step="open", retry=Retry.IDEMPOTENT)
        return session


@fails("a_poll_only_asks")
class Pushing(Acme):
    def poll(self, job: Job) -> Flow[Status]:
        flow = super().poll(job)
        return (yield from changed(flow, lambda r: replace(r, step="ask", retry=Retry.IDEMPOTENT)))


@fails("a_poll_only_asks")
class Dozing(Acme):
    def poll(self, job: Job) -> Flow[Status]:
        status = yield from super().poll(job)
        if not status.state.terminal:
            with suppress(WaitExpired):
                yield Wait("job", seconds=1.0, limit=2.0)
        return status


@fails("the_status_keeps_what_came")
class Forgetful(Acme):
    def status(self, job: Job, reply: Response) -> Status:
        return super().status(job, reply).model_copy(update={"raw": None})


@fails("each_document_is_found_again")
class Anonymous(Acme):
    def status(self, job: Job, reply: Response) -> Status:
        status = super().status(job, reply)
        nameless = [d.model_copy(update={"vendor_id": None, "name": "x"}) for d in status.documents]
        return status.model_copy(update={"documents": tuple(nameless)})


@fails("the_transfers_have_names_of_their_own", "the_engine_succeeds_as_well")
class SameNames(Acme):
    def start(self, batch: Batch) -> Flow[Session]:
        session = yield from super().start(batch)
        same = tuple(t.model_copy(update={"id": "part"}) for t in session.transfers)
        return session.model_copy(update={"transfers": same})


@fails(
    "the_transfers_cover_the_documents",
    "the_bytes_arrive",
    "the_engine_succeeds_as_well",
    "renewed_transfers_are_sent",
)
class Torn(Acme):
    def start(self, batch: Batch) -> Flow[Session]:
        session = yield from super().start(batch)
        *others, last = session.transfers
        piece = last.pieces[0].model_copy(update={"size": last.size - 1})
        torn = last.model_copy(update={"pieces": (piece,)})
        return session.model_copy(update={"transfers": (*others, torn)})


# ----------------------------------------------------------------------------- replies


class StrictRecord(BaseModel):
    """Takes no field that it does not know."""

    model_config = ConfigDict(extra="forbid")

    account: str
    plan: str


@fails("unknown_fields_do_no_harm")
class Strict(Acme):
    def prepare(self) -> Flow[Setup]:
        me = (yield Request.get("/v1/me")).parse(StrictRecord)
        return Setup(data={"account": me.account})


@fails("fields_may_be_missing", "fields_may_be_null", "any_body_is_survived")
class Trusting(Acme):
    def prepare(self) -> Flow[Setup]:
        return Setup(data={"account": (yield Request.get("/v1/me")).json()["account"].strip()})


@fails("ids_of_a_reply_are_quoted")
class Credulous(Acme):
    def _upload(self, session: Session) -> str:
        return f"/v1/uploads/{session.data['upload']}"


@fails("an_unknown_word_runs_on")
class Pessimist(Acme):
    def state(self, word: str) -> State:
        return WORDS.get(word, State.FAILED)


@fails("every_word_is_known")
class Unread(Acme):
    def state(self, word: str) -> State:
        return State.RUNNING if word == "failed" else super().state(word)


# ------------------------------------------------------------------------------ errors


@fails("any_error_body_is_read")
class Careless(Acme):
    def refusal(self, response: Response) -> LongshoreError | None:
        return refusal_of(response, str(response.json().get("message", "")))


@fails("the_family_follows_the_status", "refused_requests_end_well", "a_person_is_told_what_to_do")
class OneFamily(Acme):
    def refusal(self, response: Response) -> LongshoreError | None:
        return RequestRefused("no", status=response.status)


@fails("a_person_is_told_what_to_do")
class Curt(Acme):
    def refusal(self, response: Response) -> LongshoreError | None:
        if response.status == 401:
            return Unauthorized("no", status=401)
        return super().refusal(response)


@fails("errors_hide_secrets")
class Repeater(Acme):
    def refusal(self, response: Response) -> LongshoreError | None:
        error = refusal_of(response)
        error.message = " ".join(f"the vendor says: {response.text}".split())
        error.args = (error.message,)
        return error


@fails("documented_errors_are_known", "a_session_that_is_gone_needs_no_abort")
class Impatient(Acme):
    def refusal(self, response: Response) -> LongshoreError | None:
        if b"no such upload" in response.body:
            return Unauthorized("gone", hint="?", status=response.status)
        return super().refusal(response)


@fails("refused_requests_end_well")
class Optimist(Acme):
    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        try:
            return (yield from super().complete(batch, session, receipts))
        except Refused:
            raise ValueError("refused") from None


@fails("refused_requests_end_well")
class Forgiving(Acme):
    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        try:
            return (yield from super().send(batch, session, transfer))
        except Refused:
            return transfer.receipt("")


@fails("refused_requests_end_well")
class Indiscreet(Acme):
    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        try:
            return (yield from super().send(batch, session, transfer))
        except Refused as refused:
            raise RequestRefused(f"{transfer.url}: no", status=refused.status) from None


# ----------------------------------------------------------------------- lost answers


@fails("safe_requests_change_nothing")
class Harmless(Acme):
    def cancel(self, job: Job) -> Flow[Status]:
        flow = super().cancel(job)
        return (yield from changed(flow, lambda r: replace(r, step="", retry=Retry.SAFE)))


@fails("idempotent_requests_are", "a_lost_answer_is_survived")
class Hopeful(Acme):
    def start(self, batch: Batch) -> Flow[Session]:
        flow = super().start(batch)
        return (
            yield from changed(flow, lambda r: replace(r, retry=Retry.IDEMPOTENT, key_header=""))
        )


@fails("what_makes_a_job_is_not_just_repeated")
class Assuming(Acme):
    """Nobody said that a second finish makes no second job; the sandbox takes it for granted."""

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        flow = super().complete(batch, session, receipts)
        return (
            yield from changed(
                flow,
                lambda r: replace(
                    r, url=f"{r.url}?once=1", retry=Retry.IDEMPOTENT, lost=Remedy.HOLD
                ),
            )
        )


@fails("a_repeated_key_is_known_again", "a_lost_answer_is_survived")
class Misspelt(Acme):
    def start(self, batch: Batch) -> Flow[Session]:
        flow = super().start(batch)
        return (yield from changed(flow, lambda r: replace(r, key_header="Idempotence-Key")))


@fails("questions_only_ask", "a_lost_answer_is_survived")
class Nosy(Acme):
    def asks(self, batch: Batch, lost: LostRequest) -> Flow[Answer]:
        yield Request.post("/v1/uploads/up_000001/urls", step="look", retry=Retry.IDEMPOTENT)
        return (yield from super().asks(batch, lost))


@fails("what_acted_is_never_called_undone", "a_lost_answer_is_survived")
class Denying(Acme):
    def asks(self, batch: Batch, lost: LostRequest) -> Flow[Answer]:
        yield from super().asks(batch, lost)
        return NotDone()


@fails(
    "what_did_not_act_is_never_found",
    "refused_requests_end_well",
    "a_lost_request_is_survived",
    "jobs_of_others_are_no_answer",
)
class Dreaming(Acme):
    def asks(self, batch: Batch, lost: LostRequest) -> Flow[Answer]:
        answer = yield from super().asks(batch, lost)
        record: dict[str, JsonValue] = {"id": "job_000001", "status": "queued", "files": []}
        return Found(Response.of({"job": record})) if isinstance(answer, NotDone) else answer


@fails("a_found_answer_serves", "a_lost_answer_is_survived")
class Useless(Acme):
    def asks(self, batch: Batch, lost: LostRequest) -> Flow[Answer]:
        answer = yield from super().asks(batch, lost)
        return Found(Response.of({"jobs": []})) if isinstance(answer, Found) else answer


@fails("jobs_of_others_are_no_answer")
class Greedy(Acme):
    def asks(self, batch: Batch, lost: LostRequest) -> Flow[Answer]:
        return (yield from super().asks(batch, replace(lost, claimed=frozenset())))


@fails("a_remedy_is_said", "a_lost_answer_is_survived")
class Helpless(Acme):
    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        flow = super().complete(batch, session, receipts)
        return (yield from changed(flow, lambda r: replace(r, lost=Remedy.HOLD)))
