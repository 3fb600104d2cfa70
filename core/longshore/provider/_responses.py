"""Responses as a flow gets them: their JSON, what they must fit, and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import from_json

from longshore.errors import LongshoreError, ProtocolError
from longshore.provider._headers import Headers
from longshore.redaction import excerpt, redact_text
from longshore.urls import is_absolute

__all__ = ["Refused", "Response", "upload_url"]

M = TypeVar("M", bound=BaseModel)

_MOST_WRONG = 3
_MOST_NESTED = 100
_SHOWN = 4096
_MOST_CONTAINERS = 2_000_000  # "[]," is 3 bytes of a reply and 30 times that in memory


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response, whole; the driver bounds its size.

    Attributes:
        status: the HTTP status.
        headers: all of them.
        body: as it came.
        received_at: when it came, by our clock; only questions after a lost answer are told:
            with the ``Date`` beside it, it says how far the two clocks are apart.
    """

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = field(default=b"", repr=False)  # may hold tokens
    received_at: float | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            ProtocolError: the body is no JSON, nested deeper than 100 levels, or made of more
                than two million lists and objects; the message shows its beginning.
        """
        containers = self.body.count(b"[") + self.body.count(b"{")
        if containers > _MOST_CONTAINERS:
            raise ProtocolError(
                f"the vendor's reply (status {self.status}) has too many parts: {containers:,} "
                f"lists and objects; it said {excerpt(self.body[:_SHOWN])}",
                status=self.status,
            )
        try:
            value = _decoded(self.body)
            if containers > _MOST_NESTED:  # the usual reply has fewer: nothing to walk through
                _check_depth(value)
            return value
        except (ValueError, RecursionError):
            raise ProtocolError(
                f"the vendor's reply (status {self.status}) is not JSON: {excerpt(self.body)}",
                hint="check that base_url is the address of the API, not of a web page",
                status=self.status,
            ) from None

    def parse(self, model: type[M]) -> M:
        """Return the body as a pydantic model.

        Raises:
            ProtocolError: the body cannot be used; the message says what is wrong and shows it.
        """
        try:
            return model.model_validate(self.json())
        except ValidationError as error:
            errors = error.errors(include_url=False, include_context=False, include_input=False)
            wrong = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'reply'}: {redact_text(e['msg'])}"
                for e in errors[:_MOST_WRONG]
            )
            if len(errors) > _MOST_WRONG:
                wrong += f"; and {len(errors) - _MOST_WRONG} more"
            raise ProtocolError(
                f"the vendor's reply cannot be used: {wrong}; it said {excerpt(self.body)}",
                status=self.status,
            ) from None

    @classmethod
    def of(cls, value: JsonValue, status: int = 200) -> Response:
        """Make a JSON response, for the answer of an ``ask`` flow."""
        return cls(status, Headers(), json.dumps(value).encode())


def _decoded(body: bytes) -> Any:
    """Read JSON; ``json`` takes six times as long, and is asked about what is no strict UTF-8."""
    try:
        return from_json(body, cache_strings="keys")
    except ValueError:
        value = json.loads(body)
    # Half a surrogate, escaped or not, could be neither stored nor printed later.
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _check_depth(value: Any) -> None:
    """Refuse what is nested so deep that it could not be kept, redacted or shown.

    Raises:
        ValueError: it is.
    """
    level = [value]
    for _ in range(_MOST_NESTED):
        level = [inner for outer in level for inner in _members(outer)]
        if not level:
            return
    raise ValueError("nested too deeply")


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def upload_url(url: str) -> str:
    """Return the address of a signed upload, as a vendor's reply gives it.

    Raises:
        ProtocolError: it is not absolute, so it would go to the vendor's API, with the key.
    """
    if not is_absolute(url):
        raise ProtocolError(
            f"the upload URL is not absolute: {excerpt(url.encode(errors='replace'))}"
        )
    return url


class Refused(Exception):
    """Thrown into a flow where a request was answered by a status of 300 or more.

    A flow that knows what to do catches it; otherwise ``error`` decides what becomes of the
    batch, the document or the account. Redirects are not followed: where a vendor means one
    (303), the flow reads it from ``response``.
    """

    def __init__(self, response: Response, error: LongshoreError) -> None:
        super().__init__(error.message)
        self.response = response
        self.error = error

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status
