"""What the sink answers: the least of each vendor's protocol, and of S3, made up beforehand.

Addresses are ``/<vendor>/<options>/<the vendor's own path>``. Options, joined by ``-``:
``p8388608`` part size, ``f100`` files in a form, ``d50`` milliseconds before each answer,
``r`` jobs run for ever.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import Any, TypeAlias

__all__ = ["Answer", "Vendors"]

_TEBI = 1 << 40
_REASONS = {200: b"OK", 201: b"Created", 202: b"Accepted"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out, and after how many seconds."""

    data: bytes
    delay: float = 0.0

    @staticmethod
    def json(value: object, status: int = 200) -> Answer:
        """Answer with a JSON text."""
        return Answer(_reply(json.dumps(value).encode(), status))


def _reply(
    body: bytes, status: int = 200, kind: bytes = b"application/json", more: bytes = b""
) -> bytes:
    return b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\n%scontent-length: %d\r\n\r\n%s" % (
        status, _REASONS[status], kind, more, len(body), body,
    )  # fmt: skip


_STORED = _reply(b"", kind=b"text/plain", more=b'ETag: "9e107d9d372bb6826bd81d3542a419d6"\r\n')
_EMPTY = _reply(b"{}")
_S3_BEGUN = _reply(
    b"<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId>"
    b"</InitiateMultipartUploadResult>",
    kind=b"application/xml",
)
_S3_DONE = _reply(
    b"<CompleteMultipartUploadResult><Location>l</Location><Bucket>b</Bucket><Key>k</Key>"
    b'<ETag>"e-1"</ETag></CompleteMultipartUploadResult>',
    kind=b"application/xml",
)


@dataclass(frozen=True, slots=True)
class Options:
    """What a vendor's address says about it."""

    part: int = 8 << 20
    files: int = 1
    delay: float = 0.0
    running: bool = False

    @staticmethod
    def parse(text: str) -> Options:
        """Read ``p8388608-f100-d50-r``."""
        found: dict[str, Any] = {}
        for word in filter(None, text.split("-")):
            match word[0]:
                case "p":
                    found["part"] = int(word[1:])
                case "f":
                    found["files"] = int(word[1:])
                case "d":
                    found["delay"] = int(word[1:]) / 1000
                case "r":
                    found["running"] = True
        return Options(**found)


@dataclass(slots=True)
class Asked:
    """When one job was asked about."""

    times: int
    last: float
    least: float = float("inf")  # seconds between two polls


class Vendors:
    """Routes requests to the vendors' answers; remembers nothing but the polls of running jobs."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._known: dict[bytes, tuple[Protocol, Options]] = {}
        self._asked: dict[bytes, Asked] = {}

    def answer(self, head: bytes, body: bytes, *, secure: bool) -> Answer:
        """Answer one request."""
        method, target, _ = head.split(b" ", 2)
        if target.startswith((b"/put/", b"/s3/")):
            return Answer(_storage(method, target), _late(target))
        _, vendor, options, path = target.split(b"/", 3)
        prefix = vendor + b"/" + options
        if prefix not in self._known:
            self._known[prefix] = _PROTOCOLS[vendor.decode()], Options.parse(options.decode())
        protocol, parsed = self._known[prefix]
        if parsed.running and method == b"GET":
            self._note(target)
        data = protocol(Call(method, path, head, body, secure, next(self._ids), parsed))
        return Answer(data, parsed.delay)

    def _note(self, target: bytes) -> None:
        now = monotonic()
        asked = self._asked.get(target)
        if asked is None:
            self._asked[target] = Asked(1, now)
            return
        asked.least = min(asked.least, now - asked.last)
        asked.times, asked.last = asked.times + 1, now

    def polls(self) -> dict[str, float]:
        """Sum up the polls of running jobs since the last time, and forget them."""
        jobs = [asked for target, asked in self._asked.items() if b"config" not in target]
        told = {
            "jobs": float(len(jobs)),
            "polls": float(sum(asked.times for asked in jobs)),
            "least_polls": float(min((asked.times for asked in jobs), default=0)),
            "most_polls": float(max((asked.times for asked in jobs), default=0)),
            "least_gap": min((asked.least for asked in jobs), default=float("inf")),
        }
        self._asked.clear()
        return told


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a vendor."""

    method: bytes
    path: bytes
    head: bytes
    body: bytes
    secure: bool
    number: int
    options: Options

    def origin(self) -> str:
        """Return scheme and host, as the client called them."""
        host = next(
            line[5:].strip().decode()
            for line in self.head.split(b"\r\n")
            if line[:5].lower() == b"host:"
        )
        return f"{'https' if self.secure else 'http'}://{host}"


Protocol: TypeAlias = Callable[[Call], bytes]


def _storage(method: bytes, target: bytes) -> bytes:
    """Signed URLs and S3: one has the parts, the other the calls around them too."""
    if method != b"POST":
        return _STORED
    return _S3_BEGUN if b"uploads" in target else _S3_DONE


def _late(target: bytes) -> float:
    """Read from a signed URL how late its vendor answers, and so its storage."""
    _, late, milliseconds = target.partition(b"?late=")
    return int(milliseconds) / 1000 if late else 0.0


def _geolens(call: Call) -> bytes:
    match call.method, call.path:
        case b"GET", b"ingest/upload/config":
            config = {
                "presigned_uploads": True,
                "presigned_threshold_bytes": call.options.part,
                "max_file_size_bytes": _TEBI,
                "allowed_extensions": ".pdf",
            }
            return _reply(json.dumps(config).encode())
        case b"POST", b"ingest/upload/presigned":
            return _presign(call)
        case b"POST", path if path.startswith(b"ingest/commit/"):
            return _reply(b'{"job_id":"j","status":"pending","message":""}', 202)
        case b"GET", _:
            return _RUNNING if call.options.running else _COMPLETE
        case _:
            return _EMPTY


_RUNNING = _reply(b'{"status":"running","current_step":"x"}')
_COMPLETE = _reply(b'{"status":"complete","dataset_id":"d"}')


def _presign(call: Call) -> bytes:
    size, part = int(json.loads(call.body)["file_size"]), call.options.part
    parted = size > part
    parts = -(-size // part) if parted else 1
    base = f"{call.origin()}/put/{call.number}"
    late = f"?late={call.options.delay * 1000:.0f}" if call.options.delay else "?signature=0"
    reply = {
        "job_id": f"j{call.number}",
        "urls": [f"{base}/{number}{late}" for number in range(1, parts + 1)],
        "s3_key": "k",
        "upload_id": "u" if parted else None,
        "part_size": part if parted else None,
    }
    return _reply(json.dumps(reply).encode(), 201)


def _plangrep(call: Call) -> bytes:
    words = call.path.removeprefix(b"api/open/v1/").split(b"/")
    id, last = words[1], words[-1]
    if call.method == b"GET" and words[0] == b"projects":
        return _reply(b'{"project":{"id":"p","name":"p","status":"ready"}}')
    if call.method == b"GET":
        return _plangrep_job(id, b"processing" if call.options.running else b"completed")
    if last == b"jobs":
        return _plangrep_job(b"j%d" % call.number, b"awaiting_uploads", 202)
    if last == b"files":
        uploads = [{"documentId": f"{id.decode()}-{n}"} for n in range(call.options.files)]
        return _reply(json.dumps({"uploads": uploads}).encode(), 201)
    return _plangrep_job(id, b"preflighting", 202)


def _plangrep_job(id: bytes, status: bytes, code: int = 200) -> bytes:
    return _reply(b'{"job":{"id":"%s","status":"%s"}}' % (id, status), code)


def _subworkflow(call: Call) -> bytes:
    words = call.path.partition(b"?")[0].split(b"/")
    if call.method == b"GET" and words[-1] == b"jobs":
        return _reply(b'{"data":[]}')
    if call.method == b"GET":
        word = b"IN_PROGRESS" if call.options.running else b"SUCCESS"
        return _subworkflow_job(words[-1], word)
    match words[-1]:
        case b"start":
            return _reply(b'{"success":true,"data":{"key":"k%d"}}' % call.number)
        case b"append":
            return _reply(b'{"success":true,"data":{"etag":"e"}}')
        case _:
            return _subworkflow_job(b"j%d" % call.number, b"IN_QUEUE")


def _subworkflow_job(id: bytes, status: bytes) -> bytes:
    return _reply(b'{"data":{"id":"%s","datasetId":"d%s","status":"%s"}}' % (id, id, status))


def _sendai(call: Call) -> bytes:
    if call.method == b"POST":
        return _reply(b'{"id":"u%d","status":"processing"}' % call.number, 201)
    word = b"PROCESSING" if call.options.running else b"COMPLETED"
    id = call.path.rpartition(b"/")[2]
    return _reply(b'{"payload":{"id":"%s","status":"%s"}}' % (id, word))


_PROTOCOLS: dict[str, Protocol] = {
    "geolens": _geolens,
    "plangrep": _plangrep,
    "sendai": _sendai,
    "subworkflow": _subworkflow,
}
