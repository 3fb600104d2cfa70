"""Plangrep's documentation leaves things open: each may be otherwise, and nothing gets lost."""

from __future__ import annotations

import pytest

from longshore.lifecycle import Outcome
from longshore.provider import Job, Refused, Results, State
from longshore.sandbox import Call
from longshore.testing.simulation import Case, play
from longshore_plangrep.sandbox import PlangrepSandbox
from tests.providers.driving_plangrep import KEY, SMALL_PARTS, Pier, ready
from tests.simulation.cases import CASES


def results_of(pier: Pier, job: Job) -> Results:
    """Return the results of a job that has ended."""
    pier.last(job)
    return pier.run(lambda: pier.provider.results(job))


def test_files_without_a_status_are_where_their_job_is() -> None:
    """No page lists the words of files."""
    pier = ready({"file_status": "null"})

    status = pier.last(pier.upload(pier.batch("a.pdf", "fail.pdf")))

    assert [d.state for d in status.documents] == [State.PARTIAL, State.PARTIAL]


def test_parts_with_headers_of_their_own_get_them() -> None:
    """They are signed, so the storage refuses a part that goes without."""
    pier = ready(SMALL_PARTS | {"part_headers": True}, upload_mode="signed")

    job = pier.upload(pier.batch("large.pdf", size=1001))

    assert pier.last(job).state is State.SUCCEEDED
    assert pier.arrived() == pier.digests()


def test_a_registration_that_cannot_be_read_fails_and_leaves_nothing_unknown() -> None:
    """Its job was never completed, so nobody is at work; the hint says which name to set."""
    (put,) = (case for case in CASES if case.name == "plangrep/put")
    names = {"signed_fields_headers": "somethingElse"}

    history = play(Case("names", put.provider, lambda: PlangrepSandbox(names), put.documents))

    assert history.outcomes == (Outcome.FAILED, Outcome.FAILED)
    assert {d.error.kind for d in history.documents if d.error} == {"protocol"}
    assert [job["state"] for job in history.state["jobs"]] == ["cancelled"]


def test_another_record_for_failed_uploads_fails_the_batch_and_is_told() -> None:
    """The vendor's refusal is shown; nothing is completed in part."""
    pier = ready({"failed_record": "other"}, upload_mode="signed")
    batch = pier.batch("good.pdf", "bad.pdf")
    session = pier.start(batch)
    pier.contents["d2"] = b"?" * 50
    receipts = pier.send_all(batch, session)

    with pytest.raises(Refused, match="failedUploads"):
        pier.complete(batch, session, receipts)

    assert [job["state"] for job in pier.vendor.state(pier.now)["jobs"]] == ["uploading"]


@pytest.mark.parametrize(
    ("owner", "texts"),
    [("documentId", [1, 1]), ("fileName", [1, 1]), ("none", [0, 0, 2])],
)
def test_evidence_goes_to_its_document_or_stands_by_itself(owner: str, texts: list[int]) -> None:
    """Whatever names the document, no text is lost."""
    pier = ready({"evidence_owner": owner})

    found = results_of(pier, pier.upload(pier.batch("a.pdf", "b.pdf")))

    assert [len(document.texts) for document in found.documents] == texts


def test_a_download_link_is_good_once_and_takes_no_key() -> None:
    """What is told of it, signed, is how it can be had."""
    pier = ready({"artifact_links": "download"})

    found = results_of(pier, pier.upload(pier.batch("a.pdf")))

    (artifact,) = found.documents[0].artifacts
    calls = [Call.of("GET", artifact.url) for _ in range(2)]
    assert artifact.signed
    assert [pier.vendor.handle(call, pier.now).status for call in calls] == [200, 404]


def test_a_rate_is_told_with_the_seconds_to_wait() -> None:
    """That there are limits is documented; the sandbox has none until one is set."""
    pier = Pier({"requests_per_minute": 1})
    headers = {"Authorization": f"Bearer {KEY}"}
    call = Call.of("GET", "https://plangrep.com/api/open/v1/projects", headers)
    replies = [pier.vendor.handle(call, pier.now + second) for second in (0, 20, 60)]

    assert [reply.status for reply in replies] == [200, 429, 200]
    assert replies[1].headers["Retry-After"] == "40"
