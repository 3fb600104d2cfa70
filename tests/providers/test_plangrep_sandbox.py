"""Plangrep's sandbox is strict: it refuses what the documentation would refuse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from longshore.sandbox import Call, Reply
from longshore_plangrep.sandbox import PlangrepSandbox

NOW = 1_700_000_000.0
API = "https://plangrep.com/api/open/v1"
DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class Desk:
    """Calls the vendor directly, with a ready project and a job."""

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self.vendor = PlangrepSandbox({"project_id": "proj_x", **(options or {})})
        self.now = NOW

    def call(
        self, method: str, path: str, body: Any = None, key: str = "", **headers: str
    ) -> Reply:
        """Send JSON (or nothing) with a good API key."""
        known = {"Authorization": "Bearer k", **headers}
        if key:
            known["Idempotency-Key"] = key
        data = b""
        if body is not None:
            known["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        return self.vendor.handle(Call.of(method, API + path, known, data), self.now)

    def job(self, body: Any = None) -> str:
        """Create a job and return its id."""
        return str(self.call("POST", "/projects/proj_x/jobs", body or {}).value()["job"]["id"])

    def form(self, job: str, metadata: Any, *parts: tuple[str, bytes], order: bool = True) -> Reply:
        """Send a form; `order=False` puts the metadata last."""
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        head = 'Content-Disposition: form-data; name="{}"'
        blocks = [(head.format(n) + f'; filename="{n}.pdf"', data) for n, data in parts]
        blocks.insert(0 if order else len(blocks), (head.format("metadata"), text.encode()))
        body = b"".join(b"--B\r\n" + h.encode() + b"\r\n\r\n" + d + b"\r\n" for h, d in blocks)
        headers = {"Authorization": "Bearer k", "Content-Type": "multipart/form-data; boundary=B"}
        call = Call.of("POST", f"{API}/jobs/{job}/files", headers, body + b"--B--\r\n")
        return self.vendor.handle(call, self.now)


def described(**more: Any) -> dict[str, Any]:
    """Return metadata of one file."""
    file = {"partName": "file0", "fileName": "a.pdf", "contentType": "application/pdf", **more}
    return {"files": [file]}


def registered(**more: Any) -> dict[str, Any]:
    """Return a registration of one empty file."""
    file = {"fileName": "a.pdf", "contentType": "application/pdf", "fileSize": 0, "sha256": DIGEST}
    return {"files": [{**file, **more}]}


def test_a_key_is_needed_everywhere() -> None:
    """Without a bearer token the answer is 401, whatever is asked."""
    vendor = PlangrepSandbox()
    replies = [
        vendor.handle(Call.of("GET", f"{API}{path}", headers), NOW)
        for path in ("/projects", "/jobs/job_1")
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic k"})
    ]

    assert {reply.status for reply in replies} == {401}
    assert replies[0].value()["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        ("jobs:read", {"list", "show", "result"}),
        ("jobs:write", {"create", "cancel"}),
        ("artifacts:read", {"artifact"}),
    ],
)
def test_each_call_needs_its_scope(scope: str, may: set[str]) -> None:
    """Reading, writing and artifacts are three; no page names one for calls about projects."""
    calls = {
        "projects": ("GET", "/projects"),
        "create": ("POST", "/projects/proj_x/jobs"),
        "list": ("GET", "/projects/proj_x/jobs"),
        "show": ("GET", "/jobs/job_1"),
        "result": ("GET", "/jobs/job_1/result"),
        "cancel": ("POST", "/jobs/job_1/cancel"),
        "artifact": ("GET", "/jobs/job_1/artifact"),
    }
    desk = Desk({"scopes": scope})

    assert {name for name, call in calls.items() if desk.call(*call).status != 403} == {
        "projects",
        *may,
    }


def test_project_names_are_unique_and_not_too_long() -> None:
    """At most 180 characters; a second one of the name is refused."""
    desk = Desk()
    names = ["n" * 180, "n" * 180, "n" * 181, ""]

    assert [desk.call("POST", "/projects", {"name": n}).status for n in names] == [
        202,
        409,
        400,
        400,
    ]


def test_a_project_that_is_not_ready_takes_no_job() -> None:
    """Jobs wait until the project is ready."""
    desk = Desk({"project_provisioning": 60.0})
    id = desk.call("POST", "/projects", {"name": "new"}).value()["project"]["id"]
    early = desk.call("POST", f"/projects/{id}/jobs", {})
    desk.now += 60

    assert early.status == 409
    assert desk.call("POST", f"/projects/{id}/jobs", {}).status == 202


@pytest.mark.parametrize(
    "body",
    [
        {"externalId": "x" * 181},
        {"externalId": 7},
        {"webhookUrl": "http://hooks.example"},
        {"external_id": "x"},
        [],
    ],
)
def test_a_job_with_a_bad_body_is_refused(body: Any) -> None:
    """Lengths, types, https and names of fields are checked."""
    assert Desk().call("POST", "/projects/proj_x/jobs", body).status == 400


def test_a_repeated_key_returns_the_same_job() -> None:
    """One job, `idempotent` on the replay only, and the secret only once."""
    desk = Desk()
    body = {"webhookUrl": "https://hooks.example/x"}
    first, second = (desk.call("POST", "/projects/proj_x/jobs", body, key="k1") for _ in range(2))
    other = desk.call("POST", "/projects/proj_x/jobs", {}, key="k1")
    long = desk.call("POST", "/projects/proj_x/jobs", body, key="k" * 257)
    desk.now += 86_400
    later = desk.call("POST", "/projects/proj_x/jobs", body, key="k1")

    assert "idempotent" not in first.value()
    assert "webhookSigningSecret" in first.value()
    assert second.value()["idempotent"] is True
    assert "webhookSigningSecret" not in second.value()
    assert first.value()["job"]["id"] == second.value()["job"]["id"]
    assert (other.status, long.status) == (409, 400)
    assert later.value()["job"]["id"] != first.value()["job"]["id"]


@pytest.mark.parametrize(
    ("metadata", "parts", "order"),
    [
        (described(), [], True),
        (described(), [("file1", b"x")], True),
        (described(partName="file1"), [("file0", b"x")], True),
        (described(), [("file0", b"x"), ("file1", b"y")], True),
        (described(), [("file0", b"x")], False),
        (described(classification="drawing"), [("file0", b"x")], True),
        (described(sha256="ABC"), [("file0", b"x")], True),
        (described(size=1), [("file0", b"x")], True),
        ({"files": [{"partName": "file0", "fileName": "a"}]}, [("file0", b"x")], True),
        ("{not json", [("file0", b"x")], True),
    ],
)
def test_a_form_that_does_not_fit_its_metadata_is_refused(
    metadata: Any, parts: list[tuple[str, bytes]], order: bool
) -> None:
    """Parts, names and values are compared; nothing is stored."""
    desk = Desk()
    reply = desk.form(desk.job(), metadata, *parts, order=order)

    assert reply.status == 400
    assert desk.vendor.state(NOW)["documents"] == []


def test_a_form_with_another_digest_fails_its_document() -> None:
    """The digest is verified after the upload."""
    desk = Desk()
    job = desk.job()
    assert desk.form(job, described(sha256="0" * 64), ("file0", b"x")).status == 200
    desk.call("POST", f"/jobs/{job}/uploads/complete", {})
    desk.now += 1

    assert desk.call("GET", f"/jobs/{job}").value()["job"]["status"] == "failed"


@pytest.mark.parametrize(
    "body",
    [
        {"files": []},
        registered(fileSize=-1),
        registered(fileSize="1"),
        registered(sha256="E" * 64),
        registered(classification=""),
        {"files": [{"fileName": "a.pdf"}]},
        {"files": registered()["files"] * 101},
    ],
)
def test_a_bad_registration_is_refused(body: Any) -> None:
    """One to 100 files, each with name, type, exact size and lower-case digest."""
    desk = Desk()
    assert desk.call("POST", f"/jobs/{desk.job()}/uploads", body).status == 400


def test_a_job_takes_no_more_than_its_limits() -> None:
    """Files and declared bytes are counted over all registrations."""
    desk = Desk()
    job = desk.job()
    almost = registered(fileSize=9_999_999_999)
    statuses = [
        desk.call("POST", f"/jobs/{job}/uploads", body).status
        for body in (almost, registered(fileSize=2), registered(fileSize=1))
    ]

    assert statuses == [200, 413, 200]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 202),
        ({"uploadToken": "tok_wrong"}, 400),
        ({"documentId": "doc_other"}, 404),
        ({"extra": 1}, 400),
    ],
)
def test_complete_wants_the_right_proof(change: dict[str, Any], status: int) -> None:
    """Token and document must be those of the registration."""
    desk = Desk()
    job = desk.job()
    upload = desk.call("POST", f"/jobs/{job}/uploads", registered()).value()["uploads"][0]
    put = Call.of("PUT", upload["uploadUrl"], upload["headers"])
    assert desk.vendor.handle(put, NOW).status == 200
    record = {"documentId": upload["documentId"], "uploadToken": upload["uploadToken"], **change}

    reply = desk.call("POST", f"/jobs/{job}/uploads/complete", {"directUploads": [record]})

    assert reply.status == status


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/pdf"}])
def test_a_put_without_the_dictated_headers_is_refused(headers: dict[str, str]) -> None:
    """They are signed."""
    desk = Desk()
    upload = desk.call("POST", f"/jobs/{desk.job()}/uploads", registered()).value()["uploads"][0]

    assert desk.vendor.handle(Call.of("PUT", upload["uploadUrl"], headers), NOW).status == 403


def test_complete_needs_every_upload() -> None:
    """Nothing uploaded, nothing put, or a file left out: the job stays open."""
    desk = Desk()
    job = desk.job()
    empty = desk.call("POST", f"/jobs/{job}/uploads/complete", {})
    upload = desk.call("POST", f"/jobs/{job}/uploads", registered()).value()["uploads"][0]
    left = desk.call("POST", f"/jobs/{job}/uploads/complete", {})
    record = {"documentId": upload["documentId"], "uploadToken": upload["uploadToken"]}
    unput = desk.call("POST", f"/jobs/{job}/uploads/complete", {"directUploads": [record]})

    codes = [reply.value()["code"] for reply in (empty, left, unput)]
    assert codes == ["no_uploads", "uploads_incomplete", "upload_missing"]
    assert desk.call("GET", f"/jobs/{job}").value()["job"]["status"] == "uploading"


def test_parts_must_come_in_ascending_order() -> None:
    """As the storage behind the signed URLs wants it."""
    desk = Desk({"multipart_above": 1, "part_bytes": 2})
    job = desk.job()
    body = registered(fileSize=4)
    upload = desk.call("POST", f"/jobs/{job}/uploads", body).value()["uploads"][0]
    etags = [
        desk.vendor.handle(Call.of("PUT", part["uploadUrl"], {}, b"xy"), NOW).headers["etag"]
        for part in upload["parts"]
    ]
    names = ("documentId", "uploadToken", "multipartUploadId")
    parts = [{"partNumber": n, "etag": etag} for n, etag in enumerate(etags, 1)]
    record = {name: upload[name] for name in names}
    statuses = [
        desk.call(
            "POST", f"/jobs/{job}/uploads/complete", {"multipartUploads": [{**record, "parts": p}]}
        ).status
        for p in (parts[::-1], parts[:1] * 2, [{"partNumber": 1, "etag": '"no"'}], parts)
    ]

    assert statuses == [400, 400, 400, 202]


def test_a_job_in_another_state_refuses() -> None:
    """Uploads, complete, resume, cancel and result each want their state."""
    desk = Desk()
    job = desk.job()
    early = [desk.call(*c).status for c in (("POST", f"/jobs/{job}/resume"),)]
    early.append(desk.call("GET", f"/jobs/{job}/result").status)
    desk.form(job, described(), ("file0", b"x"))
    desk.call("POST", f"/jobs/{job}/uploads/complete", {})
    desk.now += 1
    late = [
        desk.form(job, described(), ("file0", b"x")).status,
        desk.call("POST", f"/jobs/{job}/uploads", registered()).status,
        desk.call("POST", f"/jobs/{job}/uploads/complete", {}).status,
        desk.call("POST", f"/jobs/{job}/cancel").status,
    ]

    assert (early, late) == ([409, 409], [409, 409, 409, 409])


def completed(desk: Desk) -> str:
    """Return a job whose upload is complete."""
    job = desk.job()
    desk.form(job, described(), ("file0", b"x"))
    assert desk.call("POST", f"/jobs/{job}/uploads/complete", {}).status == 202
    return job


def test_a_job_that_is_not_done_in_time_expires() -> None:
    """Also while it is processed; and no more happens to it."""
    desk = Desk({"job_ttl": 100.0, "walk": "processing:150,completed"})
    job, seen = completed(desk), []
    for seconds in (99, 1, 100):
        desk.now += seconds
        seen.append(desk.call("GET", f"/jobs/{job}").value()["job"])

    assert [view["status"] for view in seen] == ["processing", "expired", "expired"]
    assert seen[2]["completedAt"] == seen[2]["expiresAt"]
    assert desk.call("POST", f"/jobs/{job}/cancel").status == 409


@pytest.mark.parametrize(("choice", "status"), [("gone", 404), ("kept", 200)])
def test_a_job_and_its_result_are_gone_once_the_job_has_expired(choice: str, status: int) -> None:
    """So the page says; the switch keeps them."""
    desk = Desk({"job_ttl": 100.0, "after_expiry": choice})
    job = completed(desk)
    desk.now += 99
    early = [desk.call("GET", f"/jobs/{job}{rest}").status for rest in ("", "/result")]
    desk.now += 1
    late = [desk.call("GET", f"/jobs/{job}{rest}").status for rest in ("", "/result")]

    assert (early, late) == ([200, 200], [status, status])
    listed = desk.call("GET", "/projects/proj_x/jobs").value()["jobs"]
    assert [entry["id"] for entry in listed] == ([] if status == 404 else [job])


@pytest.mark.parametrize(
    ("takes", "words"),
    [
        (0.0, ["cancelled", "cancelled"]),
        (5.0, ["processing", "cancelled"]),
        (60.0, ["processing", "completed"]),
    ],
)
def test_to_cancel_what_is_processed_may_take_a_while(takes: float, words: list[str]) -> None:
    """A job that ends before is not cancelled; what has ended stays as it is."""
    desk = Desk({"cancel_takes": takes, "walk": "processing:60,completed"})
    job = completed(desk)
    desk.now += 1
    seen = [desk.call("POST", f"/jobs/{job}/cancel").value()["job"]["status"]]
    desk.now += 120
    seen.append(desk.call("GET", f"/jobs/{job}").value()["job"]["status"])

    assert seen == words


def test_every_choice_says_why_it_is_one() -> None:
    """Each assumption has a description and a source, and can be switched by name."""
    rows = PlangrepSandbox({"error_shape": "nested"}).assumptions.rows()

    assert all(row["description"] and row["source"] for row in rows)
    with pytest.raises(ValueError, match="unknown assumption"):
        PlangrepSandbox({"eror_shape": "nested"})


def test_the_newest_job_is_listed_first() -> None:
    """As documented; the client's own id is shown as it was given."""
    desk = Desk()
    desk.job({"externalId": "one"})
    desk.job({"externalId": "two"})
    jobs = desk.call("GET", "/projects/proj_x/jobs").value()["jobs"]

    assert [job["externalId"] for job in jobs] == ["two", "one"]
