"""GeoLens' flows against its sandbox: every upload mode, every state, every lost answer."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from longshore.documents import Document
from longshore.errors import (
    AccountError,
    Forbidden,
    LongshoreError,
    ProtocolError,
    RequestRefused,
    Unauthorized,
)
from longshore.provider import Action, Batch, Response, State
from tests.providers.driving_geolens import GEOJSON, LARGE, SMALL_PARTS, Line, digest

# ------------------------------------------------------------------ the way of a document


def test_a_small_file_goes_in_one_put() -> None:
    """Presign, one PUT with the declared type, complete without parts, commit."""
    line = Line()
    batch = line.batch("roads.geojson", GEOJSON)
    job = line.deliver_all(batch)

    assert line.log == [
        "POST /ingest/upload/presigned",
        f"PUT https://s3.storage.example/geolens/staging/{job.id}/roads.geojson",
        f"POST /ingest/upload/presigned/{job.id}/complete",
        f"POST /ingest/commit/{job.id}",
    ]
    assert line.held() == [("roads.geojson", digest(GEOJSON))]


def test_a_large_file_goes_in_parts() -> None:
    """The reply's part size cuts it, whatever the batch says; every part comes once."""
    line = Line(SMALL_PARTS)
    line.deliver_all(line.batch("dem.tif", LARGE))

    (counts,) = line.vendor.state(line.now)["parts"].values()
    assert counts == {"1": 1, "2": 1, "3": 1, "4": 1, "5": 1, "6": 1}
    assert line.held() == [("dem.tif", digest(LARGE))]


def test_parts_are_completed_in_ascending_order() -> None:
    """Receipts may come in any order; S3 wants them sorted."""
    line = Line(SMALL_PARTS)
    batch = line.batch("dem.tif", LARGE)
    session = line.start(batch)
    receipts = tuple(
        line.run(lambda transfer=transfer: line.provider.send(batch, session, transfer))  # type: ignore[misc]
        for transfer in reversed(session.transfers)
    )
    line.run(lambda: line.provider.complete(batch, session, receipts))

    assert line.held() == [("dem.tif", digest(LARGE))]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
@pytest.mark.parametrize("name", ["roads.geojson", 'höhe & "bäume" #1.json', "dem.tif"])
def test_both_signatures_are_served(region: str, name: str) -> None:
    """Version 2 and 4 differ in which headers and queries they sign; expiry is read from both."""
    line = Line({**SMALL_PARTS, "region": region})
    data = LARGE if name == "dem.tif" else GEOJSON
    batch = line.batch(name, data)
    session = line.start(batch)

    assert {transfer.expires_at for transfer in session.transfers} == {line.now + 3600}
    line.deliver_all(batch, session)
    assert line.held() == [(name, digest(data))]


def test_receipts_keep_the_etag_as_it_came() -> None:
    """The quotes belong to it."""
    line = Line()
    batch = line.batch("a.json", GEOJSON)
    session = line.start(batch)
    receipt = line.run(lambda: line.provider.send(batch, session, session.transfers[0]))

    assert receipt.token == f'"{hashlib.md5(GEOJSON).hexdigest()}"'


def test_the_job_walks_to_its_dataset() -> None:
    """Pending, running, complete; the dataset's id is the result."""
    line = Line()
    job = line.deliver_all(line.batch("a.json", GEOJSON))
    seen = line.finish(job)

    assert [(status.word, status.state) for status in seen] == [
        ("pending", State.RUNNING),
        ("running", State.RUNNING),
        ("complete", State.SUCCEEDED),
    ]
    assert [entry.vendor_id for entry in job.documents] == [seen[-1].documents[0].vendor_id]
    results = line.run(lambda: line.provider.results(job))
    assert results.documents[0].fields[0].value == line.vendor.jobs[job.id].datasets[0]


def test_title_and_visibility_go_out() -> None:
    """The title is the file's name without its ending unless it is set."""
    bodies = []
    cases: list[dict[str, Any]] = [{}, {"title": "Roads", "visibility": "public"}]
    for settings in cases:
        line = Line(**settings)
        batch = line.batch("roads.2024.json", GEOJSON)
        session = line.start(batch)
        receipts = (line.run(lambda: line.provider.send(batch, session, session.transfers[0])),)  # noqa: B023
        flow = line.provider.complete(batch, session, receipts)
        next(flow)
        request: Any = flow.send(Response(200))
        bodies.append(request.body.value)

    assert bodies == [
        {"title": "roads.2024", "visibility": "private"},
        {"title": "Roads", "visibility": "public"},
    ]


def test_without_commit_a_person_is_needed() -> None:
    """The bytes are there, nothing works on them, and Longshore offers no second commit."""
    line = Line(commit=False)
    job = line.deliver_all(line.batch("a.json", GEOJSON))
    status = line.poll(job)

    assert (status.state, status.word, status.actions) == (State.NEEDS_ACTION, "pending", ())
    assert line.held() == [("a.json", digest(GEOJSON))]


def test_a_commit_by_a_person_is_seen() -> None:
    """Once the job moves it is polled like any other."""
    line = Line(commit=False)
    job = line.deliver_all(line.batch("a.json", GEOJSON))
    line.vendor.jobs[job.id].runs, line.vendor.jobs[job.id].datasets = [line.now], ["d"]
    line.now += 1

    assert line.poll(job).state is State.SUCCEEDED


def test_a_token_is_a_bearer() -> None:
    """Without a key the access token goes out."""
    line = Line(api_key=None, token="jwt-abc")
    line.deliver_all(line.batch("a.json", GEOJSON))

    assert next(iter(line.vendor.jobs.values())).owner == "jwt-abc"


def test_credentials_never_go_to_the_storage() -> None:
    """S3 refuses a signed URL that comes with an Authorization header."""
    line = Line(api_key=None, token="jwt-abc")
    batch = line.batch("a.json", GEOJSON)
    session = line.start(batch)
    request: Any = next(line.provider.send(batch, session, session.transfers[0]))

    assert (request.absolute, dict(request.headers)) == (
        True,
        {"Content-Type": "application/json"},
    )


# ------------------------------------------------------------------ failure and retry


def test_a_failed_import_offers_a_retry() -> None:
    """`retry` queues it again, and it succeeds."""
    line = Line()
    job = line.deliver_all(line.batch("will-fail.json", GEOJSON))
    failed = line.finish(job)[-1]

    assert (failed.state, failed.actions) == (State.FAILED, (Action(name="retry"),))
    assert failed.error == failed.documents[0].error == "ogr2ogr could not read the file"
    again = line.run(lambda: line.provider.act(job, failed.actions[0]))
    assert (again.state, line.finish(job)[-1].state) == (State.RUNNING, State.SUCCEEDED)


def test_a_failed_import_may_be_without_a_message() -> None:
    """`error_message` may be null."""
    line = Line()
    job = line.deliver_all(line.batch("will-fail.json", GEOJSON))
    failed = Response.of({"id": job.id, "status": "failed", "error_message": None})
    line.between = lambda _sent, _deliver: failed
    status = line.poll(job)

    assert (status.state, status.error, status.documents[0].error) == (State.FAILED, None, None)


def test_what_cannot_be_retried_offers_nothing() -> None:
    """The vendor says so with can_retry."""
    line = Line({"can_retry": False})
    job = line.deliver_all(line.batch("will-fail.json", GEOJSON))

    assert line.finish(job)[-1].actions == ()


def test_a_retry_whose_answer_is_lost_is_done_once() -> None:
    """The repeat is told that only failed jobs can be retried: that is what was wanted."""
    line = Line()
    job = line.deliver_all(line.batch("will-fail.json", GEOJSON))
    line.finish(job)
    line.lose["retry"] = "after"
    line.run(lambda: line.provider.act(job, Action(name="retry")))

    assert len(line.vendor.jobs[job.id].runs) == 2


def test_an_unknown_action_is_refused() -> None:
    """Nothing is sent for it."""
    line = Line()
    job = line.deliver_all(line.batch("a.json", GEOJSON))
    sent = len(line.log)
    with pytest.raises(RequestRefused, match="discard"):
        line.run(lambda: line.provider.act(job, Action(name="discard")))

    assert len(line.log) == sent


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("pending", State.RUNNING),
        ("running", State.RUNNING),
        ("complete", State.SUCCEEDED),
        ("failed", State.FAILED),
        ("cancelled", State.CANCELLED),
        ("fanned_out", State.SUCCEEDED),
        ("archiving", State.RUNNING),
    ],
)
def test_every_word_has_a_state(word: str, state: State) -> None:
    """Also one that is not known yet."""
    line = Line()
    job = line.deliver_all(line.batch("a.json", GEOJSON))
    flow = line.provider.poll(job)
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(Response.of({"status": word}))

    assert (end.value.value.state, end.value.value.word) == (state, word)


def test_a_fan_out_says_that_its_jobs_are_not_followed() -> None:
    """The parent's end is no promise about the layers' jobs."""
    line = Line()
    job = line.deliver_all(line.batch("a.json", GEOJSON))
    flow = line.provider.results(job)
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(Response.of({"status": "fanned_out", "warning_message": "two layers"}))

    results = end.value.value
    assert (len(results.warnings), results.documents[0].warnings) == (1, ("two layers",))


# ------------------------------------------------------------------ before the upload


def test_the_server_tells_its_own_limits() -> None:
    """`prepare` replaces the documented defaults."""
    line = Line({"max_size": 7000, "threshold": 5000, "extensions": ".tif, .VRT,csv"})
    setup = line.run(line.provider.prepare)

    assert setup.capabilities is not None
    assert setup.capabilities.limits.bytes_per_document == 7000
    assert setup.capabilities.limits.extensions == frozenset({".tif", ".csv"})
    assert setup.capabilities.parts is not None
    assert setup.capabilities.parts.above == 5000


def test_a_server_without_presigned_uploads_ends_the_run() -> None:
    """Its storage is not S3; no document is to blame."""
    line = Line({"presigned": False})
    with pytest.raises(AccountError, match="no presigned uploads"):
        line.run(line.provider.prepare)
    with pytest.raises(AccountError, match="S3 mode"):
        line.start(line.batch("a.json", GEOJSON))


@pytest.mark.parametrize(
    ("options", "settings", "kind"),
    [
        ({"api_key": "right"}, {}, Unauthorized),
        ({}, {"api_key": "read-only-1"}, Forbidden),
        ({}, {"api_key": "viewer-1"}, Forbidden),
        ({"dataset_quota": 1}, {}, AccountError),
        ({"storage_quota": 50}, {}, AccountError),
    ],
)
@pytest.mark.parametrize("errors", ["problem", "legacy"])
def test_account_trouble_blames_no_document(
    errors: str, options: dict[str, Any], settings: dict[str, Any], kind: type[LongshoreError]
) -> None:
    """A wrong key, a key that may only read, and a quota stop the target."""
    line = Line({**options, "errors": errors}, **settings)
    batches = [line.batch(name, GEOJSON) for name in ("a.json", "b.json")]
    with pytest.raises(kind) as error:
        _ = [line.deliver_all(batch) for batch in batches]

    assert error.value.hint


# ------------------------------------------------------------------ replies that cannot be used


def _presigned(reply: dict[str, Any], size: int = 1000) -> Any:
    line = Line()
    document = Document(id="d", name="dem.tif", size=size, media_type="image/tiff")
    flow = line.provider.start(Batch(id="b", documents=(document,)))
    next(flow)
    try:
        flow.send(Response.of({"job_id": "j", "s3_key": "k", **reply}, 201))
    except StopIteration as end:
        return end.value


@pytest.mark.parametrize(
    "reply",
    [
        {"urls": ["https://s3/1", "https://s3/2"], "upload_id": "u", "part_size": 400},
        {"urls": ["https://s3/1", "https://s3/2"], "upload_id": None, "part_size": None},
        {"urls": [], "upload_id": None, "part_size": None},
        {"urls": ["https://s3/1"], "upload_id": "u", "part_size": 0},
        {"urls": ["https://s3/1"], "job_id": ""},
    ],
)
def test_urls_that_do_not_fit_the_file_are_refused(reply: dict[str, Any]) -> None:
    """Nothing is sent on a guess."""
    with pytest.raises(ProtocolError):
        _presigned(reply)


def test_one_part_of_a_multipart_upload_is_a_part() -> None:
    """Its URL signs no content type, and complete must name it."""
    session = _presigned({"urls": ["https://s3/1"], "upload_id": "u", "part_size": 5000})

    assert (session.data["multipart"], session.transfers[0].headers) == (True, {})


def test_a_part_without_an_etag_cannot_be_completed() -> None:
    """A proxy took the header away."""
    line = Line(SMALL_PARTS)
    batch = line.batch("dem.tif", LARGE)
    session = line.start(batch)
    flow = line.provider.send(batch, session, session.transfers[0])
    next(flow)
    with pytest.raises(ProtocolError, match="ETag"):
        flow.send(Response(200))


def test_a_document_that_the_vendor_refuses_fails_alone() -> None:
    """Its bytes are not what its name says."""
    line = Line()
    with pytest.raises(RequestRefused, match=r"detected as '.gif' but extension is '.tif'"):
        line.deliver_all(line.batch("dem.tif", b"GIF89a..."))
