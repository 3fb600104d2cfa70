"""Subworkflow's flows against the core of its sandbox."""

from __future__ import annotations

import hashlib
import json

import pytest

from longshore.provider import (
    AccountError,
    Action,
    Forbidden,
    Job,
    PaymentRequired,
    ProtocolError,
    Refused,
    Remedy,
    Request,
    RequestRefused,
    Response,
    Retry,
    SessionLost,
    State,
    Unauthorized,
)
from longshore.sandbox import Call
from tests.providers.driving_subworkflow import MIB, AnswerIsLost, World, world

LARGE = bytes(range(256)) * 4096 * 11 + b"the end"  # 11 MiB and a little


def large_world(assumptions: dict[str, object] | None = None, **settings: object) -> World:
    """A world in which documents above 1 MiB go in parts of 5 MiB."""
    settings = {"session_threshold": MIB, "part_size": 5 * MIB, **settings}
    return world(assumptions, **settings)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# ------------------------------------------------------------------------------ one POST


@pytest.mark.parametrize("job_type", ["extract", "vectorize"])
def test_small_document_goes_in_one_post(job_type: str) -> None:
    """At or below the threshold the document is one form to the path of its job type."""
    w = world(job_type=job_type, expires_in_days=7)
    job = w.upload(w.batch("plan.pdf", b"%PDF small"))

    assert w.paths() == [f"POST /v1/{job_type}"]
    assert w.fields(w.calls[0]) == {"expiresInDays": "7"}
    assert w.calls[0].headers["x-api-key"] == "sk_test"
    (document,) = w.vendor.state(w.now)["documents"]
    assert document == {
        "name": "plan.pdf", "size": 10, "sha256": sha256(b"%PDF small"), "job": job.id
    }  # fmt: skip
    assert job.documents[0].vendor_id == job.data["dataset_id"]


def test_threshold_itself_still_goes_in_one_post() -> None:
    """The size of the threshold is posted, one byte more opens a session."""
    w = large_world()
    assert w.session(w.batch("a.pdf", b"x" * MIB)).secrets == {}
    assert list(w.session(w.batch("b.pdf", b"x" * (MIB + 1))).secrets) == ["key"]


def test_post_names_no_retention_unless_asked() -> None:
    """Without expires_in_days the vendor's own default holds."""
    w = world()
    w.upload(w.batch("plan.pdf", b"%PDF"))
    assert w.fields(w.calls[0]) == {}


# ------------------------------------------------------------------------------ sessions


def test_large_document_goes_through_a_session() -> None:
    """Start, three appends, end; the bytes arrive whole under the name they had."""
    w = large_world()
    job = w.upload(w.batch("my.report.PDF", LARGE))

    assert w.paths() == [
        "POST /v1/upload-session/start",
        *["POST /v1/upload-session/append"] * 3,
        "POST /v1/upload-session/end",
    ]
    start = w.fields(w.calls[0])
    assert start == {
        "fileName": "my.report", "fileExt": "pdf",
        "fileType": "application/pdf", "jobType": "extract",
    }  # fmt: skip
    parts = json.loads(w.fields(w.calls[-1])["parts"])
    assert [part["partNumber"] for part in parts] == [1, 2, 3]
    (document,) = w.vendor.state(w.now)["documents"]
    assert (document["name"], document["sha256"]) == ("my.report.pdf", sha256(LARGE))
    assert document["job"] == job.id


def test_session_key_is_a_secret() -> None:
    """The key is kept where it is never shown."""
    w = large_world()
    session = w.session(w.batch("big.pdf", LARGE))
    assert session.secrets["key"].startswith("tmp_")
    assert session.data == {}


def test_parts_may_go_in_any_order_and_end_sorts_them() -> None:
    """Receipts that came in another order are put into ascending order by number."""
    w = large_world()
    batch = w.batch("big.pdf", LARGE)
    session = w.session(batch)
    receipts = tuple(
        w.run(w.provider.send(batch, session, transfer)) for transfer in reversed(session.transfers)
    )
    w.run(w.provider.complete(batch, session, receipts))
    assert w.vendor.state(w.now)["documents"][0]["sha256"] == sha256(LARGE)


def test_underscore_path_is_a_setting() -> None:
    """All session calls use the other path when the settings say so."""
    w = large_world({"session_path": "underscore"}, session_path="underscore")
    w.upload(w.batch("big.pdf", LARGE))
    assert {path.split("/")[2] for path in w.paths()} == {"upload_session"}


@pytest.mark.parametrize("reads", ["documented", "client"])
def test_retention_reaches_a_vendor_of_either_spelling(reads: str) -> None:
    """Start carries both spellings, so whichever the vendor reads is there."""
    w = large_world({"expiry_field": reads}, expires_in_days=3)
    w.upload(w.batch("big.pdf", LARGE))
    (dataset,) = w.vendor.datasets.values()
    assert dataset.days == 3


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("documented", ["expiryInDays"]),
        ("client", ["expiresInDays"]),
        ("both", ["expiryInDays", "expiresInDays"]),
    ],
)
def test_what_start_calls_the_retention_is_a_setting(field: str, names: list[str]) -> None:
    """A vendor that refuses fields that it does not know gets the one that it reads."""
    w = large_world(
        {"expiry_field": field, "unknown_fields": "refuse"}, expires_in_days=3, expiry_field=field
    )
    w.upload(w.batch("big.pdf", LARGE))
    start = next(call for call in w.calls if call.path.endswith("/start"))
    assert [name for name in w.fields(start) if "InDays" in name] == names


def test_a_start_that_is_refused_names_the_field_of_the_retention() -> None:
    """Both are sent unless told otherwise, and a vendor may be strict."""
    w = large_world({"unknown_fields": "refuse"}, expires_in_days=3)
    with pytest.raises(Refused) as caught:
        w.session(w.batch("big.pdf", LARGE))
    assert "expiry_field" in caught.value.error.hint


def test_wrong_session_path_is_explained() -> None:
    """A vendor that does not know the path leads to a hint about the other one."""
    w = large_world({"session_path": "underscore"})
    with pytest.raises(Refused) as caught:
        w.session(w.batch("big.pdf", LARGE))
    assert "session_path" in caught.value.error.hint


def test_plan_without_sessions_is_explained() -> None:
    """It stops the account, whose hint names the plans that have sessions."""
    w = large_world({"sessions_allowed": False})
    with pytest.raises(Forbidden) as caught:
        w.session(w.batch("big.pdf", LARGE))
    assert "Standard" in caught.value.hint


def test_start_that_is_refused_without_a_reason_is_explained() -> None:
    """The vendor documents no reasons for a 400: the plan may be one."""
    w = large_world()
    with pytest.raises(Refused) as caught:
        w.session(w.batch("big.txt", LARGE))
    assert "Standard" in caught.value.error.hint


def test_job_is_awaited_longer_for_a_large_document() -> None:
    """Whatever makes the job gets a second more for each 10 MB; nothing else does."""
    w = large_world(timeout=30)
    w.upload(w.batch("big.pdf", LARGE, id="big"))
    w.upload(w.batch("small.pdf", b"%PDF", id="small"))
    assert [(request.step, request.timeout) for request in w.requests] == [
        ("start", None),
        *[("append", None)] * 3,
        ("end", 30.0 + len(LARGE) / 10_000_000),
        ("post", 30.0 + 4 / 10_000_000),
    ]


@pytest.mark.parametrize("verb", ["append", "end"])
def test_unknown_key_means_that_the_session_is_lost(verb: str) -> None:
    """A session that has expired at the vendor asks for a fresh one."""
    w = large_world({"session_lifetime": 60.0})
    batch = w.batch("big.pdf", LARGE)
    session = w.session(batch)
    receipts = w.send_all(batch, session)
    w.now += 61
    flows = {
        "append": w.provider.send(batch, session, session.transfers[0]),
        "end": w.provider.complete(batch, session, receipts),
    }
    with pytest.raises(SessionLost):
        w.run(flows[verb])


def test_append_is_once_by_default_and_idempotent_by_setting() -> None:
    """Only resend_parts lets a part be sent again after a lost answer."""
    for resend, retry in [(False, Retry.ONCE), (True, Retry.IDEMPOTENT)]:
        w = large_world(resend_parts=resend)
        batch = w.batch("big.pdf", LARGE)
        session = w.session(batch)
        request = next(w.provider.send(batch, session, session.transfers[0]))
        assert isinstance(request, Request)
        assert request.retry is retry


def test_part_sent_again_counts_once_where_the_vendor_replaces() -> None:
    """With resend_parts the last ETag of a part is the one that counts."""
    w = large_world(resend_parts=True)
    batch = w.batch("big.pdf", LARGE)
    session = w.session(batch)
    w.run(w.provider.send(batch, session, session.transfers[0]))
    receipts = w.send_all(batch, session)
    w.run(w.provider.complete(batch, session, receipts))
    assert w.vendor.state(w.now)["documents"][0]["sha256"] == sha256(LARGE)


def test_refused_repetition_asks_for_a_fresh_session() -> None:
    """With resend_parts a vendor that refuses the repetition costs the session, not the batch."""
    w = large_world({"append_twice": "reject"}, resend_parts=True)
    batch = w.batch("big.pdf", LARGE)
    session = w.session(batch)
    w.send_all(batch, session)
    with pytest.raises(SessionLost):
        w.run(w.provider.send(batch, session, session.transfers[0]))


def test_confirmation_of_another_part_is_no_receipt() -> None:
    """A reply that names another part number than was sent cannot be used."""
    w = large_world()
    batch = w.batch("big.pdf", LARGE)
    flow = w.provider.send(batch, w.session(batch), w.session(batch).transfers[0])
    next(flow)
    with pytest.raises(ProtocolError, match="part 2 was confirmed"):
        flow.send(Response.of({"success": True, "data": {"etag": "e", "partNumber": 2}}))


def test_abort_deletes_the_session_and_may_be_repeated() -> None:
    """After abort the vendor holds no session, and a second abort is content with 404."""
    w = large_world()
    batch = w.batch("big.pdf", LARGE)
    session = w.session(batch)
    w.send_all(batch, session)
    w.run(w.provider.abort(session))
    assert w.vendor.sessions == {}
    w.run(w.provider.abort(session))


def test_abort_of_a_small_document_asks_nothing() -> None:
    """Without a session there is nothing to give back."""
    w = world()
    w.run(w.provider.abort(w.session(w.batch("plan.pdf", b"%PDF"))))
    assert w.calls == []


# ------------------------------------------------------------------------------ the job


def test_job_walks_to_success() -> None:
    """The states of the walk map to running and then to succeeded."""
    w = world({"walk": "NOT_STARTED:1,IN_QUEUE:1,IN_PROGRESS:1,SUCCESS"})
    job = w.upload(w.batch("plan.pdf", b"%PDF"))
    seen = []
    for _ in range(4):
        status = w.run(w.provider.poll(job))
        seen.append((status.word, status.state))
        w.now += 1
    assert seen == [
        ("NOT_STARTED", State.RUNNING),
        ("IN_QUEUE", State.RUNNING),
        ("IN_PROGRESS", State.RUNNING),
        ("SUCCESS", State.SUCCEEDED),
    ]


def test_failed_job_says_why() -> None:
    """ERROR is failed, for the job and for its document, with the vendor's reason."""
    w = world()
    job = w.upload(w.batch("will-fail.pdf", b"%PDF"))
    w.now += 1
    status = w.run(w.provider.poll(job))
    assert (status.state, status.error) == (State.FAILED, "the document could not be read")
    (document,) = status.documents
    assert (document.state, document.vendor_id) == (State.FAILED, job.data["dataset_id"])


def test_cancelled_job_is_cancelled() -> None:
    """ERROR with a cancel time is cancelled, and a repeated cancel tells the same."""
    w = world({"walk": "IN_PROGRESS:60,SUCCESS"})
    job = w.upload(w.batch("plan.pdf", b"%PDF"))
    assert w.run(w.provider.cancel(job)).state is State.CANCELLED
    assert w.run(w.provider.cancel(job)).state is State.CANCELLED
    assert w.run(w.provider.poll(job)).word == "ERROR"


def test_cancel_comes_too_late_for_a_finished_job() -> None:
    """A job that has ended keeps its state, and cancel reports that."""
    w = world()
    job = w.upload(w.batch("plan.pdf", b"%PDF"))
    w.now += 1
    assert w.run(w.provider.cancel(job)).state is State.SUCCEEDED


def test_results_are_the_pages_of_the_dataset() -> None:
    """Every page comes as pdf and jpg with a link that works without a key."""
    w = world({"pages": 60})
    job = w.upload(w.batch("plan.pdf", b"%PDF"))
    (document,) = w.run(w.provider.results(job)).documents
    assert (document.pages, len(document.artifacts)) == (60, 120)
    first = document.artifacts[0]
    assert (first.name, first.kind, first.signed) == ("1.pdf", "pdf", True)
    assert w.vendor.handle(Call.of("GET", first.url), w.now).status == 200
    assert w.vendor.handle(Call.of("GET", first.url), w.now + 601).status == 403


def test_results_find_the_dataset_through_the_job() -> None:
    """A job that was kept without its dataset is asked for it."""
    w = world()
    job = w.upload(w.batch("plan.pdf", b"%PDF"))
    results = w.run(w.provider.results(Job(id=job.id)))
    assert results.documents[0].vendor_id == job.data["dataset_id"]


def test_only_what_the_vendor_has_is_offered() -> None:
    """There are no actions and no URLs to renew; the rest is offered."""
    provider = world().provider
    offered = {verb for verb in ("renew", "abort", "cancel", "act", "results")
               if provider.offers(verb)}  # fmt: skip
    assert offered == {"abort", "cancel", "results"}
    with pytest.raises(NotImplementedError):
        provider.act(Job(id="dsj_1"), Action(name="retry"))


# ------------------------------------------------------------------------------ errors


def test_prepare_lists_one_job_and_changes_nothing() -> None:
    """The key check is the list of jobs."""
    w = world()
    w.run(w.provider.prepare())
    assert [call.url for call in w.calls] == ["https://api.subworkflow.ai/v1/jobs?limit=1"]
    assert w.vendor.state(w.now)["jobs"] == []


def test_wrong_key_is_found_before_the_first_byte() -> None:
    """401 at prepare is an account error in the vendor's words."""
    w = world({"api_key": "sk_other"})
    with pytest.raises(Unauthorized, match="Unauthorized"):
        w.run(w.provider.prepare())


@pytest.mark.parametrize(
    ("assumptions", "kind"),
    [({"credits": 1}, PaymentRequired), ({"concurrent_jobs": 1}, Forbidden)],
)
def test_account_trouble_is_no_fault_of_the_document(
    assumptions: dict[str, object], kind: type[AccountError]
) -> None:
    """402 and the cap on concurrent jobs stop the account; both error keys are read."""
    w = world({**assumptions, "error_key": "message", "walk": "IN_PROGRESS:60,SUCCESS"})
    w.upload(w.batch("plan.pdf", b"%PDF"))
    with pytest.raises(kind) as caught:
        w.upload(w.batch("plan.pdf", b"%PDF"))
    assert "without a reason" not in caught.value.message


def test_what_is_not_there_is_not_blamed_on_ids_in_the_settings() -> None:
    """No setting of this vendor holds an id."""
    error = world().provider.refusal(Response.of({"success": False, "error": "no"}, 404))
    assert "any more" in error.hint


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"success": false, "error": "no"}', "no"),
        (b'{"message": "framework"}', "framework"),
        (b'{"error": {"name": "ZodError", "message": "bad field"}}', "bad field"),
        (b'{"error": ["a", "b"]}', "a; b"),
        (b"<html>bad gateway</html>", "bad gateway"),
        (b"[1]", "[1]"),
        (b"", "without a reason"),
    ],
)
def test_any_error_body_is_read(body: bytes, words: str) -> None:
    """Whatever a refusal's body is, it becomes an exception that shows it."""
    error = world().provider.refusal(Response(400, body=body))
    assert isinstance(error, RequestRefused)
    assert words in error.message


# ------------------------------------------------------------------------------ lost answers


@pytest.mark.parametrize("step", ["start", "append"])
def test_lost_start_or_append_costs_a_fresh_session(step: str) -> None:
    """What may be left of them does nothing by itself."""
    w = large_world()
    w.losing = {step}
    with pytest.raises(AnswerIsLost) as caught:
        w.upload(w.batch("big.pdf", LARGE))
    assert caught.value.request.lost is Remedy.RESTART
    assert w.vendor.state(w.now)["jobs"] == []
