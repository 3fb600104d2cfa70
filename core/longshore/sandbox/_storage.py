"""A strict fake of S3's signed uploads: what vendors hand out signed URLs for.

Error codes and their statuses: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Literal
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from longshore.provider import Headers
from longshore.sandbox._blob import Blob
from longshore.sandbox._blocks import PartCounts
from longshore.sandbox._calls import BadCall, Call, Reply
from longshore.sandbox._signing import (
    UNSIGNED,
    Credentials,
    SignatureRefused,
    encode,
    presign_v2,
    presign_v4,
    verify,
)

MINIMUM_PART = 5 << 20
MAXIMUM_PUT = 5 << 30
MAXIMUM_PARTS = 10_000


class StorageError(Exception):
    """A refusal of the storage. `code` is S3's, e.g. `InvalidPart`; `status` is the HTTP one."""

    def __init__(self, status: int, code: str, message: str, **details: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details


@dataclass(frozen=True)
class StoredObject:
    """One object: `etag` carries its double quotes."""

    blob: Blob
    etag: str
    content_type: str


@dataclass
class _Multipart:
    key: str
    content_type: str
    parts: dict[int, StoredObject] = field(default_factory=dict)


@lru_cache(maxsize=256)
def _place_of(prefix: str) -> tuple[str, str]:
    parts = urlsplit(prefix)
    return parts.netloc, parts.path


class Storage:
    """One bucket behind signed URLs.

    Args:
        base: absolute URL under which it is reached, without the bucket.
        bucket: its name.
        credentials: who signs; their region is part of version 4 signatures.
        version: 2 or 4: the signature of the URLs made here. Both are accepted.
        minimum_part: bytes that every part but the last must have (S3: 5 MiB).

    Attributes:
        puts: accepted PUTs by `key` (single, as number 1) or `key?uploadId=...` (parts).
    """

    def __init__(
        self,
        base: str = "https://s3.storage.example",
        bucket: str = "uploads",
        *,
        credentials: Credentials | None = None,
        version: Literal[2, 4] = 4,
        minimum_part: int = MINIMUM_PART,
    ) -> None:
        self.base = base.rstrip("/")
        self.bucket = bucket
        self.credentials = credentials or Credentials()
        self.version = version
        self.minimum_part = minimum_part
        self.puts = PartCounts()
        self._objects: dict[str, StoredObject] = {}
        self._uploads: dict[str, _Multipart] = {}
        self._initiated = 0
        self._refused = 0

    # ------------------------------------------------------------ addresses

    def move(self, base: str) -> None:
        """Be reached under another base from now on (done by the shell).

        URLs signed before are no longer good: host and path are part of the signature.
        """
        self.base = base.rstrip("/")

    def url(self, key: str) -> str:
        """Return the unsigned URL of a key."""
        return self._prefix() + encode(key, safe="/")

    def _prefix(self) -> str:
        return f"{self.base}/{self.bucket}/"

    def owns(self, call: Call) -> bool:
        """Tell whether a call's URL lies in this bucket."""
        netloc, path = self._place()
        return call.parts.netloc == netloc and call.parts.path.startswith(path)

    def _place(self) -> tuple[str, str]:
        return _place_of(self._prefix())

    def _key(self, url: str) -> str:
        return unquote(self._raw_key(url))

    def _raw_key(self, url: str) -> str:
        return urlsplit(url).path[len(self._place()[1]) :]

    def _resource(self, url: str) -> str:
        """Return what version 2 signs instead of the host: no path of the base is part of it."""
        return f"/{self.bucket}/{self._raw_key(url)}"

    def presign(
        self,
        method: str,
        key: str,
        *,
        now: float,
        expires: int,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Return a signed URL.

        Args:
            method: PUT, GET or HEAD.
            key: of the object.
            now: Unix time of signing.
            expires: seconds for which it holds.
            query: signed query parameters.
            headers: headers that the client must send exactly so, e.g. Content-Type or
                x-amz-checksum-sha256.
        """
        url = self.url(key)
        if query:
            url += "?" + "&".join(f"{encode(k)}={encode(v)}" for k, v in query.items())
        if self.version == 4:
            return presign_v4(
                method, url, self.credentials, now=now, expires=expires, headers=headers
            )
        return presign_v2(
            method,
            url,
            self.credentials,
            resource=self._resource(url),
            now=now,
            expires=expires,
            headers=headers,
        )

    def presign_part(self, upload_id: str, number: int, *, now: float, expires: int) -> str:
        """Return a signed URL for the PUT of one part of a multipart upload."""
        key, query = self._upload(upload_id).key, {"uploadId": upload_id, "partNumber": str(number)}
        return self.presign("PUT", key, now=now, expires=expires, query=query)

    # ------------------------------------------------------------ the vendor's side

    def get(self, key: str) -> StoredObject | None:
        """Return an object, or None."""
        return self._objects.get(key)

    def copy(self, source: str, target: str) -> StoredObject:
        """Copy an object.

        Raises:
            StorageError: NoSuchKey.
        """
        if source not in self._objects:
            raise StorageError(404, "NoSuchKey", "The specified key does not exist.")
        self._objects[target] = self._objects[source]
        return self._objects[target]

    def delete(self, key: str) -> None:
        """Delete an object; it need not exist."""
        self._objects.pop(key, None)

    def initiate(self, key: str, content_type: str = "binary/octet-stream") -> str:
        """Begin a multipart upload and return its id."""
        self._initiated += 1
        name = f"{self.bucket}/{key}/{self._initiated}"
        upload_id = hashlib.sha256(name.encode()).hexdigest()[:40]
        self._uploads[upload_id] = _Multipart(key, content_type)
        return upload_id

    def uploads(self) -> dict[str, str]:
        """Return the open multipart uploads: id -> key."""
        return {upload_id: upload.key for upload_id, upload in self._uploads.items()}

    def parts(self, upload_id: str) -> dict[int, StoredObject]:
        """Return the parts that an open upload holds.

        Raises:
            StorageError: NoSuchUpload.
        """
        return dict(self._upload(upload_id).parts)

    def abort(self, upload_id: str) -> None:
        """Drop a multipart upload and its parts.

        Raises:
            StorageError: NoSuchUpload.
        """
        self._upload(upload_id)
        del self._uploads[upload_id]

    def complete(self, upload_id: str, parts: Iterable[tuple[int, str]]) -> StoredObject:
        """Assemble an object from (number, ETag) pairs; quotes around the ETag are optional.

        Raises:
            StorageError: NoSuchUpload, MalformedXML (no parts), InvalidPartOrder, InvalidPart or
                EntityTooSmall. The upload stays open.
        """
        upload = self._upload(upload_id)
        pairs = list(parts)
        numbers = [number for number, _ in pairs]
        if not pairs:
            raise StorageError(400, "MalformedXML", "The list of parts is empty.")
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            raise StorageError(400, "InvalidPartOrder", "The parts are not in ascending order.")
        chosen = [self._chosen(upload, number, etag) for number, etag in pairs]
        for number, part in zip(numbers[:-1], chosen[:-1], strict=True):
            if part.blob.size < self.minimum_part:
                message = "Your proposed upload is smaller than the minimum allowed object size."
                raise StorageError(400, "EntityTooSmall", message, PartNumber=str(number))
        digests = b"".join(bytes.fromhex(part.blob.md5) for part in chosen)
        etag = f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(chosen)}"'
        blob = Blob.join(part.blob for part in chosen)
        self._objects[upload.key] = StoredObject(blob, etag, upload.content_type)
        del self._uploads[upload_id]
        return self._objects[upload.key]

    @staticmethod
    def _chosen(upload: _Multipart, number: int, etag: str) -> StoredObject:
        part = upload.parts.get(number)
        if part is None or part.etag.strip('"') != etag.strip('"'):
            message = "One or more of the specified parts could not be found, or its ETag differs."
            raise StorageError(400, "InvalidPart", message, PartNumber=str(number))
        return part

    def _upload(self, upload_id: str) -> _Multipart:
        if upload_id not in self._uploads:
            message = "The specified upload does not exist."
            raise StorageError(404, "NoSuchUpload", message, UploadId=upload_id)
        return self._uploads[upload_id]

    # ------------------------------------------------------------ the client's side

    def handle(self, call: Call, now: float) -> Reply:
        """Answer a call to a signed URL: PUT of an object or a part, GET, HEAD."""
        try:
            resource = self._resource(call.url)
            verify(
                call.method, call.url, call.headers, self.credentials, now=now, resource=resource
            )
            return self._answer(call)
        except SignatureRefused as error:
            return self._error(error.status, error.code, str(error), error.details)
        except StorageError as error:
            return self._error(error.status, error.code, error.message, error.details)

    def _answer(self, call: Call) -> Reply:
        if call.method == "PUT":
            return self._receive(call)
        stored = self._objects.get(self._key(call.url))
        if call.method not in ("GET", "HEAD"):
            raise StorageError(405, "MethodNotAllowed", "The method is not allowed here.")
        if stored is None:
            raise StorageError(404, "NoSuchKey", "The specified key does not exist.")
        headers = {"ETag": stored.etag, "Content-Length": str(stored.blob.size)}
        headers["Content-Type"] = stored.content_type or "binary/octet-stream"
        body = stored.blob.read() if call.method == "GET" else b""
        return Reply(200, Headers(headers), body)

    def _receive(self, call: Call) -> Reply:
        key, upload_id, number = self._key(call.url), call.param("uploadId"), 1
        upload = None
        if upload_id or call.param("partNumber"):
            upload, number = self._target(key, upload_id, call.param("partNumber"))
        _check_body(call)
        kind = call.headers.get("content-type", "binary/octet-stream")
        stored = StoredObject(call.body, f'"{call.body.md5}"', kind)
        if upload is None:
            self._objects[key] = stored
            self.puts.add(key, 1)
        else:
            upload.parts[number] = stored
            self.puts.add(f"{key}?uploadId={upload_id}", number)
        return Reply.empty(200, {"ETag": stored.etag})

    def _target(self, key: str, upload_id: str, number: str) -> tuple[_Multipart, int]:
        upload = self._upload(upload_id)
        if upload.key != key:
            raise StorageError(404, "NoSuchUpload", "The upload belongs to another key.")
        if not re.fullmatch("[0-9]{1,5}", number) or not 1 <= int(number) <= MAXIMUM_PARTS:
            message = f"Part number must be an integer between 1 and {MAXIMUM_PARTS}, inclusive"
            raise StorageError(400, "InvalidArgument", message, ArgumentValue=number)
        return upload, int(number)

    def _error(self, status: int, code: str, message: str, details: Mapping[str, str]) -> Reply:
        self._refused += 1
        request_id = f"{self._refused:016X}"
        fields = {"Code": code, "Message": message, **details, "RequestId": request_id}
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
        return Reply.of(status, text.encode(), "application/xml")


def _check_body(call: Call) -> None:
    """Compare length and checksums with the bytes that came.

    Raises:
        StorageError: MissingContentLength, IncompleteBody, EntityTooLarge, InvalidDigest,
            BadDigest or XAmzContentSHA256Mismatch.
    """
    if "content-length" not in call.headers:
        message = "You must provide the Content-Length HTTP header."
        raise StorageError(411, "MissingContentLength", message)
    try:
        call.check_length()
    except BadCall as error:
        raise StorageError(400, "IncompleteBody", str(error)) from None
    if call.body.size > MAXIMUM_PUT:
        raise StorageError(400, "EntityTooLarge", "A single PUT takes at most 5 GiB.")
    for header, algorithm in (
        ("content-md5", "md5"),
        ("x-amz-checksum-sha256", "sha256"),
        ("x-amz-checksum-sha1", "sha1"),
    ):
        if header in call.headers:
            _check_digest(call, header, algorithm)
    declared = call.headers.get("x-amz-content-sha256", UNSIGNED)
    if declared != UNSIGNED and declared != call.body.sha256:  # noqa: PLR1714 (hash last)
        message = "The provided x-amz-content-sha256 header does not match what was computed."
        raise StorageError(400, "XAmzContentSHA256Mismatch", message)


def _check_digest(call: Call, header: str, algorithm: str) -> None:
    try:
        declared = base64.b64decode(call.headers[header], validate=True).hex()
    except binascii.Error:
        declared = ""
    if len(declared) != len(call.body.digest(algorithm)):
        raise StorageError(400, "InvalidDigest", f"The {header} you specified is not valid.")
    if declared != call.body.digest(algorithm):
        message = f"The {header} you specified did not match the calculated checksum."
        raise StorageError(400, "BadDigest", message)
