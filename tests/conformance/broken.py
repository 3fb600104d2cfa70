"""Acme with one fault each; beside it the check that names the fault.

``also`` are checks that cannot but fail as well, because the fault reaches what they look at.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, SecretStr

from longshore.provider import (
    Action,
    Answer,
    Batch,
    Capabilities,
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
    Results,
    Retry,
    Session,
    Setup,
    State,
    Status,
    Transfer,
    Unauthorized,
    refusal_of,
)
from tests.conformance.acme import WORDS, Acme, AcmeSettings
from tests.conformance.faults import changed, fails

COUNT = itertools.count()


# ----------------------------------------------------------------------------- contract


@fails("the_aliases_are_fit")
class WildAlias(Acme):
    aliases = ("Acme Corp!",)


@fails("people_can_read_about_it")
class Nameless(Acme):
    title = ""


class LooseSettings(AcmeSettings):
    """Takes anything."""

    model_config = ConfigDict(extra="ignore")


@fails("the_settings_are_settings")
class Loose(Acme):
    Settings = LooseSettings


class MoreSettings(AcmeSettings):
    """Says nothing about what it adds."""

    harbour: str = ""


@fails("every_setting_is_explained")
class Unexplained(Acme):
    Settings = MoreSettings


class PlainSettings(AcmeSettings):
    """Shows its secret."""

    webhook_secret: str | None = None  # type: ignore[assignment]


@fails("secret_settings_hide_their_value")
class Plain(Acme):
    Settings = PlainSettings  # type: ignore[assignment]


@fails("it_is_made_without_doing_anything")
class Busy(Acme):
    def __init__(self, settings: AcmeSettings) -> None:
        super().__init__(settings)
        with Path(__file__).open(encoding="utf-8") as own:
            self.first = own.readline()


@fails("the_capabilities_are_pure")
class Moody(Acme):
    def capabilities(self) -> Capabilities:
        return super().capabilities().model_copy(update={"behaviours": (f"{next(COUNT)}",)})


@fails("the_limits_make_sense")
class Absurd(Acme):
    def capabilities(self) -> Capabilities:
        own = super().capabilities()
        assert own.parts is not None
        return own.model_copy(update={"parts": own.parts.model_copy(update={"default": 30})})


@fails("the_flows_leave_the_credential_to_sign")
class Generous(Acme):
    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        assert isinstance(self.settings.api_key, SecretStr)
        key = self.settings.api_key.get_secret_value()
        flow = super().send(batch, session, transfer)
        return (yield from changed(flow, lambda request: request.with_header("X-Key", key)))


# ------------------------------------------------------------------------------- flows


@fails("the_flows_only_describe")
class Watching(Acme):
    def poll(self, job: Job) -> Flow[Status]:
        time.time()
        return (yield from super().poll(job))


@fails("the_same_upload_is_the_same_requests", "an_interrupted_flow_goes_on")
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


@fails("the_transfers_cover_the_documents", "the_bytes_arrive", "the_engine_succeeds_as_well")
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


# --------------------------------------------------------------------------- afterwards


@fails("an_aborted_session_is_gone")
class Lazy(Acme):
    def abort(self, session: Session) -> Flow[None]:
        yield Request.get("/v1/me")


@fails("a_session_that_is_gone_needs_no_abort")
class Insistent(Acme):
    def abort(self, session: Session) -> Flow[None]:
        yield Request("DELETE", self._upload(session), step="abort", retry=Retry.IDEMPOTENT)


@fails("abort_can_be_repeated", "a_remedy_is_said")
class OnceOnly(Acme):
    def abort(self, session: Session) -> Flow[None]:
        return (yield from changed(super().abort(session), lambda r: replace(r, retry=Retry.ONCE)))


@fails("renewed_transfers_keep_their_ids")
class Renaming(Acme):
    def renew(
        self, batch: Batch, session: Session, transfers: tuple[Transfer, ...]
    ) -> Flow[tuple[Transfer, ...]]:
        fresh = yield from super().renew(batch, session, transfers)
        return tuple(t.model_copy(update={"id": f"{t.id}-fresh"}) for t in fresh)


@fails("an_unknown_action_is_refused")
class Obedient(Acme):
    def act(self, job: Job, action: Action) -> Flow[Status]:
        return (yield from super().act(job, Action(name="approve")))


@fails("what_is_offered_can_be_done")
class Silent(Acme):
    def status(self, job: Job, reply: Response) -> Status:
        return super().status(job, reply).model_copy(update={"actions": ()})


@fails("results_are_results")
class Rawless(Acme):
    def results(self, job: Job) -> Flow[Results]:
        found = yield from super().results(job)
        return found.model_copy(update={"raw": None})


@fails("a_job_that_nobody_knows")
class Unquoted(Acme):
    def _job(self, job: Job) -> str:
        return f"/v1/jobs/{job.id}"


@fails("data_is_fit_to_be_shown", "a_session_hides_its_secrets")
class Open(Acme):
    def start(self, batch: Batch) -> Flow[Session]:
        session = yield from super().start(batch)
        return session.model_copy(update={"data": {**session.data, **session.secrets}})


@fails("strange_names_are_carried")
class Headlong(Acme):
    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        name, flow = batch.only().name, super().send(batch, session, transfer)
        return (yield from changed(flow, lambda request: request.with_header("X-Name", name)))
