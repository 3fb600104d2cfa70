"""Subworkflow's settings, limits and the ways in which its JSON is odd."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from longshore.capabilities import Rate
from longshore.errors import UsageError
from longshore.planning import Group, Refusal, cut, group
from longshore.provider import Document, ProtocolError, Response, State
from longshore_subworkflow import (
    Subworkflow,
    SubworkflowSettings,
    longshore_providers,
    longshore_sandbox,
)
from longshore_subworkflow.states import status_of
from longshore_subworkflow.wire import (
    AppendReply,
    Dataset,
    JobList,
    JobReply,
    StartReply,
)


def provider(**settings: Any) -> Subworkflow:
    return Subworkflow(SubworkflowSettings.model_validate(settings))


def document(name: str, size: int) -> Document:
    return Document(id=name, name=name, size=size)


def job(**fields: Any) -> Response:
    record = {"id": "dsj_1", "datasetId": "ds_1", "status": "IN_PROGRESS", **fields}
    return Response.of({"success": True, "total": 1, "data": record})


# ------------------------------------------------------------------------------ settings


def test_defaults_are_those_of_the_documentation() -> None:
    """Nothing but a key is needed."""
    settings = SubworkflowSettings()
    assert settings.model_dump(
        include={"base_url", "job_type", "expires_in_days", "session_threshold", "part_size",
                 "session_path", "expiry_field", "resend_parts"}
    ) == {
        "base_url": "https://api.subworkflow.ai",
        "job_type": "extract",
        "expires_in_days": None,
        "session_threshold": 100_000_000,
        "part_size": None,
        "session_path": "hyphen",
        "expiry_field": "both",
        "resend_parts": False,
    }  # fmt: skip
    assert settings.missing() == ("api_key",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"part_size": "4MiB"},
        {"part_size": "101M"},
        {"session_threshold": "101MiB"},
        {"session_threshold": -1},
        {"expires_in_days": 0},
        {"expires_in_days": -2},
        {"job_type": "search"},
        {"session_path": "dash"},
        {"expiry_field": "expiryInDays"},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    """What the vendor would refuse, or what is contradictory, is refused when it is set."""
    with pytest.raises(ValidationError):
        SubworkflowSettings.model_validate(wrong)


@pytest.mark.parametrize(
    "right", [{"part_size": "5MiB"}, {"part_size": "100M"}, {"expires_in_days": -1}]
)
def test_edges_of_settings_are_taken(right: dict[str, Any]) -> None:
    """The limits themselves are allowed."""
    SubworkflowSettings.model_validate(right)


# ------------------------------------------------------------------------------ planning


def test_plan_refuses_what_the_vendor_would() -> None:
    """Too large, empty and of a wrong type never leave."""
    documents = [
        document("a.pdf", 5_000_000_001), document("b.pdf", 0), document("c.tiff", 9),
        document("d.PDF", 5_000_000_000), document("e.xlsx", 1),
    ]  # fmt: skip
    planned = list(group(documents, provider().capabilities()))
    assert [type(entry) for entry in planned] == [Refusal, Refusal, Refusal, Group, Group]


def test_parts_are_equal_and_inside_the_limits() -> None:
    """Up to 5 GB the chosen part size holds: every part but the last has it."""
    capabilities = provider(part_size="5MiB").capabilities()
    (planned,) = group([document("big.pdf", 5_000_000_000)], capabilities)
    assert isinstance(planned, Group)
    sizes = [piece.size for piece in cut(planned.documents[0], planned.part_size)]
    assert set(sizes[:-1]) == {5 * 2**20}
    assert len(sizes) == 954


@pytest.mark.parametrize(
    ("size", "part"), [(10**9, 10 * 2**20), (1_048_576_001, 11 * 2**20), (5 * 10**9, 48 * 2**20)]
)
def test_a_large_document_has_a_hundred_parts_and_no_more(size: int, part: int) -> None:
    """So a minute's writes on the plan Standard are enough: 120, with start and end."""
    (planned,) = group([document("big.pdf", size)], provider().capabilities())
    assert isinstance(planned, Group)
    assert part == planned.part_size
    assert len(cut(planned.documents[0], part)) <= 100


def test_part_size_of_the_command_line_is_checked() -> None:
    """A part that the vendor would refuse is refused as a usage error."""
    with pytest.raises(UsageError, match="outside"):
        list(group([document("a.pdf", 9)], provider().capabilities(), part_size=2**20))


def test_capabilities_state_rate_and_pace() -> None:
    """One budget for all requests, four in flight, polls every two seconds without a floor."""
    capabilities = provider().capabilities()
    assert capabilities.rate == Rate(requests=60, seconds=60.0)
    assert capabilities.read_rate == Rate(requests=300, seconds=60.0)
    assert capabilities.concurrency == 4
    assert (capabilities.polls.floor, capabilities.polls.interval) == (0.0, 2.0)
    assert capabilities.parts is not None
    assert capabilities.parts.above == 100_000_000


def test_hooks_offer_provider_and_sandbox() -> None:
    """The plugin offers its provider, and a sandbox for its own name only."""
    assert [card.load() for card in longshore_providers()] == [Subworkflow]
    sandbox = longshore_sandbox("subworkflow", {"pages": 3})
    assert sandbox is not None
    assert sandbox.assumptions["pages"] == 3
    assert longshore_sandbox("plangrep", {}) is None


# ------------------------------------------------------------------------------ odd replies


@pytest.mark.parametrize("nothing", [None, 0, ""])
def test_times_that_have_not_come(nothing: Any) -> None:
    """null, 0 and "" all mean that there is none: an ERROR with them is no cancellation."""
    status = status_of(job(status="ERROR", statusText=nothing, canceledAt=nothing))
    assert status.state is State.FAILED
    assert not status.error


def test_cancel_time_makes_it_cancelled() -> None:
    """ERROR with a cancel time is a cancelled job."""
    assert status_of(job(status="ERROR", canceledAt=1761910647113)).state is State.CANCELLED


def test_unknown_word_and_fields_are_tolerated() -> None:
    """A word that nobody knows is running, and what came is kept."""
    status = status_of(job(status="DREAMING", mood="calm"))
    assert (status.state, status.word) == (State.RUNNING, "DREAMING")
    assert isinstance(status.raw, dict)
    assert json.dumps(status.raw).count("calm") == 1


def test_job_list_has_no_success_field() -> None:
    """The list's other envelope is read."""
    reply = Response.of({"statuses": [], "orderBy": [], "offset": 0, "limit": 1, "total": 0,
                         "data": []})  # fmt: skip
    assert reply.parse(JobList).data == ()


def test_etag_is_kept_as_it_came() -> None:
    """Quotes are part of an opaque token."""
    reply = Response.of({"success": True, "data": {"etag": '"abc"', "partNumber": 1}})
    assert reply.parse(AppendReply).data.etag == '"abc"'


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (StartReply, {"success": True, "data": {}}),
        (StartReply, {"success": True, "data": {"key": ""}}),
        (AppendReply, {"success": True, "data": {"partNumber": 1}}),
        (JobReply, {"success": True, "data": None}),
        (JobReply, {"success": False, "error": "with status 200"}),
        (JobList, {"data": {}}),
        (JobList, []),
    ],
)
def test_useless_replies_are_protocol_errors(model: Any, body: Any) -> None:
    """Without key, ETag or job id nothing can go on, and the error shows what came."""
    with pytest.raises(ProtocolError, match="cannot be used"):
        Response.of(body).parse(model)


def test_dataset_survives_nulls() -> None:
    """Times, types and ids of a dataset may be null."""
    dataset = Dataset.model_validate(
        {"id": None, "fileName": "a", "fileExt": "pdf", "fileSize": 3, "mimeType": None,
         "itemCount": None, "createdAt": ""}
    )  # fmt: skip
    assert (dataset.file_name, dataset.created_at) == ("a", None)
