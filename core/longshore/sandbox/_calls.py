"""What goes into a vendor's core and what comes out of it: calls and replies, without I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, NoReturn
from urllib.parse import SplitResult, parse_qsl, urlsplit

from longshore.provider import Headers
from longshore.sandbox._blob import Blob
from longshore.sandbox._forms import BadForm, Form, parse_form

MAX_JSON = 16 << 20


class BadCall(Exception):
    """The call cannot be read; the vendor puts it into its own error form.

    Attributes:
        status: the HTTP status that fits (400, 411, 413 or 415).
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Refuse(Exception):
    """Raised anywhere inside a vendor's handler: `reply` is what the client gets."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"refused with {reply.status}")
        self.reply = reply


@dataclass(frozen=True)
class Call:
    """One request as a vendor sees it.

    Attributes:
        method: upper case.
        url: in full, as it arrived: scheme, host, raw path and query.
        headers: see `Headers`. In-memory callers may leave out `Host`.
        body: the bytes, unparsed.
        root: the path of the base URL under which the vendor lives; not part of `path`.
    """

    method: str
    url: str
    headers: Headers = field(default_factory=Headers)
    body: Blob = field(default_factory=Blob)
    root: str = ""

    @classmethod
    def of(
        cls,
        method: str,
        url: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes | Blob = b"",
        *,
        root: str = "",
    ) -> Call:
        """Build a call from plain values; Content-Length is added where it is missing."""
        blob = Blob(body) if isinstance(body, bytes) else body
        known = Headers(headers)
        method = method.upper()
        framed = "content-length" in known or "transfer-encoding" in known
        if not framed and (blob.size or method in ("POST", "PUT", "PATCH")):
            known = Headers({**known, "content-length": str(blob.size)})
        return cls(method, url, known, blob, root)

    def under(self, root: str) -> Call:
        """Return the same call as seen by a vendor whose base URL has the path `root`."""
        return self if root == self.root else replace(self, root=root)

    @cached_property
    def parts(self) -> SplitResult:
        """The URL, split."""
        return urlsplit(self.url)

    @cached_property
    def path(self) -> str:
        """The raw (percent-encoded) path below `root`; the whole path if it is elsewhere."""
        path = self.parts.path or "/"
        if self.root and (path + "/").startswith(self.root.rstrip("/") + "/"):
            return path[len(self.root.rstrip("/")) :] or "/"
        return path

    @cached_property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The decoded query as pairs, in order."""
        return pairs_of(self.parts.query)

    def param(self, name: str, default: str = "") -> str:
        """Return the first query value of that name."""
        return next((value for key, value in self.query if key == name), default)

    @property
    def bearer(self) -> str:
        """The token of `Authorization: Bearer <token>`; empty if there is none."""
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if kind.lower() == "bearer" else ""

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Parse the body as strict JSON.

        Raises:
            BadCall: wrong Content-Type (415), too large (413), or no JSON (400).
        """
        if self.media_type != "application/json" and not self.media_type.endswith("+json"):
            raise BadCall(f"expected application/json, got {self.media_type or 'nothing'}", 415)
        if self.body.size > MAX_JSON:
            raise BadCall("the JSON body is too large", 413)
        try:
            data = self.body.read()
            return _DECODER.decode(data.decode(json.detect_encoding(data), "surrogatepass"))
        except (ValueError, RecursionError) as error:
            raise BadCall(f"the body is not JSON: {error}") from None

    def json_object(self) -> dict[str, Any]:
        """Parse the body as a JSON object; an empty body is an empty object.

        Raises:
            BadCall: as `json`, or when the value is not an object.
        """
        value = self.json() if self.body.size else {}
        if not isinstance(value, dict):
            raise BadCall("the JSON body must be an object")
        return value

    def form(self) -> Form:
        """Parse the body as `multipart/form-data`, strictly (RFC 7578).

        Raises:
            BadCall: wrong Content-Type (415), no length (411), wrong length or wrong form (400).
        """
        if self.media_type != "multipart/form-data":
            raise BadCall(f"expected multipart/form-data, got {self.media_type or 'nothing'}", 415)
        self.check_length()
        try:
            return parse_form(self.headers["content-type"], self.body)
        except BadForm as error:
            raise BadCall(str(error)) from None

    def check_length(self) -> None:
        """Compare the body with its Content-Length.

        Raises:
            BadCall: no length and not chunked (411), or another length than came (400).
        """
        declared = self.headers.get("content-length")
        if declared is None:
            if "chunked" not in self.headers.get("transfer-encoding", "").lower():
                raise BadCall("Content-Length is missing", 411)
        elif declared != str(self.body.size):
            raise BadCall(f"Content-Length is {declared} but {self.body.size} bytes came")


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@lru_cache(maxsize=1024)
def pairs_of(query: str) -> tuple[tuple[str, str], ...]:
    """Decode a query into pairs, in order."""
    return tuple(parse_qsl(query, keep_blank_values=True))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


@dataclass(frozen=True)
class Reply:
    """One answer of a vendor.

    Attributes:
        delay: seconds to wait before the answer leaves: the shell sleeps, a simulator moves
            its clock. Set by faults.
    """

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    delay: float = 0.0

    @classmethod
    def of(
        cls, status: int, body: bytes, media_type: str, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Answer with bytes of a media type; `headers` win over the defaults."""
        known = {"content-type": media_type}
        return cls(status, Headers({**known, **Headers(headers)} if headers else known), body)

    @classmethod
    def json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Answer with JSON (UTF-8, compact, keys in the order given)."""
        return cls.of(status, _ENCODER.encode(value).encode(), "application/json", headers)

    @classmethod
    def text(cls, status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Answer with plain text."""
        return cls.of(status, text.encode(), "text/plain; charset=utf-8", headers)

    @classmethod
    def empty(cls, status: int = 204, headers: Mapping[str, str] | None = None) -> Reply:
        """Answer without a body."""
        return cls(status, Headers(headers or {}))

    def with_header(self, name: str, value: str) -> Reply:
        """Return this answer with one more header field."""
        return replace(self, headers=Headers({**self.headers, name.lower(): value}))

    def retry_after(self, seconds: int) -> Reply:
        """Return this answer with `Retry-After`."""
        return self.with_header("retry-after", str(seconds))

    def value(self) -> Any:
        """Return the body as JSON, for tests and simulators."""
        return json.loads(self.body)
