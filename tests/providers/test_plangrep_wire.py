"""Plangrep's JSON and settings, also in the forms in which the pages disagree."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from longshore.provider import Document, Headers, ProtocolError, Response, State
from longshore_plangrep import Plangrep, PlangrepSettings, SignedFields, longshore_sandbox
from longshore_plangrep.results import results_of
from longshore_plangrep.states import WORDS, status_of
from longshore_plangrep.uploads import transfers_of
from longshore_plangrep.wire import SignedUpload, error_of, words_of


def job(status: str, *files: tuple[str, str], **more: Any) -> Response:
    """Return the reply to a get of a job."""
    listed: list[Any] = [{"id": f"file_{n}", "fileName": n, "status": s} for n, s in files]
    return Response.of({"job": {"id": "job_1", "status": status, "files": listed, **more}})


# ------------------------------------------------------------------------------- states


def test_all_documented_statuses_are_mapped() -> None:
    """The eleven of the polling guide, and the drawing's `complete`."""
    neutral = {word: state.value for word, state in WORDS.items() if state is not State.RUNNING}

    assert len(WORDS) == 12
    assert neutral == {
        "blocked_insufficient_credits": "needs_action",
        "completed": "succeeded",
        "complete": "succeeded",
        "completed_with_errors": "partial",
        "failed": "failed",
        "cancelled": "cancelled",
        "expired": "expired",
    }


def test_an_unknown_word_is_running() -> None:
    """A status that is new to us does not end a job."""
    assert status_of(job("reticulating")).state is State.RUNNING


@pytest.mark.parametrize(
    ("word", "files", "expected"),
    [
        ("processing", ["completed", "processing"], [State.SUCCEEDED, State.RUNNING]),
        ("blocked_insufficient_credits", ["processing"], [State.NEEDS_ACTION]),
        ("completed", ["complete", "whatever"], [State.SUCCEEDED, State.SUCCEEDED]),
        ("completed_with_errors", ["completed", "failed"], [State.SUCCEEDED, State.FAILED]),
        ("completed_with_errors", ["completed", "completed"], [State.PARTIAL, State.PARTIAL]),
        ("cancelled", ["processing", "completed"], [State.CANCELLED, State.CANCELLED]),
        ("failed", ["completed", "failed"], [State.FAILED, State.FAILED]),
        ("expired", ["processing"], [State.EXPIRED]),
    ],
)
def test_a_files_word_counts_as_far_as_its_job_bears_it_out(
    word: str, files: list[str], expected: list[State]
) -> None:
    """No file is reported as succeeded where no result can exist, none runs for ever."""
    status = status_of(job(word, *((f"{n}.pdf", s) for n, s in enumerate(files))))

    assert [document.state for document in status.documents] == expected


def test_a_file_of_a_job_that_waits_for_somebody_carries_the_words_of_that() -> None:
    """Its own say that it is being processed, and it is not."""
    (document,) = status_of(job("blocked_insufficient_credits", ("a.pdf", "processing"))).documents
    assert document.word == "blocked_insufficient_credits"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, None),
        ("no pages", "no pages"),
        ({"code": "x", "message": "no pages"}, "no pages"),
        ({"code": "no_pages"}, "no_pages"),
        ({"other": 1}, '{"other": 1}'),
        ({"reason": "no pages", "pages": {"found": 0}}, "no pages"),
        ([{"path": "a.pdf", "message": "no pages"}], "a.pdf: no pages"),
        ({"other": "x" * 500}, f'{{"other": "{"x" * 189}…'),
    ],
)
def test_a_jobs_error_of_any_shape_is_told(error: Any, words: str | None) -> None:
    """Its shape is not documented."""
    assert status_of(job("failed", error=error)).error == words
    assert words_of(error) == words


def test_nulls_and_new_fields_do_no_harm() -> None:
    """Lists may be null, fields may be new; the raw reply keeps everything."""
    reply = Response.of(
        {"job": {"id": "j", "status": "completed", "files": None, "new": 1}, "more": []}
    )

    assert status_of(reply).documents == ()
    assert status_of(reply).raw == reply.json()


def test_a_reply_without_a_job_says_what_came() -> None:
    """What cannot be used is shown."""
    with pytest.raises(ProtocolError, match=r"job: Field required.*surprise"):
        status_of(Response.of({"surprise": True}))


# ------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"code":"c","message":"m"}', ("c", "m")),
        (b'{"error":{"code":"c","message":"m"}}', ("c", "m")),
        (b'{"error":"m","code":"c"}', ("c", "m")),
        (b'{"error":null,"message":"m"}', ("", "m")),
        (b'{"code":17,"message":["m"]}', ("", "")),
        (b"[1]", ("", "")),
        (b'"text"', ("", "")),
        (b"<Error/>", ("", "")),
        (b"\xff\xfe", ("", "")),
        (b"", ("", "")),
    ],
)
def test_error_bodies_of_any_shape(body: bytes, expected: tuple[str, str]) -> None:
    """Code and message where they are documented or assumed; never a crash."""
    provider = Plangrep(PlangrepSettings())
    reply = Response(418, Headers(), body)

    assert error_of(reply) == expected
    assert provider.refusal(reply) is not None


# ------------------------------------------------------------------------------ register


def upload(**more: Any) -> SignedUpload:
    """Return one entry of the register reply."""
    entry: dict[str, Any] = {
        "documentId": "doc_1",
        "uploadToken": "tok_1",
        "uploadMode": "direct_put",
    }
    entry |= {"uploadUrl": "https://s3.example/x", "headers": {}, "expiresAt": None}
    return SignedUpload.model_validate({**entry, **more})


@pytest.mark.parametrize(
    ("text", "expires"),
    [
        ("2024-11-02T09:00:00.000Z", 1_730_538_000.0),
        ("2024-11-02T09:00:00Z", 1_730_538_000.0),
        ("2024-11-02T11:00:00+02:00", 1_730_538_000.0),
        (None, None),
    ],
)
def test_expiry_with_and_without_milliseconds(text: str | None, expires: float | None) -> None:
    """Reference and guides write times in different ways."""
    document = Document(id="d", name="a.pdf", size=3)
    (transfer,) = transfers_of(document, upload(expiresAt=text), SignedFields())

    assert transfer.expires_at == expires


def test_expiry_is_read_from_the_url_otherwise() -> None:
    """A signed URL says itself how long it is good for."""
    url = "https://s3.example/x?X-Amz-Date=20241102T090000Z&X-Amz-Expires=60"
    document = Document(id="d", name="a.pdf", size=3)
    (transfer,) = transfers_of(document, upload(uploadUrl=url), SignedFields())

    assert transfer.expires_at == 1_730_538_060.0


@pytest.mark.parametrize(
    "entry",
    [
        {"uploadMode": "carrier_pigeon"},
        {"uploadUrl": None},
        {"uploadUrl": "/api/open/v1/steal"},
        {"headers": ["Content-Type"]},
        {"uploadMode": "multipart", "multipartUploadId": "m", "parts": ["x"]},
        {"uploadMode": "multipart", "multipartUploadId": "m", "parts": []},
    ],
)
def test_an_entry_that_cannot_be_used_is_an_error(entry: dict[str, Any]) -> None:
    """Nothing is sent by guess, and no relative URL gets the key."""
    with pytest.raises(ProtocolError):
        transfers_of(Document(id="d", name="a.pdf", size=3), upload(**entry), SignedFields())


# ------------------------------------------------------------------------------- results


def test_results_of_a_lean_reply() -> None:
    """The guide's example: no error, no artifacts, evidence that names no document."""
    reply = Response.of(
        {
            "usage": None,
            "documents": [
                {"documentId": "doc_1", "fileName": "a.pdf", "artifacts": None},
                {"documentId": "doc_2", "fileName": "b.pdf", "artifacts": [{"path": "x/y z"}]},
            ],
            "evidence": [{"id": "ev_1", "text": "loose"}, {"fileName": "a.pdf", "text": "tied"}],
            "warnings": ["w", {"message": "v"}],
            "errors": None,
        }
    )
    results = results_of(reply, "/api/open/v1/jobs/j", "https://plangrep.com")

    assert [[t.text for t in d.texts] for d in results.documents] == [["tied"], [], ["loose"]]
    assert results.documents[1].artifacts[0].url == "/api/open/v1/jobs/j/artifact?path=x%2Fy%20z"
    assert results.warnings == ("w", "v")


def test_an_artifact_elsewhere_is_signed() -> None:
    """A URL of another host carries its own credentials, a look-alike host too."""
    artifacts = [
        {"type": "image", "url": url}
        for url in ("https://storage.plangrep.com/x?token=1", "https://plangrep.com.evil/x")
    ]
    reply = Response.of({"documents": [{"artifacts": artifacts}]})  # type: ignore[dict-item]
    (document,) = results_of(reply, "/j", "https://plangrep.com").documents

    assert [artifact.signed for artifact in document.artifacts] == [True, True]


# ------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"upload_mode": "pigeon"},
        {"classification": "drawings"},
        {"classification": {"*.pdf": "drawings"}},
        {"webhook_url": "http://hooks.example/"},
        {"project_name": "n" * 181},
        {"project_id": "p", "project_name": "n"},
        {"signed_fields": {"header": "h"}},
    ],
)
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    """Before anything is sent."""
    with pytest.raises(ValidationError):
        PlangrepSettings.model_validate(wrong)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ("api_key", "project_name")),
        ({"api_key": "k", "project_id": "p"}, ()),
        ({"api_key": "k", "project_name": "n"}, ()),
    ],
)
def test_missing_settings_are_named(given: dict[str, str], missing: tuple[str, ...]) -> None:
    """A key, and one of project_id and project_name."""
    assert PlangrepSettings.model_validate(given).missing() == missing


def test_classification_by_file_name() -> None:
    """The first pattern that fits counts; also as text from the environment."""
    settings = PlangrepSettings.model_validate(
        {"classification": '{"*spec*": "specifications", "*.pdf": "plans"}'}
    )
    kinds = [
        settings.classified(Document(id="d", name=name, size=1))
        for name in ("Spec.pdf", "floor.PDF", "notes.txt")
    ]

    assert kinds == ["specifications", "plans", None]


def test_the_sandbox_is_offered_under_the_providers_name_only() -> None:
    """Another provider's name gets None."""
    assert longshore_sandbox("another", {}) is None
    assert type(longshore_sandbox("plangrep", {})).__name__ == "PlangrepSandbox"
