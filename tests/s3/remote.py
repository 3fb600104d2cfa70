"""A real S3 for tests: OpenStack Swift as a subprocess, and a storage that talks to it."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

from longshore.provider import Headers
from longshore.sandbox import (
    Blob,
    Call,
    Credentials,
    Reply,
    Storage,
    StorageError,
    StoredObject,
)

SERVER = Path(__file__).with_name("swift_server.py")
CREDENTIALS = Credentials("longshore:test", "swift-signing-key", "us-east-1")  # as the server has
BUCKET = "uploads"


def missing(folder: Path) -> str:
    """Say what keeps Swift from running here; "" if nothing does."""
    for module in ("swift", "eventlet"):
        if importlib.util.find_spec(module) is None:
            return f"the {module} package is not installed (dependency group s3)"
    if not hasattr(os, "setxattr"):
        return "Swift needs Linux"
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        try:
            os.setxattr(file.name, "user.swift.metadata", b"x" * 1024)
        except OSError as error:
            return f"the file system of {folder} keeps no user attributes: {error.strerror}"
    return ""


@dataclass(frozen=True)
class Swift:
    """A running server. `endpoint` is where its S3 interface is reached."""

    endpoint: str

    def storage(self, version: Literal[2, 4] = 4) -> RemoteStorage:
        """Return the bucket of the tests."""
        return RemoteStorage(self.endpoint, BUCKET, credentials=CREDENTIALS, version=version)

    def puts(self, upload_id: str) -> dict[int, int]:
        """Count how often each part of an upload was accepted."""
        body = send(Call.of("GET", f"{self.endpoint}/_puts")).body
        found: dict[int, int] = {}
        for name, count in json.loads(body).items():
            number, _, rest = name.partition("partNumber=")[2].partition("&")
            if rest == f"uploadId={upload_id}":
                found[int(number)] = count
        return found


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Swift]:
    """Start Swift with an empty bucket; it ends with this block, or with this process."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"Swift did not start: {process.communicate()[1].decode()}")
        swift = Swift(f"http://127.0.0.1:{json.loads(line)['port']}")
        swift.storage().make_bucket()
        yield swift
    finally:
        process.stdin.close()  # it ends by itself
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stdin = None
        process.communicate()


def send(call: Call) -> Reply:
    """Carry a call over HTTP exactly as it is."""
    parts = urlsplit(call.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.putrequest(call.method, target, skip_accept_encoding=True)
        for name, value in call.headers.items():
            connection.putheader(name, value)
        connection.endheaders(call.body.read())
        answer = connection.getresponse()
        return Reply(answer.status, _headers(answer), answer.read())
    finally:
        connection.close()


def _headers(answer: http.client.HTTPResponse) -> Headers:
    return Headers(answer.getheaders())


class RemoteStorage(Storage):
    """The kit's storage, with a real S3 in the place of its own rules.

    URLs are signed by the kit; what the vendor does with its bucket goes there through signed URLs
    too.
    """

    def make_bucket(self) -> None:
        """Create the bucket."""
        self._ask("PUT", "")

    def move(self, base: str) -> None:
        """Stay where the server is."""

    def owns(self, call: Call) -> bool:
        """Nothing comes by the vendor."""
        return False

    def handle(self, call: Call, now: float) -> Reply:
        """Let the server answer; `now` is its own."""
        return send(call)

    # ------------------------------------------------------------ the vendor's side

    def get(self, key: str) -> StoredObject | None:
        """Return an object, or None."""
        try:
            reply = self._ask("GET", key)
        except StorageError as error:
            if error.status != 404:
                raise
            return None
        kind = reply.headers.get("content-type", "")
        return StoredObject(Blob(reply.body), reply.headers["etag"], kind)

    def copy(self, source: str, target: str) -> StoredObject:
        """Copy an object on the server."""
        place = quote(f"/{self.bucket}/{source}")
        self._ask("PUT", target, headers={"x-amz-copy-source": place})
        stored = self.get(target)
        assert stored is not None
        return stored

    def delete(self, key: str) -> None:
        """Delete an object; it need not exist."""
        self._ask("DELETE", key)

    def initiate(self, key: str, content_type: str = "binary/octet-stream") -> str:
        """Begin a multipart upload and return its id."""
        reply = self._ask("POST", key, {"uploads": ""}, {"Content-Type": content_type})
        upload_id = _text(reply.body, "UploadId")
        self._keys[upload_id] = key
        return upload_id

    def presign_part(self, upload_id: str, number: int, *, now: float, expires: int) -> str:
        """Return a signed URL for the PUT of one part."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        return self.presign("PUT", self._keys[upload_id], now=now, expires=expires, query=query)

    def uploads(self) -> dict[str, str]:
        """Return the open multipart uploads: id -> key."""
        root = ET.fromstring(self._ask("GET", "", {"uploads": ""}).body)
        found = (
            {child.tag.rpartition("}")[2]: child.text or "" for child in upload}
            for upload in root.iter()
            if upload.tag.endswith("Upload")
        )
        return {upload["UploadId"]: upload["Key"] for upload in found}

    def abort(self, upload_id: str) -> None:
        """Drop a multipart upload and its parts."""
        self._ask("DELETE", self._keys[upload_id], {"uploadId": upload_id})

    def complete(
        self, upload_id: str, parts: Iterable[tuple[int, str]], now: float = 0.0
    ) -> StoredObject:
        """Assemble an object from (number, ETag) pairs."""
        entries = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for number, etag in parts
        )
        body = f"<CompleteMultipartUpload>{entries}</CompleteMultipartUpload>".encode()
        key = self._keys.get(upload_id, "no such key")
        self._ask("POST", key, {"uploadId": upload_id}, body=body)
        stored = self.get(key)
        assert stored is not None
        return stored

    @property
    def _keys(self) -> dict[str, str]:
        keys: dict[str, str] = self.__dict__.setdefault("keys_of_uploads", {})
        return keys

    def _ask(
        self,
        method: str,
        key: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        url = self.presign(method, key, now=time.time(), expires=60, query=query, headers=headers)
        reply = send(Call.of(method, url, headers or {}, body))
        if reply.status >= 300 or b"<Error>" in reply.body:
            code = _text(reply.body, "Code") if reply.body else ""
            raise StorageError(reply.status, code, f"{method} {key}: {reply.body!r}")
        return reply


def _text(body: bytes, name: str) -> str:
    """Return the text of the first element of that name."""
    for element in ET.fromstring(body).iter():
        if element.tag.rpartition("}")[2] == name:
            return element.text or ""
    return ""
