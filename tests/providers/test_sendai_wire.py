"""Send AI: settings, capabilities, planning, and reading the vendor's replies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from longshore.planning import Group, Refusal, group
from longshore.provider import Document, ProtocolError, Response, State
from longshore_sendai import Sendai, SendaiSettings, longshore_providers, longshore_sandbox
from longshore_sendai.results import result_of
from longshore_sendai.states import status_of
from longshore_sendai.wire import Task, Upload
from tests.providers.driving_sendai import settings


def upload(value: Any) -> Upload:
    return Response.of(value).parse(Upload)


# -------------------------------------------------------------------------- settings


def test_what_is_missing_is_named() -> None:
    """The key, the team and the project are needed; the address has a default."""
    assert SendaiSettings().missing() == ("api_key", "team_id", "project_id")
    assert settings().missing() == ()
    assert settings().base_url == "https://api.send.ai"


def test_meta_may_be_text() -> None:
    """An environment variable holds meta as a JSON object."""
    assert settings(meta='{"department": "finance"}').meta == {"department": "finance"}


@pytest.mark.parametrize("meta", ["{", "[1]", '{"a": 1}', {"reference": "mine"}])
def test_meta_that_cannot_be_sent_is_refused(meta: Any) -> None:
    """Meta is text to text, and the reference is Longshore's own."""
    with pytest.raises(ValidationError):
        settings(meta=meta)


def test_accounts_are_projects() -> None:
    """Two projects never share the claims on upload ids."""
    one, two = Sendai(settings()), Sendai(settings(project_id="proj_2"))
    assert one.account() == "sendai@https://api.send.ai/team_1/proj_1"
    assert one.account() != two.account()


def test_the_hooks_offer_the_provider_and_its_sandbox() -> None:
    """The sandbox answers to this provider's name only, and takes options."""
    assert [card.load() for card in longshore_providers()] == [Sendai]
    assert longshore_sandbox("plangrep", {}) is None
    sandbox = longshore_sandbox("sendai", {"review_word": "REVIEWING"})
    assert sandbox is not None
    assert sandbox.name == "sendai"


# ---------------------------------------------------------------- capabilities, planning


def test_a_batch_holds_a_hundred_documents() -> None:
    """The 101st document begins another upload."""
    documents = [Document(id=f"{n}", name=f"{n}.pdf", size=1) for n in range(101)]
    plan = list(group(documents, Sendai(settings()).capabilities()))
    assert [len(g.documents) for g in plan if isinstance(g, Group)] == [100, 1]


def test_forty_megabytes_is_the_most() -> None:
    """One byte more is refused before it is sent; of any type, and empty, others go."""
    sizes = {"a.pdf": 40_000_000, "b.pdf": 40_000_001, "c.unknown": 0}
    documents = [Document(id=name, name=name, size=size) for name, size in sizes.items()]
    plan = list(group(documents, Sendai(settings()).capabilities()))
    assert [r.document.name for r in plan if isinstance(r, Refusal)] == ["b.pdf"]


# ------------------------------------------------------------------------- the wire


@pytest.mark.parametrize(
    "reply",
    [
        {"id": "upl_1", "name": "n", "status": "processing", "projectId": "p", "fileSize": 1},
        {"payload": {"id": "upl_1", "name": "n", "status": "PROCESSING", "files": {}}},
        {"payload": {"id": "upl_1", "name": "n", "status": " Processing ", "tasks": None}},
        {"id": "upl_1", "name": "n", "status": "processing", "payload": None, "files": None},
    ],
)
def test_both_dialects_mean_the_same(reply: Any) -> None:
    """Bare or wrapped, in either case, with nulls and unknown fields."""
    assert upload(reply) == Upload(id="upl_1", status="PROCESSING")


@pytest.mark.parametrize(
    "reply", [{}, {"id": None}, {"id": ""}, {"payload": {}}, [], "upl_1", None]
)
def test_a_reply_without_an_id_cannot_be_used(reply: Any) -> None:
    """The error shows what came."""
    with pytest.raises(ProtocolError, match="cannot be used"):
        upload(reply)


def test_a_number_may_be_an_id() -> None:
    """The format of ids is not documented."""
    assert upload({"id": 17}).id == "17"


TASK = {"id": "t1", "name": "a.pdf", "status": "completed"}


@pytest.mark.parametrize(
    "place",
    [
        {"tasks": [TASK]},
        {"files": {"tasks": [TASK]}},
        {"files": [TASK]},
        {"files": {"file_1": TASK}},
        {"files": [{"id": "file_1", "name": "a.pdf", "tasks": [TASK]}]},
        {"files": {"file_1": {"name": "a.pdf", "tasks": [TASK]}}},
        {"tasks": [TASK, None, "t2", {"id": "t3"}, {"status": "COMPLETED"}]},
    ],
)
def test_tasks_are_found_where_they_may_be(place: Any) -> None:
    """In a list of their own or in the files; what has no id or status is no task."""
    assert upload({"id": "u", **place}).tasks == (Task(id="t1", name="a.pdf", status="COMPLETED"),)


@pytest.mark.parametrize("files", [{}, [], "", 3, [[]], {"a.pdf": "file_1"}, {"tasks": 4}])
def test_files_of_another_shape_hold_no_tasks(files: Any) -> None:
    """`files` is documented without its inside: anything may be there."""
    assert upload({"id": "u", "files": files}).tasks == ()


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("processing", State.RUNNING),
        ("REVIEWING", State.NEEDS_ACTION),
        ("IN_REVIEW", State.NEEDS_ACTION),
        ("in_review", State.NEEDS_ACTION),
        ("COMPLETED", State.SUCCEEDED),
        ("PARTIAL", State.PARTIAL),
        ("FAILED", State.FAILED),
        ("ARCHIVED", State.RUNNING),
        ("", State.RUNNING),
    ],
)
def test_upload_words(word: str, state: State) -> None:
    """Every documented word is mapped; an unknown one runs on."""
    assert status_of(upload({"id": "u", "status": word})).state is state


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PROCESSING", State.RUNNING),
        ("REVIEWING", State.NEEDS_ACTION),
        ("COMPLETED", State.SUCCEEDED),
        ("FAILED", State.FAILED),
        ("DISCARDED", State.CANCELLED),
        ("FILTERED", State.CANCELLED),
        ("SPLIT", State.RUNNING),
    ],
)
def test_task_words(word: str, state: State) -> None:
    """Every documented word is mapped; an unknown one runs on."""
    reply = {"id": "u", "status": "PROCESSING", "tasks": [{"id": "t", "status": word}]}
    (document,) = status_of(upload(reply)).documents
    assert (document.state, document.word, document.name) == (state, word, None)


def test_what_did_not_succeed_says_why() -> None:
    """No field for a reason is documented, so it says what happened."""
    words = {"a": "FAILED", "b": "DISCARDED", "c": "FILTERED", "d": "COMPLETED"}
    tasks = [{"id": name, "status": word} for name, word in words.items()]
    status = status_of(upload({"id": "u", "status": "PARTIAL", "tasks": tasks}))
    assert [document.error for document in status.documents] == [
        "the task failed: the vendor's own pages show it",
        "the task was discarded",
        "the task was filtered out",
        None,
    ]
    taken = status_of(upload({"id": "u", "status": "COMPLETED"}), incomplete=True)
    assert (taken.state, taken.error) == (
        State.PARTIAL,
        "the vendor took only some of the documents (207)",
    )


def test_the_documented_task_is_read() -> None:
    """The shape of task.get, with nulls where something is missing."""
    task = Response.of(
        {
            "payload": {
                "id": "task_1",
                "name": None,
                "status": "REVIEWING",
                "approved": False,
                "exported_at": None,
                "pages": [
                    {
                        "id": "page_1",
                        "annotations": [
                            {"id": "ann_1", "entity_id": "total", "confidence": 0.98,
                             "content": "$1", "top": 120.5, "left_of_line": 340.0},
                            {"id": "ann_2", "entity_id": None, "content": None, "top": None},
                        ],
                        "checkboxes": None,
                        "segments": [{"id": "s", "confidence": None, "coordinates": []}],
                    }
                ],
            }
        }
    ).parse(Task)  # fmt: skip
    result = result_of(task)
    assert [(f.name, f.value, f.confidence) for f in result.fields] == [
        ("total", "$1", 0.98),
        ("ann_2", None, None),
        ("segment:s", None, None),
    ]
    boxes = [field.place.box for field in result.fields if field.place]
    assert boxes == [(340.0, 120.5, 340.0, 120.5), None, None]
    assert result.warnings == ("the task waits for review: its values may still change",)


def test_a_reply_that_is_no_json_shows_itself() -> None:
    """A web page in the place of the API is recognised as one."""
    with pytest.raises(ProtocolError, match="not JSON: <html>"):
        Response(200, body=b"<html>").parse(Upload)


def test_a_status_can_be_written_down() -> None:
    """What is persisted is JSON."""
    reply = {"id": "u", "status": "IN_REVIEW", "tasks": [{"id": "t", "status": "REVIEWING"}]}
    status = status_of(upload(reply), raw=reply)  # type: ignore[arg-type]
    assert json.loads(status.model_dump_json())["raw"] == reply
