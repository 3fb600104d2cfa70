"""Does the kit notice? A provider that does everything right passes, each broken one fails."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from dataclasses import replace

import pytest
from pydantic import BaseModel, JsonValue

import tests.conformance.broken
import tests.conformance.broken_contract
import tests.conformance.broken_flows
import tests.conformance.broken_verbs  # noqa: F401 - all note their faults
from longshore.lifecycle import Job, State, Status
from longshore.provider import (
    Answer,
    Batch,
    Flow,
    Found,
    LostRequest,
    NotDone,
    ProtocolError,
    Raw,
    Receipt,
    Refused,
    Request,
    Session,
    Transfer,
    immediately,
)
from longshore.sandbox import Call, Reply, VendorState, route
from longshore.testing.conformance import run_checks
from tests.conformance.acme import MODES, Acme, kit_of
from tests.conformance.acme_sandbox import AcmeSandbox
from tests.conformance.broken import Assuming
from tests.conformance.faults import FAULTS, Broken, changed

FEWEST_CHECKS = 100
FEWEST_FAULTS = 60

# What plays hundreds of stories, or the whole engine, which notices much: only asked where the
# fault says that it must fail.
LONG = {
    "test_a_crash_anywhere_is_survived",
    "test_a_lost_answer_is_survived",
    "test_a_lost_request_is_survived",
    "test_any_body_is_survived",
    "test_fields_may_be_missing",
    "test_fields_may_be_null",
    "test_fields_may_be_of_another_type",
    "test_ids_of_a_reply_are_quoted",
    "test_refused_requests_end_well",
    "test_the_engine_succeeds_as_well",
    "test_trouble_is_survived",
}


def test_a_good_provider_passes() -> None:
    """Every check that has something to look at passes, and there are many."""
    ended = list(run_checks(kit_of(Acme)))
    assert [f"{c.name} {c.about}: {c.message}" for c in ended if c.outcome == "failed"] == []
    passed = {check.name for check in ended if check.outcome == "passed"}
    assert len(passed) >= FEWEST_CHECKS
    assert Counter(check.outcome for check in ended)["passed"] >= len(passed)


def test_what_is_left_out_says_why() -> None:
    """Each skipped check has a reason."""
    skipped = [
        check for check in run_checks(kit_of(Acme), without=LONG) if check.outcome == "skipped"
    ]
    assert skipped
    assert [check.name for check in skipped if not check.message.strip()] == []


class Deleting(Acme):
    """A vendor that forgets its jobs after a time."""

    def poll(self, job: Job) -> Flow[Status]:
        try:
            return (yield from super().poll(job))
        except Refused as refused:
            if refused.status != 404:
                raise
            return Status(state=State.EXPIRED, word="deleted", raw={})


def test_a_vendor_may_delete_its_jobs() -> None:
    """A poll that takes a 404 for an expired job passes."""
    ended = run_checks(kit_of(Deleting, MODES[1:]), without=LONG)
    assert [check for check in ended if check.outcome == "failed"] == []


class Early(Acme):
    """It looks into the session when a verb is called, and describes the request when driven."""

    def abort(self, session: Session) -> Flow[None]:
        assert self._upload(session)
        return super().abort(session)


def test_a_verb_may_look_at_what_it_is_given() -> None:
    """A verb is called with the session and the job of an upload, not with empty ones."""
    ended = run_checks(kit_of(Early, MODES[:1]), without=LONG)
    assert [check for check in ended if check.outcome == "failed"] == []


class Nameless(AcmeSandbox):
    """A vendor that is told no names, as one that takes the bytes of a document and no more."""

    def state(self, now: float) -> VendorState:
        held: VendorState = super().state(now)
        for document in held["documents"]:
            document["name"] = ""
        return held


def test_a_vendor_may_know_no_names() -> None:
    """A sandbox that says of no document how it is called is not asked about names."""
    ended = run_checks(replace(kit_of(Acme, MODES[1:]), sandbox=Nameless), without=LONG)
    told = [check for check in ended if check.name == "test_the_sandbox_sees_the_name"]
    assert [(check.outcome, check.message) for check in told] == [
        ("skipped", "the sandbox says that the vendor is told no names")
    ]


class Looking(AcmeSandbox):
    """A vendor that shows an upload, and the job that was made of it."""

    @route("GET", "/v1/uploads/{id}")
    def look(self, call: Call, now: float, id: str) -> Reply:
        job = next(self._jobs_of(id), None)
        return Reply.json(200, {"job": self._shown(job, now) if job else None})


class Upload(BaseModel):
    """What it shows."""

    job: JsonValue


class Looked(Acme):
    """After a lost answer it looks at the upload that its own session opened."""

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        def ask(_: LostRequest) -> Flow[Answer]:
            reply = yield Request.get(self._upload(session))
            return Found(reply) if reply.parse(Upload).job else NotDone()

        flow = super().complete(batch, session, receipts)
        return (yield from changed(flow, lambda request: replace(request, lost=ask)))


def test_what_the_own_session_made_needs_no_claim() -> None:
    """The job of an upload that only this batch knows can be nobody else's."""
    ended = [*run_checks(replace(kit_of(Looked, MODES[1:]), sandbox=Looking), without=LONG)]
    assert [check for check in ended if check.outcome == "failed"] == []
    others = [c.message for c in ended if c.name == "test_jobs_of_others_are_no_answer"]
    assert others == ["the question is about something of this very session"]


class Telling(AcmeSandbox):
    """A vendor that shows what it has of an upload, part by part."""

    @route("GET", "/v1/uploads/{id}/parts/{number}")
    def part(self, call: Call, now: float, id: str, number: str) -> Reply:
        data = self._upload(id)["parts"].get(int(number))
        if data is None:
            return Reply.json(404, {"message": "no such part"})
        return Reply.empty(200, {"ETag": f'"{len(data)}-{number}"'})


class Numbered(Acme):
    """Each part has a question of its own, whose answer is good for this part only."""

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        def ask(_: LostRequest) -> Flow[Answer]:
            return (yield from self.look(session, transfer))

        assert transfer.url is not None
        reply = yield Request.put(transfer.url, Raw(transfer.pieces[0]), lost=ask)
        etag = reply.headers.get("ETag", "")
        if not etag.endswith(f'-{transfer.number}"'):
            raise ProtocolError("this is the answer to another part")
        return transfer.receipt(etag)

    def look(self, session: Session, transfer: Transfer) -> Flow[Answer]:
        """Ask for the part."""
        try:
            return Found((yield Request.get(f"{self._upload(session)}/parts/{transfer.number}")))
        except Refused as refused:
            if refused.status != 404:
                raise
            return NotDone()


class Careless(Numbered):
    """It believes that the last part never arrives."""

    def look(self, session: Session, transfer: Transfer) -> Flow[Answer]:
        found = yield from super().look(session, transfer)
        return NotDone() if transfer == session.transfers[-1] else found


def test_each_part_may_have_a_question_of_its_own() -> None:
    """What was found for the first part is no answer to the others."""
    kit = replace(kit_of(Numbered, MODES[1:]), sandbox=Telling)
    ended = [*run_checks(kit, without=LONG)]
    assert [check for check in ended if check.outcome == "failed"] == []
    served = [c.outcome for c in ended if c.name == "test_a_found_answer_serves"]
    assert served == ["passed", "passed"]


def test_the_last_part_is_asked_about_as_well() -> None:
    """The work may begin with it, and a wrong answer about it would make a second job."""
    kit = replace(kit_of(Careless, MODES[1:]), sandbox=Telling)
    failed = [check.name for check in run_checks(kit, without=LONG) if check.outcome == "failed"]
    assert failed == ["test_what_acted_is_never_called_undone"]


class Elsewhere(AcmeSandbox):
    """A vendor that answers with the address of the job it made."""

    @route("POST", "/v1/uploads/{id}/finish")
    def finish(self, call: Call, now: float, id: str) -> Reply:
        reply = super().finish(call, now, id)
        if reply.status != 202:
            return reply
        return Reply.empty(303, {"Location": f"/v1/jobs/{reply.value()['job']['id']}"})


class Redirected(Acme):
    """It reads the address, for nobody follows it."""

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        try:
            return (yield from super().complete(batch, session, receipts))
        except Refused as refused:
            place = refused.response.headers.get("location", "")
            if refused.status != 303 or not place.startswith("/v1/jobs/"):
                raise
            return Job(id=place.removeprefix("/v1/jobs/"))


def test_a_redirect_may_be_an_answer() -> None:
    """Also where it comes late, or not at all, and the engine has the record of it."""
    kit = replace(kit_of(Redirected, MODES[1:]), sandbox=Elsewhere)
    engine = {"the_engine_succeeds_as_well", "a_crash_anywhere_is_survived"}
    ended = run_checks(kit, without=LONG - {f"test_{name}" for name in engine})
    assert [check for check in ended if check.outcome == "failed"] == []


class Repeating(Acme):
    """A second finish makes no second job, and there is a record of the first."""

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        def again(_: LostRequest) -> Flow[Answer]:
            return immediately(NotDone())

        flow = super().complete(batch, session, receipts)
        return (yield from changed(flow, lambda r: replace(r, url=f"{r.url}?once=1", lost=again)))


@pytest.mark.parametrize(
    ("provider", "page", "failing"),
    [
        (Repeating, "https://acme.example/docs/finish", []),
        (Repeating, "", ["test_what_acted_is_never_called_undone"]),
        (
            Assuming,
            "https://acme.example/docs/finish",
            ["test_what_makes_a_job_is_not_just_repeated"],
        ),
    ],
)
def test_what_is_repeatable_leaves_a_record(
    provider: type[Acme], page: str, failing: list[str]
) -> None:
    """Where a page says so, a lost request may come again without a look; not without a record."""
    kit = replace(kit_of(provider, MODES[1:]), repeatable={"POST /v1/uploads/{id}/finish": page})
    ended = run_checks(kit, without=LONG)
    assert [check.name for check in ended if check.outcome == "failed"] == failing


MISTAKES = {
    "AtOnce": "a flow is a generator, not Status",
    "Wordy": "complete returns str, and not Job",
    "Addressing": "a flow yields requests and waits, not str ('/v1/me')",
    "Circling": "to wait, let poll return, and yield Wait elsewhere",
    "EmptyHanded": "start returns a session without a transfer",
    "Unsigned": "sign returns the request with its credentials, not None",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_words(name: str) -> None:
    """What cannot run at all is said in words that name the mistake, once."""
    provider = next(b.provider for b in FAULTS if b.provider.__name__ == name)
    failed = [
        check.message
        for check in run_checks(kit_of(provider, MODES[1:]))
        if check.name == "test_the_upload_succeeds"
    ]
    assert len(failed) == 1
    assert MISTAKES[name] in failed[0]


@pytest.mark.parametrize("broken", FAULTS, ids=lambda broken: broken.provider.__name__)
def test_a_fault_fails_at_its_name(broken: Broken) -> None:
    """The check that names the fault fails, and no other one that the fault does not reach."""
    expected = {broken.check, *broken.also}
    kit = kit_of(broken.provider, MODES[1:])
    failed = {
        check.name: check.message
        for check in run_checks(kit, without=LONG - expected)
        if check.outcome == "failed"
    }
    assert set(failed) == expected
    assert "contract: " in failed[broken.check]


def test_there_are_many_faults() -> None:
    """Most checks have a fault that they alone must find."""
    assert len({broken.check for broken in FAULTS}) >= FEWEST_FAULTS


def test_without_pytest_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kit is the only room that needs pytest."""
    monkeypatch.setitem(sys.modules, "pytest", None)
    monkeypatch.delitem(sys.modules, "longshore.testing.conformance")
    with pytest.raises(ImportError, match=r"pip install 'longshore\[testing\]'"):
        importlib.import_module("longshore.testing.conformance")
