"""The sandbox of GeoLens refuses what the vendor refuses, in its order and words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from longshore.sandbox import Call, Reply
from longshore_geolens.sandbox import GeoLensSandbox
from tests.providers.driving_geolens import GEOJSON, SMALL_PARTS, TIFF

NOW = 1_700_000_000.0
MIB = 2**20
FILE = {"filename": "a.json", "file_size": len(GEOJSON), "content_type": "application/json"}
SIX_PARTS = {"filename": "dem.tif", "file_size": 2052}


class Client:
    """A plain caller of the sandbox with a clock."""

    def __init__(self, key: str = "key", **options: Any) -> None:
        self.vendor = GeoLensSandbox(options)
        self.now = NOW
        self.key = key

    def call(self, method: str, path: str, value: Any = None, **headers: str) -> Reply:
        url = path if "://" in path else self.vendor.base_url + path
        known = {"X-Api-Key": self.key, "Content-Type": "application/json"} | headers
        body = b"" if value is None else json.dumps(value).encode()
        call = Call.of(method, url, {k: v for k, v in known.items() if v}, body)
        return self.vendor.handle(call, self.now)

    def presign(self, **fields: Any) -> dict[str, Any]:
        reply = self.call("POST", "/ingest/upload/presigned", FILE | fields)
        assert reply.status == 201, reply.body
        value: dict[str, Any] = reply.value()
        return value

    def put(self, url: str, data: bytes, media_type: str = "application/json") -> Reply:
        headers = {"Content-Type": media_type} if media_type else {}
        headers["Content-Length"] = str(len(data))
        return self.vendor.handle(Call.of("PUT", url, headers, data), self.now)

    def complete(self, job: str, parts: list[Any] | None = None) -> Reply:
        path = f"/ingest/upload/presigned/{job}/complete"
        return self.call("POST", path, {"parts": parts or []})

    def delivered(self, **fields: Any) -> str:
        """Return the job of a completed single PUT."""
        upload = self.presign(**fields)
        assert self.put(upload["urls"][0], GEOJSON).status == 200
        assert self.complete(upload["job_id"]).status == 200
        return str(upload["job_id"])

    def multipart(self) -> tuple[str, list[dict[str, Any]]]:
        """Return the job and the parts of an upload of six parts that all arrived."""
        upload = self.presign(**SIX_PARTS)
        data = TIFF + bytes(2048)
        etags = [
            self.put(url, data[i * 400 : (i + 1) * 400], "").headers["ETag"]
            for i, url in enumerate(upload["urls"])
        ]
        parts = [{"etag": etag, "part_number": i} for i, etag in enumerate(etags, 1)]
        return upload["job_id"], parts

    def commit(self, job: str) -> Reply:
        return self.call("POST", f"/ingest/commit/{job}", {"title": "A"})


def said(reply: Reply) -> tuple[int, Any]:
    return reply.status, reply.value()["detail"]


# ------------------------------------------------------------------ credentials and forms


def test_credentials_are_asked_for() -> None:
    """Missing, wrong, of another user, read-only."""
    client = Client(api_key="key")
    path = "/ingest/upload/config"

    assert said(client.call("GET", path, **{"X-Api-Key": ""})) == (401, "Not authenticated")
    wrong = client.call("GET", path, **{"X-Api-Key": "other"})
    assert said(wrong) == (401, "Could not validate credentials")
    assert wrong.headers["WWW-Authenticate"] == "Bearer"
    bearer = {"X-Api-Key": "", "Authorization": "Bearer key"}
    assert client.call("GET", path, **bearer).status == 200
    assert client.call("GET", f"{path}?api_key=key", **{"X-Api-Key": ""}).status == 200
    assert Client("read-only-7").call("POST", "/ingest/upload/presigned", FILE).status == 403


def test_a_user_without_the_right_to_upload_may_only_look() -> None:
    """What the server takes is told to any user; a job is made for editors and admins only."""
    viewer = Client("viewer-7")

    assert viewer.call("GET", "/ingest/upload/config").status == 200
    refused = viewer.call("POST", "/ingest/upload/presigned", FILE)
    assert said(refused) == (403, "Insufficient permissions")


def test_a_job_belongs_to_its_creator() -> None:
    """Others are told that it exists, and no more."""
    client = Client()
    job = client.delivered()
    client.key = "other"

    assert said(client.complete(job)) == (403, "Not authorized to access this job")
    assert said(client.call("GET", f"/jobs/{job}")) == (403, "Not authorized to view this job")
    assert said(client.complete("no-such")) == (404, "Job not found")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"file_size": 1}, "body.filename: Field required"),
        ({"filename": "", "file_size": 1}, "body.filename: String should have"),
        ({"filename": "x" * 256, "file_size": 1}, "body.filename: String should have"),
        ({"filename": "a.json", "file_size": 0}, "body.file_size: Input should be greater"),
        ([], "body: Input should be a valid dictionary"),
    ],
)
def test_the_schema_is_enforced(body: Any, words: str) -> None:
    """One text in problem+json, a list in the oldest build."""
    reply = Client().call("POST", "/ingest/upload/presigned", body)
    assert reply.headers["Content-Type"] == "application/problem+json"
    status, detail = said(reply)
    assert (status, detail[: len(words)]) == (422, words)

    old = Client(errors="legacy").call("POST", "/ingest/upload/presigned", body)
    assert old.headers["Content-Type"] == "application/json"
    assert old.value()["detail"][0]["loc"][0] == "body"


def test_bodies_that_cannot_be_read() -> None:
    """Not JSON, another type, too large."""
    client = Client()
    path = "/ingest/upload/presigned"

    assert client.call("POST", path, FILE, **{"Content-Type": "text/plain"}).status == 422
    assert client.call("POST", path, "x" * (11 * MIB)).status == 413
    assert client.call("GET", "/no/such/path").value() == {"detail": "Not Found"}
    assert client.call("DELETE", path).value() == {"detail": "Method Not Allowed"}
    assert client.call("POST", "/jobs/x/").status == 404


def test_the_rate_is_limited_when_asked_for() -> None:
    """The answer says when to come again."""
    client = Client(rate=2)
    replies = [client.call("GET", "/ingest/upload/config") for _ in range(3)]

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].headers["Retry-After"] == "1"


# ------------------------------------------------------------------ presign


@pytest.mark.parametrize(
    ("options", "fields", "answer"),
    [
        ({"presigned": False}, {}, (400, "Presigned uploads only available in S3 mode")),
        ({}, {"filename": "a.exe"}, (500, "Internal server error")),
        (
            {"extension_status": 400, "extensions": ".csv"},
            {},
            (400, "File extension '.json' not allowed. Allowed: ['.csv']"),
        ),
        (
            {},
            {"file_size": 612 * MIB},
            (422, "File size (612.0 MB) exceeds the maximum allowed (500 MB)."),
        ),
        (
            {"storage_quota": 10},
            {"file_size": 11},
            (413, "Storage quota exceeded: used 0 of 10 bytes (adding 11 bytes)"),
        ),
        (
            {"job_timeout": 59},
            {},
            (409, "This upload's time window has closed. Start a new upload."),
        ),
    ],
)
def test_presign_refuses(
    options: dict[str, Any], fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    """In the vendor's words."""
    assert said(Client(**options).call("POST", "/ingest/upload/presigned", FILE | fields)) == answer


def test_a_single_put_is_told_by_nulls() -> None:
    """The threshold itself is still a single PUT."""
    upload = Client().presign(file_size=100 * MIB)

    assert (len(upload["urls"]), upload["upload_id"], upload["part_size"]) == (1, None, None)


def test_above_the_threshold_there_are_parts_of_10_mib() -> None:
    """One byte more makes eleven of them."""
    upload = Client().presign(file_size=100 * MIB + 1)

    assert (len(upload["urls"]), upload["part_size"]) == (11, 10 * MIB)


# ------------------------------------------------------------------ the storage


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_signed_urls_are_really_signed(region: str) -> None:
    """Another type, another path, a type on a part, a credential, a late hour: all refused."""
    client = Client(region=region, **SMALL_PARTS)
    (url,) = client.presign()["urls"]
    part = client.presign(**SIX_PARTS)["urls"][0]

    assert client.put(url, GEOJSON, "text/plain").status == 403
    assert client.put(url.replace("a.json", "b.json"), GEOJSON).status == 403
    assert client.put(part.replace("partNumber=1", "partNumber=2"), b"x", "").status == 403
    assert client.call("PUT", url, Authorization="Bearer x").status == 400
    assert client.put(url, GEOJSON).status == 200
    client.now += 3601
    assert client.put(url, GEOJSON).status == 403


# ------------------------------------------------------------------ complete


def test_complete_works_once() -> None:
    """The second is told so, whatever else is wrong."""
    client = Client()
    job = client.delivered()

    assert said(client.complete(job)) == (400, "Upload already completed for this job")


def test_complete_needs_the_object() -> None:
    """Nothing is deleted: a PUT and another try succeed."""
    client = Client()
    upload = client.presign()
    assert said(client.complete(upload["job_id"])) == (400, "File not found in S3 after upload")
    client.put(upload["urls"][0], GEOJSON)

    assert client.complete(upload["job_id"]).value() == {
        "job_id": upload["job_id"],
        "status": "pending",
        "message": "File uploaded and ready for preview",
    }


def test_a_multipart_upload_without_parts_is_dropped() -> None:
    """After it nothing helps."""
    client = Client(**SMALL_PARTS)
    job, parts = client.multipart()
    words = "Multipart upload completion requires at least one uploaded part"

    assert said(client.complete(job)) == (400, words)
    assert client.complete(job, parts).status == 502
    assert client.vendor.storage.uploads() == {}


@pytest.mark.parametrize("fault", ["order", "etag", "number"])
def test_a_wrong_list_of_parts_drops_the_upload(fault: str) -> None:
    """S3 refuses it, and the vendor answers 502 and drops the parts."""
    client = Client(**SMALL_PARTS)
    job, parts = client.multipart()
    wrong = {
        "order": parts[::-1],
        "etag": [parts[0] | {"etag": '"0"'}, *parts[1:]],
        "number": [*parts[:-1], parts[-1] | {"part_number": 7}],
    }[fault]

    assert client.complete(job, wrong).status == 502
    assert client.complete(job, parts).status == 502


def test_a_missing_last_part_is_a_wrong_size() -> None:
    """S3 assembles what is listed; the size gives it away."""
    client = Client(**SMALL_PARTS)
    job, parts = client.multipart()
    words = "Uploaded file size (2000 bytes) does not match the declared size (2052 bytes)."

    assert said(client.complete(job, parts[:-1])) == (422, words)


def test_after_a_failed_copy_the_parts_are_not_needed_again() -> None:
    """The object exists, so assembly is skipped."""
    client = Client(freeze_fails=1, **SMALL_PARTS)
    job, parts = client.multipart()

    assert client.complete(job, parts).status == 502
    assert client.complete(job).status == 200


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.tif", b"GIF89a", "File content detected as '.gif' but extension is '.tif'."),
        ("a.json", b"\x00\x01", "File content detected as 'unknown' but extension is '.json'."),
        ("a.csv", b"PK\x03\x04", "File content detected as '.zip' but extension is '.csv'."),
        ("a.parquet", b"PAR1....", "The file is not a Parquet file"),
    ],
)
def test_the_content_must_be_what_the_name_says(name: str, data: bytes, words: str) -> None:
    """The job stays, and the same URL takes a better file."""
    client = Client()
    upload = client.presign(filename=name, file_size=len(data))
    client.put(upload["urls"][0], data)
    status, detail = said(client.complete(upload["job_id"]))

    assert (status, detail[: len(words)]) == (422, words)
    assert said(client.complete(upload["job_id"]))[0] == 400


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.geojson", b"\xef\xbb\xbf {}"),
        ("a.csv", b"id,name\n1,x"),
        ("a.TIF", b"MM\x00*rest"),
        ("a.xlsx", b"PK\x03\x04"),
        ("a.gpkg", b"SQLite format 3\x00"),
        ("a.parquet", b"PAR1..PAR1"),
    ],
)
def test_good_content_is_taken(name: str, data: bytes) -> None:
    """Whatever the case of the ending."""
    client = Client()
    upload = client.presign(filename=name, file_size=len(data))
    client.put(upload["urls"][0], data)

    assert client.complete(upload["job_id"]).status == 200


def test_a_late_put_changes_nothing() -> None:
    """The bytes were frozen before they were checked."""
    client = Client()
    upload = client.presign()
    client.put(upload["urls"][0], GEOJSON)
    client.complete(upload["job_id"])
    client.put(upload["urls"][0], b"something else")

    (document,) = client.vendor.state(client.now)["documents"]
    assert document["size"] == len(GEOJSON)


# ------------------------------------------------------------------ commit, jobs, retry


def test_commit_needs_a_completed_upload_and_a_title() -> None:
    """In this order: schema, job, state, bytes."""
    client = Client()
    job = client.presign()["job_id"]
    words = "Job has no file_path and no source_url — cannot queue ingest"

    assert said(client.commit(job)) == (400, words)
    assert client.call("POST", f"/ingest/commit/{job}", {}).status == 422
    wrong = {"title": "A", "visibility": "secret"}
    assert client.call("POST", f"/ingest/commit/{job}", wrong).status == 422


def test_a_second_commit_before_the_worker_doubles_the_import() -> None:
    """The vendor's guard is the status alone; the state shows what a blind repeat would do."""
    client = Client()
    job = client.delivered()

    assert [client.commit(job).status for _ in range(2)] == [202, 202]
    assert len(client.vendor.state(client.now)["documents"]) == 2
    client.now += 1
    assert said(client.commit(job)) == (400, "Job already processed")


def test_a_commit_without_a_queue_fails_the_job() -> None:
    """And takes its bytes away, so it cannot be retried."""
    client = Client(queue_down=1)
    job = client.delivered()

    assert said(client.commit(job)) == (503, "Task queue unavailable, please retry")
    status = client.call("GET", f"/jobs/{job}").value()
    assert (status["status"], status["can_retry"], status["started_at"]) == ("failed", False, None)
    assert client.vendor.state(client.now)["documents"] == []


def test_a_raster_walks_its_own_way() -> None:
    """Steps and progress as the worker reports them."""
    client = Client(raster_walk="pending:1,cog_convert:1,finalize:1,complete")
    upload = client.presign(filename="a.tif", file_size=4)
    client.put(upload["urls"][0], TIFF)
    client.complete(upload["job_id"])
    client.commit(upload["job_id"])
    seen = []
    for _ in range(4):
        job = client.call("GET", f"/jobs/{upload['job_id']}").value()
        seen.append((job["status"], job["current_step"], job["progress"]))
        client.now += 1

    assert seen == [
        ("pending", None, None),
        ("running", "cog_convert", 0.2),
        ("running", "finalize", 0.8),
        ("complete", "complete", 1.0),
    ]


@pytest.mark.parametrize(
    ("completed", "seconds", "words"),
    [
        (False, 3601, "Stale: pending for 3601s without being processed"),
        (True, 86_401, "Stale: upload completed but never committed"),
    ],
)
def test_what_nobody_goes_on_with_expires(completed: bool, seconds: float, words: str) -> None:
    """Reading the job fails it."""
    client = Client()
    job = client.delivered() if completed else client.presign()["job_id"]
    client.now += seconds
    status = client.call("GET", f"/jobs/{job}").value()

    assert (status["status"], status["error_message"], status["can_retry"]) == (
        "failed",
        words,
        False,
    )
    again = "This job has already failed and cannot be completed. Start a new upload."
    assert said(client.complete(job))[0] == 400
    assert completed or said(client.complete(job))[1] == again


def test_only_failed_jobs_with_their_bytes_are_retried() -> None:
    """Others are told why not."""
    client = Client(queue_down=1)
    gone, running = client.delivered(), client.delivered(filename="fail.json")
    client.commit(gone)
    client.commit(running)

    words = "The source is no longer available. Start the import again."
    assert said(client.call("POST", f"/jobs/{gone}/retry")) == (400, words)
    path = f"/jobs/{running}/retry"
    assert said(client.call("POST", path)) == (400, "Only failed jobs can be retried")
    client.now += 1
    assert client.call("POST", path).value()["message"] == "Job re-queued for ingestion"


def test_the_same_calls_give_the_same_replies() -> None:
    """No clock, no randomness."""
    first, second = (Client(**SMALL_PARTS).presign(**SIX_PARTS) for _ in range(2))

    assert first == second
