"""Send AI: the sandbox refuses what the documentation refuses."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.provider import File, Multipart, Piece
from longshore.sandbox import Call, Reply
from longshore.transfer._segments import encode
from longshore_sendai.sandbox import SendaiSandbox
from tests.providers.driving_sendai import KEY, Harbour

META = '[{"name":"a","value":"b"}]'


def form(*fields: tuple[str, str | bytes], filename: str = "a.pdf") -> tuple[bytes, dict[str, str]]:
    """Encode a form; a value of bytes is a file."""
    contents = [value for _, value in fields if isinstance(value, bytes)]
    described: list[tuple[str, str | File]] = []
    for name, value in fields:
        piece = Piece(document=str(len(described)), offset=0, size=len(value))
        described.append((name, value if isinstance(value, str) else File(piece, filename)))
    body = encode(Multipart(tuple(described)), "b0undary")
    files = iter(contents)
    data = b"".join(s if isinstance(s, bytes) else next(files) for s in body.segments)
    return data, {"Content-Type": body.content_type or ""}


def create(harbour: Harbour, *fields: tuple[str, str | bytes], filename: str = "a.pdf") -> Reply:
    return harbour.post("/upload", *form(*fields, filename=filename))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([("file", b"x")], 200),
        ([("file", b"x"), ("meta", META), ("name", "n"), ("projectId", "proj_1")], 200),
        ([("name", "n")], 400),
        ([("file", "text")], 400),
        ([("file", b"x"), ("file", "text")], 400),
        ([("files", b"x")], 400),
        ([("file", b"x"), ("extra", "y")], 400),
        ([("file", b"x"), ("projectId", "proj_2")], 400),
        ([("file", b"x"), ("name", "a"), ("name", "b")], 400),
        ([("file", b"x"), ("meta", "{}")], 400),
        ([("file", b"x"), ("meta", "nonsense")], 400),
        ([("file", b"x"), ("meta", '[{"name":"a","value":1}]')], 400),
        ([("file", b"x"), ("meta", '[{"name":"a"}]')], 400),
        ([("file", b"x" * 101)], 413),
        ([("file", b"x")] * 4, 400),
    ],
)
def test_the_form_is_checked(fields: list[tuple[str, str | bytes]], status: int) -> None:
    """Missing, doubled, unknown and malformed fields, and the limits at their edges."""
    harbour = Harbour({"max_file_bytes": 100, "max_files": 3})
    assert create(harbour, *fields).status == status


def test_a_refused_form_leaves_nothing_behind() -> None:
    """No upload and no task exist after a 413."""
    harbour = Harbour({"max_file_bytes": 100})
    create(harbour, ("file", b"x"), ("file", b"x" * 101))
    assert harbour.vendor.state(harbour.now) == {"documents": [], "jobs": [], "parts": {}}


def test_the_project_field_can_be_required() -> None:
    """The table of fields says required, the example leaves it out."""
    harbour = Harbour({"project_field": "required"})
    assert create(harbour, ("file", b"x")).status == 400


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ([], 400),
        ([("projectId", "")], 400),
        ([("projectId", "p_2")], 403),
        ([("projectId", "p")], 200),
    ],
)
def test_a_path_without_a_project_has_it_from_the_form(
    more: list[tuple[str, str | bytes]], status: int
) -> None:
    """Under such a prefix nothing else names it."""
    harbour = Harbour({"path_prefix": "v1", "project_id": "p"})
    data, headers = form(("file", b"x"), *more)
    known = {**headers, "Authorization": f"Bearer {KEY}"}
    call = Call.of("POST", "https://api.send.ai/api/v1/uploads", known, data)
    assert harbour.vendor.handle(call, harbour.now).status == status


def test_the_create_reply_is_the_documented_one() -> None:
    """A bare object in camelCase with a lower-case status."""
    reply = create(Harbour(), ("file", b"xyz"), ("name", "Q1"))
    assert reply.value() == {
        "id": "upl_000001",
        "name": "Q1",
        "projectId": "proj_1",
        "status": "processing",
        "fileType": "pdf",
        "fileSize": 3,
        "createdAt": "2023-11-14T22:13:20Z",
        "updatedAt": "2023-11-14T22:13:20Z",
    }


@pytest.mark.parametrize("headers", [{"Content-Type": "application/json"}, {}])
def test_what_is_no_form_is_a_bad_request(headers: dict[str, str]) -> None:
    """415 is not among the documented statuses."""
    assert Harbour().post("/upload", b"{}", headers).status == 400


@pytest.mark.parametrize(
    ("options", "key", "status"),
    [
        ({}, "", 401),
        ({}, "Basic abc", 401),
        ({"api_key": "good"}, f"Bearer {KEY}", 401),
        ({"api_key": KEY}, f"Bearer {KEY}", 200),
        ({"team_id": "team_2"}, f"Bearer {KEY}", 403),
        ({"project_id": "proj_2"}, f"Bearer {KEY}", 403),
        ({"scopes": "upload.read"}, f"Bearer {KEY}", 403),
        ({"import_via_api": False}, f"Bearer {KEY}", 403),
    ],
)
def test_who_may_upload(options: dict[str, Any], key: str, status: int) -> None:
    """A key is always needed; scopes, team and project where the options fix them."""
    data, headers = form(("file", b"x"))
    reply = Harbour(options).post("/upload", data, {**headers, "Authorization": key})
    assert reply.status == status


@pytest.mark.parametrize(
    "path",
    ["/upload/upl_1/move/folder_1", "/task/task_000009/complete", "/task/task_000009/report"],
)
def test_unknown_things_are_not_found(path: str) -> None:
    """Unknown ids, and the move that is documented in two ways."""
    assert Harbour().post(path).status == 404


def test_another_project_does_not_see_the_task() -> None:
    """Ids lead nowhere outside their project."""
    harbour = Harbour()
    create(harbour, ("file", b"x"))
    key = {"Authorization": f"Bearer {KEY}"}
    urls = [
        f"https://api.send.ai/v2/team_1/project/{project}/{path}"
        for project in ("proj_1", "proj_2")
        for path in ("upload/upl_000001", "task/task_000001")
    ]
    replies = [harbour.vendor.handle(Call.of("GET", url, key), harbour.now) for url in urls]
    assert [reply.status for reply in replies] == [200, 200, 404, 404]


@pytest.mark.parametrize(
    ("name", "verb", "status", "word"),
    [
        ("review.pdf", "complete", 200, "PROCESSING"),
        ("review.pdf", "discard", 200, "DISCARDED"),
        ("review.pdf", "unlock", 400, "REVIEWING"),
        ("plain.pdf", "complete", 400, "COMPLETED"),
        ("plain.pdf", "discard", 200, "COMPLETED"),
        ("plain.pdf", "unlock", 400, "COMPLETED"),
        ("fail.pdf", "complete", 400, "FAILED"),
        ("fail.pdf", "discard", 200, "FAILED"),
    ],
)
def test_what_may_be_done_to_a_task(name: str, verb: str, status: int, word: str) -> None:
    """Complete from REVIEWING only, discard ignored elsewhere, unlock not once all is done."""
    harbour = Harbour()
    create(harbour, ("file", b"x"), filename=name)
    harbour.later()
    assert harbour.post(f"/task/task_000001/{verb}").status == status
    assert harbour.task_words() == [word]


def test_unlock_reopens_a_finished_task() -> None:
    """As long as the upload is not fully processed."""
    harbour = Harbour()
    harbour.upload(harbour.batch("plain.pdf", "review.pdf"))
    harbour.later()
    reply = harbour.post("/task/task_000001/unlock")
    assert (reply.status, reply.value()["payload"]["status"]) == (200, "REVIEWING")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"issues":[{"label":"total","value":"wrong"}]}', 207),
        (b'{"issues":[{"label":"total"}]}', 400),
        (b"{}", 400),
        (b"", 400),
        (b"nonsense", 400),
    ],
)
def test_a_report_needs_issues(body: bytes, status: int) -> None:
    """A list of label and value; the switch makes it a partial success."""
    harbour = Harbour({"report_status": 207})
    create(harbour, ("file", b"x"))
    reply = harbour.post("/task/task_000001/report", body, {"Content-Type": "application/json"})
    assert reply.status == status


@pytest.mark.parametrize(
    "options",
    [{"walk": "queued:1,done"}, {"walk": "PROC"}, {"review_word": "LATER"}, {"nope": 1}],
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    """Unknown names, values and words say so at once."""
    with pytest.raises(ValueError, match="assumption"):
        SendaiSandbox(options)


def test_every_choice_is_explained() -> None:
    """The table says for each choice what it decides and why it had to be made."""
    rows = SendaiSandbox().assumptions.rows()
    assert len({row["name"] for row in rows}) == len(rows)
    assert all(row["description"] and row["source"] for row in rows)
