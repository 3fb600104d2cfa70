"""One table of cases, asked of the kit's storage and of a real S3: the answers are the same.

Left out is what the two may answer differently: calls without any signature (Swift has another
API there), a second completion (Swift repeats its first answer), URLs from the future.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from longshore.sandbox import Call, Reply, Storage, StorageError
from tests.s3.remote import Swift

pytestmark = pytest.mark.process

PART = 65_536  # the smallest that both take here
KEY = "staging/ä b+c.tif"
NO_ETAG = f'"{"0" * 32}"'

Answer = tuple[int, str]


@dataclass
class Bucket:
    """A storage and how a client speaks to it.

    Attributes:
        etags: of the parts that were sent, by number.
    """

    storage: Storage
    etags: dict[int, str] = field(default_factory=dict)

    def sign(self, method: str = "PUT", age: float = 0, **options: Mapping[str, str]) -> str:
        """Sign a URL that holds for a minute, some seconds ago."""
        return self.storage.presign(method, KEY, now=time.time() - age, expires=60, **options)

    def call(
        self,
        url: str,
        body: bytes = b"abc",
        headers: Mapping[str, str] | None = None,
        method: str = "PUT",
    ) -> Answer:
        """Send a request; return the status, and the code of an error or the ETag."""
        reply = self.storage.handle(Call.of(method, url, headers or {}, body), time.time())
        return reply.status, _code(reply) or reply.headers.get("etag", "")

    def parts(self, *bodies: bytes) -> str:
        """Begin an upload and send its parts; return its id."""
        upload_id = self.storage.initiate(KEY, "image/tiff")
        for number, body in enumerate(bodies, 1):
            url = self.storage.presign_part(upload_id, number, now=time.time(), expires=60)
            status, self.etags[number] = self.call(url, body)
            assert status == 200
        return upload_id

    def complete(self, upload_id: str, *numbers: int, **etags: str) -> Answer:
        """Complete an upload; return the status, and the code of an error or the ETag."""
        pairs = [(number, etags.get(f"etag{number}", self.etags[number])) for number in numbers]
        try:
            return 200, self.storage.complete(upload_id, pairs).etag
        except StorageError as error:
            return error.status, error.code


def _code(reply: Reply) -> str:
    found = re.search(rb"<Code>(\w+)</Code>", reply.body)
    return found[1].decode() if found else ""


# ---------------------------------------------------------------------- one PUT


def single_put(bucket: Bucket) -> Answer:
    typed = {"Content-Type": "image/tiff"}
    return bucket.call(bucket.sign(headers=typed), headers=typed)


def another_type(bucket: Bucket) -> Answer:
    url = bucket.sign(headers={"Content-Type": "image/tiff"})
    return bucket.call(url, headers={"Content-Type": "image/png"})


def expired(bucket: Bucket) -> Answer:
    return bucket.call(bucket.sign(age=61))


def wrong_signature(bucket: Bucket) -> Answer:
    old = re.compile("(?<=Signature=)(?:%..|.)")  # base64 may begin with an escaped + or /
    return bucket.call(old.sub(lambda found: "b" if found[0] == "a" else "a", bucket.sign()))


def another_key(bucket: Bucket) -> Answer:
    return bucket.call(bucket.sign().replace("staging", "other"))


def another_method(bucket: Bucket) -> Answer:
    return bucket.call(bucket.sign(), b"", method="GET")


def wrong_checksum(bucket: Bucket) -> Answer:
    declared = {"x-amz-checksum-sha256": base64.b64encode(bytes(32)).decode()}
    return bucket.call(bucket.sign(headers=declared), headers=declared)


def wrong_md5(bucket: Bucket) -> Answer:
    declared = {"Content-MD5": base64.b64encode(bytes(16)).decode()}
    return bucket.call(bucket.sign(headers=declared), headers=declared)


def header_that_was_not_signed(bucket: Bucket) -> Answer:
    status, _ = bucket.call(bucket.sign(), headers={"x-amz-meta-who": "me"})
    return status, ""  # the code depends on the version of the signature


def nothing_there(bucket: Bucket) -> Answer:
    bucket.storage.delete(KEY)
    return bucket.call(bucket.sign("GET"), b"", method="GET")


def read_back(bucket: Bucket) -> Answer:
    bucket.call(bucket.sign(), b"abcd")
    return bucket.call(bucket.sign("GET"), b"", method="GET")


# ---------------------------------------------------------------------- parts


def multipart(bucket: Bucket) -> Answer:
    upload_id = bucket.parts(bytes(PART), b"end")
    answer = bucket.complete(upload_id, 1, 2)
    stored = bucket.storage.get(KEY)
    assert stored is not None
    assert bytes(stored.blob) == bytes(PART) + b"end"
    return answer


def bare_etags(bucket: Bucket) -> Answer:
    upload_id = bucket.parts(b"one")
    return bucket.complete(upload_id, 1, etag1=bucket.etags[1].strip('"'))


def part_again(bucket: Bucket) -> Answer:
    upload_id = bucket.parts(b"one")
    url = bucket.storage.presign_part(upload_id, 1, now=time.time(), expires=60)
    bucket.etags[1] = bucket.call(url, b"two")[1]
    return bucket.complete(upload_id, 1)


def expired_part(bucket: Bucket) -> Answer:
    upload_id = bucket.storage.initiate(KEY)
    signed_at = time.time() - 61
    return bucket.call(bucket.storage.presign_part(upload_id, 1, now=signed_at, expires=60))


def another_part(bucket: Bucket) -> Answer:
    upload_id = bucket.storage.initiate(KEY)
    url = bucket.storage.presign_part(upload_id, 1, now=time.time(), expires=60)
    return bucket.call(url.replace("partNumber=1", "partNumber=2"))


def part_zero(bucket: Bucket) -> Answer:
    upload_id = bucket.storage.initiate(KEY)
    return bucket.call(bucket.storage.presign_part(upload_id, 0, now=time.time(), expires=60))


def part_too_many(bucket: Bucket) -> Answer:
    upload_id = bucket.storage.initiate(KEY)
    return bucket.call(bucket.storage.presign_part(upload_id, 10_001, now=time.time(), expires=60))


def part_of_another_key(bucket: Bucket) -> Answer:
    upload_id = bucket.storage.initiate("elsewhere")
    return bucket.call(bucket.sign(query={"partNumber": "1", "uploadId": upload_id}))


def part_of_no_upload(bucket: Bucket) -> Answer:
    return bucket.call(bucket.sign(query={"partNumber": "1", "uploadId": "no-such-upload"}))


def wrong_etag(bucket: Bucket) -> Answer:
    return bucket.complete(bucket.parts(b"one"), 1, etag1=NO_ETAG)


def missing_part(bucket: Bucket) -> Answer:
    upload_id = bucket.parts(bytes(PART))
    bucket.etags[3] = bucket.etags[1]
    return bucket.complete(upload_id, 1, 3)


def wrong_order(bucket: Bucket) -> Answer:
    return bucket.complete(bucket.parts(bytes(PART), b"end"), 2, 1)


def same_part_twice(bucket: Bucket) -> Answer:
    return bucket.complete(bucket.parts(bytes(PART)), 1, 1)


def small_part(bucket: Bucket) -> Answer:
    return bucket.complete(bucket.parts(bytes(PART - 1), b"end"), 1, 2)


def no_parts(bucket: Bucket) -> Answer:
    return bucket.complete(bucket.parts(b"one"))


def after_an_abort(bucket: Bucket) -> Answer:
    upload_id = bucket.parts(b"one")
    url = bucket.storage.presign_part(upload_id, 2, now=time.time(), expires=60)
    bucket.storage.abort(upload_id)
    return bucket.call(url)


def mended(bucket: Bucket) -> Answer:
    upload_id = bucket.parts(b"one")
    assert bucket.complete(upload_id, 1, etag1=NO_ETAG) == (400, "InvalidPart")
    return bucket.complete(upload_id, 1)


def etag(*parts: bytes) -> str:
    """Return S3's ETag of an object that was put together from parts."""
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"'


CASES: tuple[tuple[Callable[[Bucket], Answer], Answer], ...] = (
    (single_put, (200, '"900150983cd24fb0d6963f7d28e17f72"')),
    (another_type, (403, "SignatureDoesNotMatch")),
    (expired, (403, "AccessDenied")),
    (wrong_signature, (403, "SignatureDoesNotMatch")),
    (another_key, (403, "SignatureDoesNotMatch")),
    (another_method, (403, "SignatureDoesNotMatch")),
    (wrong_checksum, (400, "BadDigest")),
    (wrong_md5, (400, "BadDigest")),
    (header_that_was_not_signed, (403, "")),
    (nothing_there, (404, "NoSuchKey")),
    (read_back, (200, '"e2fc714c4727ee9395f324cd2e7f331f"')),
    (multipart, (200, etag(bytes(PART), b"end"))),
    (bare_etags, (200, etag(b"one"))),
    (part_again, (200, etag(b"two"))),
    (expired_part, (403, "AccessDenied")),
    (another_part, (403, "SignatureDoesNotMatch")),
    (part_zero, (400, "InvalidArgument")),
    (part_too_many, (400, "InvalidArgument")),
    (part_of_another_key, (404, "NoSuchUpload")),
    (part_of_no_upload, (404, "NoSuchUpload")),
    (wrong_etag, (400, "InvalidPart")),
    (missing_part, (400, "InvalidPart")),
    (wrong_order, (400, "InvalidPartOrder")),
    (same_part_twice, (400, "InvalidPartOrder")),
    (small_part, (400, "EntityTooSmall")),
    (no_parts, (400, "MalformedXML")),
    (after_an_abort, (404, "NoSuchUpload")),
    (mended, (200, etag(b"one"))),
)


@pytest.fixture(params=[2, 4], ids=["v2", "v4"])
def version(request: pytest.FixtureRequest) -> Literal[2, 4]:
    """The version of the signature."""
    found: Literal[2, 4] = request.param
    return found


@pytest.mark.parametrize(
    ("case", "expected"), [pytest.param(*case, id=case[0].__name__) for case in CASES]
)
def test_the_kit_answers_as_s3_does(
    swift: Swift, version: Literal[2, 4], case: Callable[[Bucket], Answer], expected: Answer
) -> None:
    """The same calls get the same status and code from the kit's storage and from Swift."""
    kit = Storage(credentials=swift.storage().credentials, version=version, minimum_part=PART)
    answers = {"kit": case(Bucket(kit)), "swift": case(Bucket(swift.storage(version)))}
    assert answers == {"kit": expected, "swift": expected}
