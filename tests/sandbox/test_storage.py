"""The storage's rules: signed PUTs, checksums, multipart uploads and their counts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

import pytest

from longshore.sandbox import Call, Reply, Storage, StorageError

NOW = 1_700_000_000.0


def put(
    storage: Storage,
    url: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    now: float = NOW,
) -> Reply:
    return storage.handle(Call.of("PUT", url, headers or {}, body), now)


def code(reply: Reply) -> str:
    found = re.search(rb"<Code>(\w+)</Code>", reply.body)
    return found[1].decode() if found else ""


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture(params=[2, 4])
def storage(request: pytest.FixtureRequest) -> Storage:
    return Storage("https://s3.example", "b1", version=request.param, minimum_part=4)


def test_a_single_put_stores_the_object(storage: Storage) -> None:
    """A PUT to a signed URL answers the quoted MD5 and stores bytes and type under the key."""
    key = "staging/ä b+c.tif"
    url = storage.presign("PUT", key, now=NOW, expires=60, headers={"Content-Type": "image/tiff"})
    reply = put(storage, url, b"abc", {"Content-Type": "image/tiff"})
    assert (200, f'"{md5(b"abc")}"') == (reply.status, reply.headers["etag"])
    stored = storage.get(key)
    assert stored is not None
    assert (stored.blob.read(), stored.content_type) == (b"abc", "image/tiff")
    assert {key: {"1": 1}} == storage.puts.state()


def test_a_signed_url_ends(storage: Storage) -> None:
    """After its seconds a URL answers 403 AccessDenied in XML, and nothing is stored."""
    url = storage.presign("PUT", "k", now=NOW, expires=60)
    late = put(storage, url, b"abc", now=NOW + 61)
    assert (late.status, code(late)) == (403, "AccessDenied")
    assert b"Request has expired" in late.body
    assert storage.get("k") is None
    assert put(storage, url, b"abc", now=NOW + 60).status == 200


def test_credentials_beside_a_signature_are_refused(storage: Storage) -> None:
    """An Authorization header on a signed URL is a 400, whatever it holds."""
    url = storage.presign("PUT", "k", now=NOW, expires=60)
    reply = put(storage, url, b"abc", {"Authorization": "Bearer secret"})
    assert (reply.status, code(reply)) == (400, "InvalidArgument")


def test_length_and_checksums_are_checked(storage: Storage) -> None:
    """A missing or wrong length, and a checksum of other bytes, store nothing."""
    url = storage.presign("PUT", "k", now=NOW, expires=60)
    chunked = Call.of("PUT", url, {"Transfer-Encoding": "chunked"}, b"abc")
    assert code(storage.handle(chunked, NOW)) == "MissingContentLength"
    assert code(put(storage, url, b"abc", {"Content-Length": "4"})) == "IncompleteBody"
    for data, expected in ((b"abc", ""), (b"abd", "BadDigest")):
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        headers = {"x-amz-checksum-sha256": digest}
        signed = storage.presign("PUT", "c", now=NOW, expires=60, headers=headers)
        assert expected == code(put(storage, signed, b"abc", headers))
    headers = {"x-amz-content-sha256": hashlib.sha256(b"abd").hexdigest()}
    signed = storage.presign("PUT", "d", now=NOW, expires=60, headers=headers)
    assert code(put(storage, signed, b"abc", headers)) == "XAmzContentSHA256Mismatch"
    assert [storage.get("k"), storage.get("d")] == [None, None]


def send_parts(storage: Storage, upload: str, *bodies: bytes) -> list[tuple[int, str]]:
    parts = []
    for number, body in enumerate(bodies, start=1):
        url = storage.presign_part(upload, number, now=NOW, expires=60)
        parts.append((number, put(storage, url, body).headers["etag"]))
    return parts


def test_parts_become_one_object(storage: Storage) -> None:
    """Completed parts are one object with S3's ETag of ETags; the upload is gone then."""
    upload = storage.initiate("big")
    parts = send_parts(storage, upload, b"1111", b"2222", b"3")
    assert storage.get("big") is None
    stored = storage.complete(upload, parts)
    digests = b"".join(hashlib.md5(data).digest() for data in (b"1111", b"2222", b"3"))
    assert (b"111122223", f'"{md5(digests)}-3"') == (stored.blob.read(), stored.etag)
    with pytest.raises(StorageError, match="NoSuchUpload"):
        storage.complete(upload, parts)


def test_a_part_that_came_twice_is_counted(storage: Storage) -> None:
    """Each accepted PUT of a part counts; the last one is the part."""
    upload = storage.initiate("big")
    send_parts(storage, upload, b"1111", b"2222")
    url = storage.presign_part(upload, 2, now=NOW, expires=60)
    put(storage, url, b"zzzz", now=NOW + 61)
    put(storage, url, b"xxxx")
    assert {f"big?uploadId={upload}": {"1": 1, "2": 2}} == storage.puts.state()
    assert storage.parts(upload)[2].blob.read() == b"xxxx"


def test_complete_refuses_wrong_lists(storage: Storage) -> None:
    """Order, ETags, size and emptiness are checked, and the upload stays open."""
    upload = storage.initiate("big")
    parts = send_parts(storage, upload, b"1111", b"22", b"3")
    wrong = {
        "MalformedXML": [],
        "InvalidPartOrder": [parts[1], parts[0]],
        "InvalidPart": [parts[0], (2, parts[0][1])],
        "EntityTooSmall": parts,
    }
    for expected, given in wrong.items():
        with pytest.raises(StorageError) as caught:
            storage.complete(upload, given)
        assert expected == caught.value.code
    with pytest.raises(StorageError, match="InvalidPart"):
        storage.complete(upload, [(9, parts[0][1])])
    assert storage.complete(upload, parts[:2]).blob.read() == b"111122"


def test_parts_of_unknown_uploads_are_refused(storage: Storage) -> None:
    """After an abort a part answers 404 NoSuchUpload; a part number outside 1..10000 is a 400."""
    upload = storage.initiate("big")
    url = storage.presign_part(upload, 1, now=NOW, expires=60)
    beyond = storage.presign_part(upload, 10_001, now=NOW, expires=60)
    assert code(put(storage, beyond, b"1111")) == "InvalidArgument"
    storage.abort(upload)
    reply = put(storage, url, b"1111")
    assert (reply.status, code(reply)) == (404, "NoSuchUpload")
    assert storage.uploads() == {}


def test_objects_are_read_back(storage: Storage) -> None:
    """A signed GET and HEAD answer the object; copies and deletions work on the vendor's side."""
    put(storage, storage.presign("PUT", "a", now=NOW, expires=60), b"abc")
    storage.copy("a", "b")
    storage.delete("a")
    for method, body in (("GET", b"abc"), ("HEAD", b"")):
        call = Call.of(method, storage.presign(method, "b", now=NOW, expires=60))
        reply = storage.handle(call, NOW)
        assert (200, body, "3") == (reply.status, reply.body, reply.headers["content-length"])
    missing = Call.of("GET", storage.presign("GET", "a", now=NOW, expires=60))
    assert code(storage.handle(missing, NOW)) == "NoSuchKey"


def test_a_storage_owns_its_bucket_only(storage: Storage) -> None:
    """Calls to another host, or another bucket, are not the storage's."""
    assert storage.owns(Call.of("PUT", storage.url("k") + "?x=1"))
    assert not storage.owns(Call.of("PUT", "https://other.example/b1/k"))
    assert not storage.owns(Call.of("PUT", "https://s3.example/b2/k"))
