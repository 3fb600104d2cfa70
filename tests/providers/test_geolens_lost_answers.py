"""What GeoLens' flows do when an answer is lost, or comes too late."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.errors import SessionLost, UnknownOutcome, VendorUnavailable
from longshore.provider import Batch, State, Undecided
from tests.providers.driving_geolens import GEOJSON, LARGE, SMALL_PARTS, Line, digest


def _sent(line: Line, name: str = "a.json") -> tuple[Batch, Any, Any]:
    batch = line.batch(name, GEOJSON)
    session = line.start(batch)
    receipt = line.run(lambda: line.provider.send(batch, session, session.transfers[0]))
    return batch, session, (receipt,)


def test_a_lost_presign_starts_afresh() -> None:
    """The job that may exist does nothing and expires."""
    line = Line()
    line.lose["presign"] = "after"
    with pytest.raises(SessionLost):
        line.start(line.batch("a.json", GEOJSON))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_complete_is_sent_again(when: str) -> None:
    """`Upload already completed` is the answer that got lost."""
    line = Line(SMALL_PARTS)
    line.lose["complete"] = when
    job = line.deliver_all(line.batch("dem.tif", LARGE))

    assert line.log.count(f"POST /ingest/upload/presigned/{job.id}/complete") == 2
    assert line.held() == [("dem.tif", digest(LARGE))]


@pytest.mark.parametrize(("name", "data"), [("a.json", GEOJSON), ("dem.tif", LARGE)])
def test_a_failed_copy_is_mended_by_a_repeat(name: str, data: bytes) -> None:
    """The 502 left the object where it is."""
    line = Line({**SMALL_PARTS, "freeze_fails": 1})
    line.deliver_all(line.batch(name, data))

    assert line.held() == [(name, digest(data))]


def test_a_failed_assembly_starts_afresh() -> None:
    """The 502 dropped the parts: no repeat can succeed."""
    line = Line({**SMALL_PARTS, "assembly_fails": 1})
    batch = line.batch("dem.tif", LARGE)
    with pytest.raises(SessionLost, match="session may have expired"):
        line.deliver_all(batch)

    line.deliver_all(batch)
    assert line.held() == [("dem.tif", digest(LARGE))]


@pytest.mark.parametrize("body", [b"<html>Bad Gateway</html>", b'{"detail":"injected"}', b""])
def test_a_502_in_other_words_is_repeated_and_then_an_outage(body: bytes) -> None:
    """It says nothing about the upload, which goes on when the proxy is well again."""
    line = Line()
    batch, session, receipts = _sent(line)
    line.proxy = {"complete": body}
    line.run(lambda: line.provider.complete(batch, session, receipts))
    assert line.held() == [("a.json", digest(GEOJSON))]

    batch, session, receipts = _sent(line, "b.json")
    line.proxy = {"complete": body, "complete-again": body}
    with pytest.raises(VendorUnavailable):
        line.run(lambda: line.provider.complete(batch, session, receipts))
    del line.proxy["complete-again"]
    line.run(lambda: line.provider.complete(batch, session, receipts))
    assert [name for name, _ in line.held()] == ["a.json", "b.json"]


def test_an_upload_that_expired_starts_afresh() -> None:
    """The vendor failed the job; its bytes are gone."""
    line = Line()
    batch, session, receipts = _sent(line)
    line.now += 3601
    with pytest.raises(SessionLost, match="already failed"):
        line.run(lambda: line.provider.complete(batch, session, receipts))


def test_a_commit_that_cannot_be_told_stays_unknown() -> None:
    """`pending` looks the same before and after it, and it is never sent twice."""
    line = Line()
    line.lose["commit"] = "before"
    with pytest.raises(UnknownOutcome):
        line.deliver_all(line.batch("a.json", GEOJSON))

    (job,) = line.vendor.jobs.values()
    commit = next(request for request in line.requests if request.step == "commit")
    answer = line.ask(commit)
    assert isinstance(answer, Undecided)
    assert job.id in answer.why
    assert line.log.count(f"POST /ingest/commit/{job.id}") == 1
    assert job.datasets == []


@pytest.mark.parametrize("options", [{}, {"queued_step": True}])
def test_a_lost_commit_is_found_once_the_job_moves(options: dict[str, Any]) -> None:
    """The job itself tells."""
    line = Line(options)
    line.lose["commit"] = "after"
    job = line.deliver_all(line.batch("a.json", GEOJSON))

    assert line.finish(job)[-1].state is State.SUCCEEDED
    assert len(line.vendor.jobs[job.id].datasets) == 1


def test_a_commit_that_found_no_queue_starts_afresh() -> None:
    """The 503 has acted: the job is failed and its bytes are gone, before any work."""
    line = Line({"queue_down": 1})
    batch = line.batch("a.json", GEOJSON)
    with pytest.raises(SessionLost, match="before it worked"):
        line.deliver_all(batch)

    line.deliver_all(batch)
    assert line.held() == [("a.json", digest(GEOJSON))]


@pytest.mark.parametrize("name", ["a.json", "will-fail.json"])
def test_already_processed_is_our_own_commit(name: str) -> None:
    """The whole flow run again finds a job that moved; what became of it, the poll tells."""
    line = Line()
    batch, session, receipts = _sent(line, name)
    first = line.run(lambda: line.provider.complete(batch, session, receipts))
    line.now += 1
    again = line.run(lambda: line.provider.complete(batch, session, receipts))

    assert first == again
    assert len(line.vendor.jobs[first.id].datasets) == 1


def test_an_upload_that_was_never_committed_expires() -> None:
    """Its commit is told `already processed`, and that is no success here."""
    line = Line()
    batch, session, receipts = _sent(line)
    flow = line.provider.complete(batch, session, receipts)
    line.exchange(next(flow))  # type: ignore[arg-type]
    line.now += 100_000
    with pytest.raises(SessionLost, match="gave the upload up"):
        line.run(lambda: line.provider.complete(batch, session, receipts))
