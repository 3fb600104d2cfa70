"""What GeoLens sends: replies with gaps, and error bodies of every shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from longshore.errors import (
    AccountError,
    Forbidden,
    LongshoreError,
    ProtocolError,
    RequestRefused,
    Unauthorized,
)
from longshore.provider import Response
from longshore_geolens import GeoLens, GeoLensSettings
from longshore_geolens.wire import JobStatus, PresignedUpload, UploadConfig, words_of


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("Job not found", "Job not found"),
        (
            {"message": "Unknown layer", "unknown_layers": ["a", "b"], "available_layers": []},
            "Unknown layer (a, b)",
        ),
        ({"message": "Unknown layer"}, "Unknown layer"),
        (
            [
                {"loc": ["body", "file_size"], "msg": "must be positive", "type": "x"},
                {"loc": ["body", "parts", 0, "etag"], "msg": "Field required", "type": "missing"},
            ],
            "body.file_size: must be positive; body.parts.0.etag: Field required",
        ),
        (["one", {"msg": "two"}, None], "one; two"),
        (None, ""),
        (7, "7"),
    ],
)
def test_the_words_of_an_error(detail: Any, words: str) -> None:
    """A text, an object or the older list: the vendor's words are found."""
    assert words_of(Response.of({"detail": detail}, 400)) == words


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'"text"', b"\xff\xfe", b"{}"])
def test_a_strange_error_body_has_no_words(body: bytes) -> None:
    """And nothing is raised."""
    assert words_of(Response(400, body=body)) == ""


def test_the_title_stands_in_for_a_missing_detail() -> None:
    """Problem documents may leave the detail out."""
    assert words_of(Response.of({"title": "Bad Gateway", "status": 502}, 502)) == "Bad Gateway"


@pytest.mark.parametrize(
    ("status", "body", "kind", "hint"),
    [
        (400, {"detail": "Job already processed"}, RequestRefused, ""),
        (401, {"detail": "Not authenticated"}, Unauthorized, "token"),
        (403, {"detail": "Insufficient permissions"}, Forbidden, "editor"),
        (403, {"detail": "Not authorized to view this job"}, Forbidden, "admin"),
        (404, {"detail": "Not Found"}, RequestRefused, "/api"),
        (404, {"detail": "Job not found"}, RequestRefused, "30 days"),
        (413, {"detail": "Storage quota exceeded: used 1 of 2 bytes"}, AccountError, "quota"),
        (422, {"detail": "Dataset quota exceeded: 1 of 1 datasets used"}, AccountError, "quota"),
        (422, {"detail": [{"loc": ["body"], "msg": "no"}]}, RequestRefused, ""),
        (502, "<html>", RequestRefused, ""),
        (418, None, RequestRefused, ""),
    ],
)
def test_every_refusal_has_its_place_in_the_tree(
    status: int, body: Any, kind: type[LongshoreError], hint: str
) -> None:
    """The account's trouble, the batch's, and a next step where one is known."""
    settings = GeoLensSettings.model_validate({"base_url": "https://geo.example", "token": "t"})
    error = GeoLens(settings).refusal(Response(status, body=json.dumps(body).encode()))

    assert isinstance(error, LongshoreError)
    assert (type(error), hint in error.hint) == (kind, True)


@pytest.mark.parametrize(
    ("listed", "extensions"),
    [
        (".tif,.CSV, json ,.vrt,,", {".tif", ".csv", ".json"}),
        ("", set()),
        (None, set()),
    ],
)
def test_extensions_are_read_from_their_list(listed: str | None, extensions: set[str]) -> None:
    """With or without dot and spaces; `.vrt` never counts."""
    config = UploadConfig(presigned_uploads=True, allowed_extensions=listed)

    assert config.extensions == extensions


def test_a_configuration_with_gaps_is_enough() -> None:
    """What a server leaves out is as documented, and no longer provisional."""
    settings = GeoLensSettings.model_validate({"base_url": "https://geo.example"})
    flow = GeoLens(settings).prepare()
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(Response.of({"presigned_uploads": True, "new": 1}))

    usual = GeoLens(settings).capabilities()
    assert usual.provisional
    assert end.value.value.capabilities == usual.model_copy(update={"provisional": False})


@pytest.mark.parametrize(
    "reply",
    [
        {"job_id": "j", "urls": ["u"]},
        {"job_id": "j", "urls": ["u"], "upload_id": None, "part_size": None, "s3_key": "k"},
    ],
)
def test_nulls_and_gaps_mean_a_single_put(reply: dict[str, Any]) -> None:
    """Both dialects of "not multipart"."""
    assert not PresignedUpload.model_validate(reply).multipart


@pytest.mark.parametrize(
    ("fields", "untouched", "given_up"),
    [
        ({"status": "pending"}, True, False),
        ({"status": "pending", "current_step": "queued"}, False, False),
        ({"status": "pending", "started_at": "2026-01-01T00:00:00Z"}, False, False),
        ({"status": "running"}, False, False),
        ({"status": "complete", "dataset_id": "d"}, False, False),
        ({"status": "failed"}, False, True),
        ({"status": "failed", "can_retry": True}, False, False),
        ({"status": "failed", "started_at": "2026-01-01T00:00:00Z"}, False, False),
        ({"status": "failed", "warnings": None, "can_retry": None, "x": 1}, False, True),
    ],
)
def test_what_a_job_says_about_its_commit(
    fields: dict[str, Any], untouched: bool, given_up: bool
) -> None:
    """`pending` alone says nothing; a failure before any work is no import's failure."""
    status = JobStatus.model_validate(fields)

    assert (status.untouched, status.given_up) == (untouched, given_up)


def test_what_only_results_tell_does_not_spoil_a_poll() -> None:
    """A newer server may say it in another shape; a job is followed to its end all the same."""
    reply = Response.of({"status": "complete", "rows_failed": {"a": 1}, "warnings": "none"})

    assert reply.parse(JobStatus).status == "complete"


def test_a_job_without_a_status_cannot_be_used() -> None:
    """The error shows what came."""
    with pytest.raises(ProtocolError, match="status: Field required"):
        Response.of({"id": "j"}).parse(JobStatus)
