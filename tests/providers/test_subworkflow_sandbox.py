"""The strictness of Subworkflow's sandbox."""

from __future__ import annotations

import json
from typing import Any

import pytest

from longshore.sandbox import Call, Reply
from longshore_subworkflow.sandbox import SubworkflowSandbox

HOME = "https://api.subworkflow.ai"
BOUNDARY = "b0undary"


class Client:
    """Calls the sandbox's core by hand."""

    def __init__(self, **assumptions: Any) -> None:
        self.vendor = SubworkflowSandbox({"part_minimum": 4, **assumptions})
        self.now = 1_000_000.0

    def get(self, path: str, **headers: str) -> Reply:
        return self.vendor.handle(
            Call.of("GET", HOME + path, {"x-api-key": "k"} | headers), self.now
        )

    def post(self, path: str, *fields: tuple[str, str | bytes], filename: str = "a.pdf") -> Reply:
        lines = []
        for name, value in fields:
            head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
            if isinstance(value, bytes):
                head += f'; filename="{filename}"\r\nContent-Type: application/pdf'
            body = value if isinstance(value, bytes) else value.encode()
            lines.append(head.encode() + b"\r\n\r\n" + body + b"\r\n")
        form = b"".join(lines) + f"--{BOUNDARY}--\r\n".encode()
        headers = {
            "x-api-key": "k",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        }
        return self.vendor.handle(Call.of("POST", HOME + path, headers, form), self.now)

    def start(self, **fields: str) -> Reply:
        known = {"fileName": "a", "fileExt": "pdf", "fileType": "application/pdf",
                 "jobType": "extract", **fields}  # fmt: skip
        pairs = [(name, value) for name, value in known.items() if value]
        return self.post("/v1/upload-session/start", *pairs)

    def key(self) -> str:
        return str(self.start().value()["data"]["key"])

    def append(self, key: str, number: str, data: bytes) -> Reply:
        return self.post(
            "/v1/upload-session/append", ("key", key), ("partNumber", number), ("file", data)
        )

    def parts(self, key: str, *contents: bytes) -> list[dict[str, Any]]:
        return [
            self.append(key, str(n), data).value()["data"] for n, data in enumerate(contents, 1)
        ]

    def end(self, key: str, parts: Any) -> Reply:
        text = parts if isinstance(parts, str) else json.dumps(parts)
        return self.post("/v1/upload-session/end", ("key", key), ("parts", text))


def test_key_is_needed_everywhere() -> None:
    """Without a key every endpoint says 401; the query may carry it too."""
    vendor = SubworkflowSandbox()
    assert vendor.handle(Call.of("GET", f"{HOME}/v1/jobs"), 0).status == 401
    assert vendor.handle(Call.of("POST", f"{HOME}/v1/extract"), 0).status == 401
    assert vendor.handle(Call.of("GET", f"{HOME}/v1/jobs?api-key=k"), 0).status == 200


def test_errors_have_the_documented_form() -> None:
    """An error is success false with a text."""
    assert Client().get("/v1/jobs/dsj_none").value() == {
        "success": False, "error": "job not found"
    }  # fmt: skip
    assert Client().get("/v1/nothing").status == 404


@pytest.mark.parametrize("field", ["fileName", "fileExt", "fileType", "jobType"])
def test_start_needs_its_fields(field: str) -> None:
    """A missing field of start is refused."""
    assert Client().start(**{field: ""}).status == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [("jobType", "search"), ("fileExt", ".pdf"), ("fileExt", "tiff"), ("fileType", "pdf"),
     ("expiryInDays", "0"), ("expiryInDays", "366"), ("expiryInDays", "soon")],
)  # fmt: skip
def test_start_checks_its_fields(field: str, value: str) -> None:
    """A wrong value of start is refused."""
    assert Client().start(**{field: value}).status == 400


def test_unknown_fields_can_be_refused() -> None:
    """Whether the client's spelling of the retention is accepted is an assumption."""
    assert Client().start(other="1").status == 200
    assert Client(unknown_fields="refuse").start(other="1").status == 400


@pytest.mark.parametrize("number", ["0", "-1", "01", "1.0", "x", "10001"])
def test_part_numbers_count_from_one(number: str) -> None:
    """Only decimal numbers from 1 are part numbers."""
    client = Client()
    assert client.append(client.key(), number, b"1234").status == 400


def test_append_returns_the_number_as_a_number() -> None:
    """The part number goes in as text and comes back as a number, with an opaque ETag."""
    client = Client()
    data = client.append(client.key(), "1", b"1234").value()["data"]
    assert data["partNumber"] == 1
    assert len(data["etag"]) == 40


def test_append_twice_replaces_by_default() -> None:
    """Of a repeated part number the last one counts, or it is refused."""
    for choice, status in [("reject", 400), ("replace", 200)]:
        client = Client() if choice == "replace" else Client(append_twice=choice)
        key = client.key()
        client.append(key, "1", b"1234")
        assert client.append(key, "1", b"1234").status == status
        counted = client.vendor.state(client.now)["parts"][key]
        assert counted == {"1": 1 if choice == "reject" else 2}


def test_too_large_part_is_refused() -> None:
    """The largest part is checked when it comes."""
    client = Client(part_maximum=4)
    assert client.append(client.key(), "1", b"12345").status == 400


@pytest.mark.parametrize(
    ("contents", "status"),
    [
        ((b"1234", b"5678", b"9"), 200),
        ((b"1234",), 200),
        ((b"123", b"4567"), 400),  # too small, and not the last
        ((b"1234", b"56789", b"9"), 400),  # not equal
        ((b"1234", b"56789"), 400),  # last longer than the others
    ],
)
def test_end_checks_the_sizes(contents: tuple[bytes, ...], status: int) -> None:
    """All parts but the last have one size and the minimum."""
    client = Client()
    key = client.key()
    assert client.end(key, client.parts(key, *contents)).status == status


@pytest.mark.parametrize(
    "spoil",
    [
        lambda parts: parts[::-1],
        lambda parts: parts[:1],
        lambda parts: [*parts, {"etag": "e", "partNumber": 3}],
        lambda parts: [{**parts[0], "etag": "e"}, parts[1]],
        lambda parts: [{**parts[0], "etag": 5}, parts[1]],
        lambda parts: [{**part, "partNumber": str(part["partNumber"])} for part in parts],
        lambda parts: [],
        lambda parts: {"1": "e"},
        lambda parts: "no json",
    ],
)
def test_end_checks_the_list(spoil: Any) -> None:
    """The list of parts is that of the appends, in order; a refused end may be corrected."""
    client = Client()
    key = client.key()
    parts = client.parts(key, b"1234", b"56")
    assert client.end(key, spoil(parts)).status == 400
    assert client.end(key, parts).status == 200


def test_end_with_a_gap_is_refused() -> None:
    """Part numbers go up by one."""
    client = Client()
    key = client.key()
    parts = [client.append(key, n, b"1234").value()["data"] for n in ("1", "3")]
    assert client.end(key, parts).status == 400


def test_second_end_is_an_assumption() -> None:
    """By default the key is gone after end."""
    for choice, status in [("not_found", 404), ("same_job", 200)]:
        client = Client(end_twice=choice)
        key = client.key()
        parts = client.parts(key, b"1234")
        first = client.end(key, parts)
        again = client.end(key, parts)
        assert again.status == status
        assert len(client.vendor.jobs) == 1
        assert first.value()["data"]["status"] == "IN_PROGRESS"


def test_session_without_credits_can_be_ended_later() -> None:
    """An end that was refused for the account keeps the session."""
    client = Client(credits=0)
    key = client.key()
    assert client.end(key, client.parts(key, b"1234")).status == 402
    assert list(client.vendor.sessions) == [key]


def test_session_total_is_limited() -> None:
    """More than the session's limit is refused at end."""
    client = Client(session_limit=5)
    key = client.key()
    assert client.end(key, client.parts(key, b"1234", b"56")).status == 400


def test_abort_of_nothing_is_an_assumption() -> None:
    """An unknown key is 404 unless chosen otherwise."""
    for choice, status in [("not_found", 404), ("accept", 200)]:
        client = Client(abort_gone=choice)
        assert client.post("/v1/upload-session/abort", ("key", "tmp_x")).status == status


@pytest.mark.parametrize(
    ("choice", "hyphen", "underscore"),
    [("hyphen", 200, 404), ("underscore", 404, 200), ("both", 200, 200)],
)
def test_session_path_is_an_assumption(choice: str, hyphen: int, underscore: int) -> None:
    """One of the two paths, or both."""
    client = Client(session_path=choice)
    assert client.start().status == hyphen
    fields = [("fileName", "a"), ("fileExt", "pdf"), ("fileType", "a/b"), ("jobType", "extract")]
    assert client.post("/v1/upload_session/start", *fields).status == underscore


def test_single_post_checks_its_file() -> None:
    """A file with a known ending, not empty, not too large, and only one."""
    client = Client(single_limit=4)
    assert client.post("/v1/extract", ("file", b"1234")).status == 200
    assert client.post("/v1/extract", ("file", b"12345")).status == 400
    assert client.post("/v1/extract", ("file", b"")).status == 400
    assert client.post("/v1/extract", ("file", b"1234"), filename="a.tiff").status == 400
    assert client.post("/v1/extract", ("file", b"1"), ("file", b"2")).status == 400
    assert client.post("/v1/extract", ("file", "text")).status == 400
    assert client.post("/v1/extract", ("url", f"{HOME}/a.pdf")).status == 400
    assert client.post("/v1/extract", ("file", b"1"), ("expiresInDays", "0")).status == 400


def test_not_a_form_is_refused() -> None:
    """JSON where a form is wanted is a bad request."""
    call = Call.of(
        "POST", f"{HOME}/v1/extract", {"x-api-key": "k", "Content-Type": "application/json"}, b"{}"
    )
    assert SubworkflowSandbox().handle(call, 0).status == 400


def test_job_list_is_newest_first_in_pages() -> None:
    """Ten by default, a hundred at most, unfinished or of the last 24 hours."""
    client = Client()
    posted = [client.post("/v1/extract", ("file", b"1")) for _ in range(12)]
    ids = [reply.value()["data"]["id"] for reply in posted]
    assert [job["id"] for job in client.get("/v1/jobs").value()["data"]] == ids[:1:-1]
    page = client.get("/v1/jobs?offset=10&limit=5").value()
    assert [job["id"] for job in page["data"]] == [ids[1], ids[0]]
    assert "success" not in page
    assert client.get("/v1/jobs?limit=101").status == 400
    assert client.get("/v1/jobs?statuses=DONE").status == 400
    client.now += 1
    assert client.get("/v1/jobs?statuses=IN_PROGRESS").value()["data"] == []
    client.now += 86_400
    assert client.get("/v1/jobs").value()["data"] == []
    assert client.get(f"/v1/jobs/{ids[0]}").value()["data"]["status"] == "SUCCESS"


def test_times_can_be_written_as_zero() -> None:
    """What has not come is null, or 0 and empty text."""
    for choice, time, text in [("null", None, None), ("zero", 0, "")]:
        client = Client(not_yet=choice)
        job = client.post("/v1/extract", ("file", b"1")).value()["data"]
        assert (job["startedAt"], job["canceledAt"], job["statusText"]) == (time, time, text)


def test_writes_are_limited_when_asked() -> None:
    """The limit answers before anything is done, with Retry-After."""
    client = Client(writes_per_minute=1)
    assert client.start().status == 200
    refused = client.start()
    assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
    assert len(client.vendor.sessions) == 1
    assert client.get("/v1/jobs").status == 200
    client.now += 60
    assert client.start().status == 200


def test_share_links_are_signed_and_expire() -> None:
    """A link gives the very bytes without a key until it expires; a changed one gives nothing."""
    client = Client()
    job = client.post("/v1/extract", ("file", b"bytes")).value()["data"]
    dataset = client.get(f"/v1/datasets/{job['datasetId']}?expiresInSeconds=5").value()["data"]
    url = dataset["share"]["url"]
    assert client.vendor.handle(Call.of("GET", url), client.now + 5).body == b"bytes"
    assert client.vendor.handle(Call.of("GET", url), client.now + 6).status == 403
    assert client.vendor.handle(Call.of("GET", f"{url}0"), client.now).status == 403
    assert client.vendor.handle(Call.of("GET", url.partition("?")[0]), client.now).status == 403


def test_dataset_is_what_was_sent() -> None:
    """Name without its ending, size, retention."""
    client = Client()
    fields = ("file", b"12345"), ("expiresInDays", "2")
    job = client.post("/v1/vectorize", *fields, filename="a.b.docx").value()["data"]
    dataset = client.get(f"/v1/datasets/{job['datasetId']}").value()["data"]
    shown = {name: dataset[name] for name in ("fileName", "fileExt", "fileSize", "itemCount")}
    assert shown == {"fileName": "a.b", "fileExt": "docx", "fileSize": 5, "itemCount": 2}
    assert dataset["expiresAt"] - dataset["createdAt"] == 2 * 86_400_000
    items = client.get(f"/v1/datasets/{job['datasetId']}/items?row=jpg").value()["data"]
    assert [(item["col"], item["row"]) for item in items] == [(1, "jpg"), (2, "jpg")]


def test_every_assumption_names_its_reason() -> None:
    """The table says for each choice what it decides and why it is one."""
    for row in SubworkflowSandbox().assumptions.rows():
        assert row["description"]
        assert row["source"]
