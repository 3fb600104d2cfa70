"""Plangrep's uploads against its sandbox: the form, signed PUTs, signed parts."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from longshore.lifecycle import match_documents
from longshore.provider import (
    Multipart,
    ProtocolError,
    Refused,
    Response,
    SessionLost,
    State,
    WaitExpired,
)
from tests.providers.driving_plangrep import SMALL_PARTS, ready

API = "/api/open/v1"
PLANS = ("floor.pdf", "spec book.pdf", 'Übersicht "A".pdf')


def test_a_form_carries_all_files_in_one_request() -> None:
    """The bytes arrive, the ids come back, and each file's own state is told."""
    pier = ready()
    batch = pier.batch(*PLANS)
    session = pier.start(batch)
    receipts = pier.send_all(batch, session)
    job = pier.complete(batch, session, receipts)
    status = pier.last(job)

    found = match_documents(batch, receipts, job, status)
    assert status.state is State.SUCCEEDED
    assert {id: s.state for id, s in found.items()} == dict.fromkeys(
        ("d1", "d2", "d3"), State.SUCCEEDED
    )
    assert pier.arrived() == pier.digests()
    assert [d.vendor_id for d in job.documents] == ["doc_000001", "doc_000002", "doc_000003"]
    assert pier.log.count("POST /api/open/v1/jobs/job_000001/files") == 1


def test_the_form_begins_with_its_metadata() -> None:
    """Every file is described: part, name, type, class where set, digest where known."""
    pier = ready(classification={"*spec*": "specifications", "*": "plans"})
    batch = pier.batch("floor.pdf", "SPEC.pdf")
    pier.upload(batch)

    body = next(r.body for r in pier.requests if r.step == "files")
    assert isinstance(body, Multipart)
    name, text = body.fields[0]
    assert name == "metadata"
    assert isinstance(text, str)
    metadata = json.loads(text)
    assert metadata["clientUploadFlowId"] == "ls-b1-1"
    assert metadata["files"][1] == {
        "partName": "file1",
        "fileName": "SPEC.pdf",
        "contentType": "application/pdf",
        "classification": "specifications",
        "sha256": batch.documents[1].sha256,
    }
    assert metadata["files"][0]["classification"] == "plans"


def test_a_form_that_was_not_stored_is_never_completed() -> None:
    """What ``skipped`` means is not documented: nobody may count the files as accepted."""
    pier = ready({"form_status": "skipped"})
    batch = pier.batch("a.pdf")
    session = pier.start(batch)

    with pytest.raises(ProtocolError, match="the status 'skipped', not 'uploaded'"):
        pier.send_all(batch, session)

    assert [sent.request.step for sent in pier.sent][-1] == "files"
    assert pier.arrived() == []


def test_a_form_reply_without_a_status_counts_as_stored() -> None:
    """The name of that field is an assumption: its absence says nothing."""
    pier = ready({"form_status": "absent"})
    job = pier.upload(pier.batch("a.pdf"))

    assert pier.last(job).state is State.SUCCEEDED


def test_a_large_form_is_awaited_longer() -> None:
    """A late answer costs all of it once more: a second more for each 10 MB of the files."""
    pier = ready(timeout=30)
    batch = pier.batch("a.pdf", "b.pdf")
    pier.upload(batch)

    waited = {r.step: r.timeout for r in pier.requests if r.method == "POST" and r.timeout}
    assert waited == {"files": 30.0 + batch.size / 10_000_000}


def test_a_signed_put_sends_the_dictated_headers() -> None:
    """The storage checks signature and checksum header; the key stays with Plangrep."""
    pier = ready(upload_mode="signed")
    job = pier.upload(pier.batch(*PLANS))

    assert pier.last(job).state is State.SUCCEEDED
    assert pier.arrived() == pier.digests()
    puts = [r for r in pier.requests if r.method == "PUT"]
    assert all("x-amz-checksum-sha256" in r.headers for r in puts)
    assert all("Authorization" not in r.headers for r in puts)


@pytest.mark.parametrize("inclusive", [True, False])
def test_signed_parts_follow_the_reply(inclusive: bool) -> None:
    """Parts are cut where the reply says; complete lists them in ascending order."""
    pier = ready(
        SMALL_PARTS | {"signed_fields_range_end_inclusive": inclusive},
        upload_mode="signed",
        signed_fields={"range_end_inclusive": inclusive},
    )
    batch = pier.batch("large.pdf", size=1001)
    session = pier.start(batch)
    assert [(t.number, t.pieces[0].offset, t.size) for t in session.transfers] == [
        (1, 0, 400),
        (2, 400, 400),
        (3, 800, 201),
    ]

    job = pier.complete(batch, session, pier.send_all(batch, session))

    assert pier.last(job).state is State.SUCCEEDED
    assert pier.arrived() == pier.digests()


def test_one_job_may_hold_whole_files_and_parts() -> None:
    """The vendor decides per file."""
    pier = ready(SMALL_PARTS, upload_mode="signed")
    batch = pier.batch("small.pdf", "large.pdf", size=1000)
    large = b"x" * 1200
    pier.contents["d2"] = large
    grown = {"size": len(large), "sha256": hashlib.sha256(large).hexdigest()}
    second = batch.documents[1].model_copy(update=grown)
    batch = batch.model_copy(update={"documents": (batch.documents[0], second)})

    session = pier.start(batch)
    job = pier.complete(batch, session, pier.send_all(batch, session))

    assert [t.id for t in session.transfers] == ["d1", "d2/1", "d2/2", "d2/3"]
    assert pier.last(job).state is State.SUCCEEDED
    assert pier.arrived() == pier.digests()


def test_other_names_of_the_register_reply_can_be_set() -> None:
    """The undocumented names stand in one table of the settings."""
    names = {"headers": "putHeaders", "multipart_id": "mpu", "parts": "pieces"}
    names |= {"part_number": "n", "part_url": "url", "range_start": "from", "range_end": "to"}
    options: dict[str, Any] = {f"signed_fields_{key}": name for key, name in names.items()}
    pier = ready(SMALL_PARTS | options, upload_mode="signed", signed_fields=names)

    job = pier.upload(pier.batch("large.pdf", "other.pdf", size=1100))

    assert pier.last(job).state is State.SUCCEEDED
    assert pier.arrived() == pier.digests()


@pytest.mark.parametrize(
    ("option", "size"),
    [("headers", 10), ("multipart_id", 1001), ("parts", 1001), ("part_url", 1001)],
)
def test_an_absent_name_is_told_and_the_job_given_back(option: str, size: int) -> None:
    """The error names the setting, shows what came without secrets; no job is left open."""
    pier = ready(SMALL_PARTS | {f"signed_fields_{option}": "somethingElse"}, upload_mode="signed")

    with pytest.raises(Refused) as caught:
        pier.start(pier.batch("large.pdf", size=size))

    assert isinstance(caught.value.error, ProtocolError)
    assert f"signed_fields.{option}" in caught.value.error.message
    assert "tok_" not in caught.value.error.message
    assert [job["state"] for job in pier.vendor.state(pier.now)["jobs"]] == ["cancelled"]


def test_ranges_read_wrongly_are_noticed() -> None:
    """Parts that do not cover the document exactly are never sent."""
    pier = ready(SMALL_PARTS, upload_mode="signed", signed_fields={"range_end_inclusive": False})

    with pytest.raises(Refused, match="do not cover"):
        pier.start(pier.batch("large.pdf", size=1001))


@pytest.mark.parametrize("mode", ["form", "signed"])
def test_a_reply_in_another_order_is_matched_by_name(mode: str) -> None:
    """Where entries name their file, the names count, not the order."""
    named = {"form_uploads": "named", "register_uploads": "named", "uploads_order": "reversed"}
    pier = ready(named, upload_mode=mode)

    job = pier.upload(pier.batch(*PLANS))

    assert pier.last(job).state is State.SUCCEEDED
    assert pier.arrived() == pier.digests()


def test_files_of_one_name_are_told_apart_by_their_parts() -> None:
    """Where names do not tell, the part names do."""
    pier = ready({"form_uploads": "named", "uploads_order": "reversed"})
    batch = pier.batch("same.pdf", "same.pdf")
    session = pier.start(batch)
    (receipt,) = pier.send_all(batch, session)

    held = {document.id: document for document in pier.vendor.jobs["job_000001"].documents}
    theirs = [held[str(entry.vendor_id)].sha256 for entry in receipt.documents]
    assert theirs == [document.sha256 for document in batch.documents]


def test_auto_signs_above_one_hundred_million_bytes() -> None:
    """The sum of the batch decides; at the limit it is still a form."""
    pier = ready()
    settings = pier.provider.settings
    batch = pier.batch("a.pdf")
    sized = [
        batch.model_copy(
            update={"documents": (batch.documents[0].model_copy(update={"size": size}),)}
        )
        for size in (100_000_000, 100_000_001)
    ]

    assert [settings.signs(each) for each in sized] == [False, True]


def test_a_webhook_secret_is_kept_among_the_secrets() -> None:
    """It is shown once; it must not stand where data may be shown."""
    pier = ready(webhook_url="https://hooks.example/plangrep")
    session = pier.start(pier.batch("a.pdf"))

    assert session.secrets["webhook"].startswith("wss_")
    assert "wss_" not in json.dumps(session.data)


def test_a_provisioning_job_is_awaited() -> None:
    """Files go only to a job that takes them."""
    pier = ready({"job_provisioning": 15.0})

    job = pier.upload(pier.batch("a.pdf"))

    assert pier.last(job).state is State.SUCCEEDED
    assert pier.log.count(f"POST {API}/projects/proj_000001/jobs") == 1


def test_a_project_that_takes_no_jobs_for_a_while_is_awaited() -> None:
    """It was ready when the run began, and its upgrade began before the job could be made."""
    pier = ready()
    pier.vendor.projects["proj_000001"].ready_at = pier.now + 25

    job = pier.upload(pier.batch("a.pdf"))

    assert pier.last(job).state is State.SUCCEEDED
    assert pier.log.count(f"POST {API}/projects/proj_000001/jobs") == 2
    assert list(pier.vendor.jobs) == [job.id]


def test_a_job_that_is_refused_by_a_ready_project_stays_refused() -> None:
    """Only one more is tried: whatever the reason is, it is no upgrade."""
    pier = ready()
    batch = pier.batch("a.pdf").model_copy(update={"callback": "http://no.tls.example"})

    with pytest.raises(Refused):
        pier.start(batch)

    assert pier.log.count(f"POST {API}/projects/proj_000001/jobs") == 2


def test_a_job_that_never_gets_ready_is_given_back() -> None:
    """Nobody would ever look at it again."""
    pier = ready({"job_provisioning": 1000.0})

    with pytest.raises(Refused) as caught:
        pier.start(pier.batch("a.pdf"))

    assert isinstance(caught.value.error, WaitExpired)
    assert pier.log[-1] == f"POST {API}/jobs/job_000001/cancel"


@pytest.mark.parametrize("reachable", [True, False])
def test_a_job_that_expired_before_its_files_came_is_replaced(reachable: bool) -> None:
    """A run that is resumed after a week sends them to a fresh one, as it does with signed URLs."""
    pier = ready({"job_ttl": 100.0})
    batch = pier.batch("a.pdf")
    session = pier.start(batch)
    if reachable:
        pier.now += 101
    else:
        pier.vendor.jobs.clear()

    with pytest.raises(SessionLost, match="expired"):
        pier.send_all(batch, session)


def test_a_job_that_expired_before_its_files_were_registered_is_replaced() -> None:
    """The same, where the run ended between the two."""
    pier = ready({"job_ttl": 100.0}, upload_mode="signed")
    batch = pier.batch("a.pdf")
    answers: dict[str, Response] = {}
    pier.run(lambda: pier.provider.start(batch), answers)
    del answers["register"]
    pier.now += 101

    with pytest.raises(Refused) as caught:
        pier.run(lambda: pier.provider.start(batch), answers)

    assert isinstance(caught.value.error, SessionLost)


def test_a_form_that_is_refused_by_an_open_job_is_a_refusal() -> None:
    """The vendor's words are told; nothing expired."""
    pier = ready({"mismatch": "refuse"}, upload_mode="form")
    batch = pier.batch("a.pdf")
    session = pier.start(batch)
    pier.contents["d1"] = b"?" * 50

    with pytest.raises(Refused, match="other bytes came"):
        pier.send_all(batch, session)


def test_the_jobs_own_limits_are_obeyed() -> None:
    """They are read from the job; what breaks them is refused before the first byte."""
    pier = ready({"max_files": 1})

    with pytest.raises(Refused, match="2 files, a job takes 1"):
        pier.start(pier.batch("a.pdf", "b.pdf"))

    assert pier.log[-1] == f"POST {API}/jobs/job_000001/cancel"


def test_an_expired_url_asks_for_a_fresh_session() -> None:
    """Plangrep cannot renew URLs."""
    pier = ready({"url_lifetime": 60}, upload_mode="signed")
    batch = pier.batch("a.pdf")
    session = pier.start(batch)
    assert session.transfers[0].expires_at == pier.now + 60
    pier.now += 61

    with pytest.raises(SessionLost):
        pier.send_all(batch, session)


def test_a_file_that_the_storage_refuses_does_not_stop_the_others() -> None:
    """Its receipt says so, complete reports it as failed, the job ends with errors."""
    pier = ready(upload_mode="signed")
    batch = pier.batch("good.pdf", "bad.pdf")
    session = pier.start(batch)
    pier.contents["d2"] = b"?" * 50

    job = pier.complete(batch, session, pier.send_all(batch, session))
    status = pier.last(job)

    assert status.state is State.PARTIAL
    assert [bool(accepted.error) for accepted in job.documents] == [False, True]
    assert [d.state for d in status.documents] == [State.SUCCEEDED, State.FAILED]
