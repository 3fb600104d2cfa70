"""Requests, responses and bodies: what a flow exchanges with its vendor, described, not done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import from_json

from longshore.documents import Document, Piece
from longshore.errors import LongshoreError, ProtocolError
from longshore.lifecycle import Session
from longshore.provider._headers import Headers
from longshore.redaction import excerpt, redact_text
from longshore.urls import is_absolute

if TYPE_CHECKING:
    from longshore.provider._flows import Flow

__all__ = [
    "Abandon", "Answer", "Ask", "Body", "Bytes", "File", "Found", "Headers", "Json",
    "LostRequest", "Multipart", "NotDone", "Raw", "Refused", "Remedy", "Request", "Response",
    "Retry", "Undecided", "upload_url",
]  # fmt: skip

M = TypeVar("M", bound=BaseModel)

_MOST_WRONG = 3
_MOST_NESTED = 100
_SHOWN = 4096
_MOST_CONTAINERS = 2_000_000  # "[]," is 3 bytes of a reply and 30 times that in memory


# ------------------------------------------------------------------------------- bodies


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON body, sent without spaces and with its keys in the order given."""

    value: JsonValue


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that is a byte range of a document; the driver streams it."""

    piece: Piece
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Bytes:
    """A small body made by the flow itself."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class File:
    """A form field that carries a byte range of a document under a file name."""

    piece: Piece
    filename: str
    media_type: str = "application/octet-stream"

    @classmethod
    def of(cls, document: Document, piece: Piece | None = None) -> File:
        """Carry a document (or one piece of it) under its own name and media type."""
        return cls(piece or document.whole(), document.name, document.media_type)


@dataclass(frozen=True, slots=True)
class Multipart:
    """A ``multipart/form-data`` body; fields go out in the order given."""

    fields: tuple[tuple[str, str | File], ...]


Body: TypeAlias = Json | Raw | Bytes | Multipart


# ----------------------------------------------------------------- what a lost answer means


class Retry(Enum):
    """What may be done when it is not known whether the vendor got the request."""

    SAFE = "safe"
    """It changes nothing: send it again."""
    IDEMPOTENT = "idempotent"
    """Sent twice it does the same as once: send it again.

    What makes a job, or sets one to work, is this only where the vendor documents it: a request
    whose answer is lost leaves again without a record, and nobody would see the second job.
    """
    KEYED = "keyed"
    """The vendor knows it again by its key: send it again with the same key."""
    ONCE = "once"
    """Sent twice it may act twice: see the request's remedy."""


class Remedy(Enum):
    """What follows when the answer to a ``ONCE`` request is lost."""

    HOLD = "hold"
    """Nobody can tell: the batch is ``unknown``."""
    RESTART = "restart"
    """What may exist at the vendor does nothing by itself: give it up and start afresh."""
    RERUN = "rerun"
    """The flow asks at its own top (as tus does with HEAD): run it again."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """RESTART, for a request inside ``start``: what already exists is given back first.

    Attributes:
        session: enough for ``abort`` to know what to give back.
    """

    session: Session


@dataclass(frozen=True, slots=True)
class Found:
    """The lost request did act; this is the answer it must have had."""

    response: Response


@dataclass(frozen=True, slots=True)
class NotDone:
    """The lost request did not act: it may be sent again."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """It cannot be told yet: ask again after some seconds, because of ``why``."""

    again_in: float
    why: str = ""


Answer: TypeAlias = Found | NotDone | Undecided


@dataclass(frozen=True, slots=True)
class LostRequest:
    """What is known about a request whose answer was lost.

    Attributes:
        sent_at: when its intent was written, in seconds since the epoch, as our clock tells now; it
            may have been set since. Never too late, perhaps too early.
        asked: how often it was asked about before and stayed undecided.
        claimed: vendor job ids that belong to other batches; they are no answer.
        rivals: documents of other batches whose same step is also open or lost right now: a
            job that fits one of them as well proves nothing.
    """

    sent_at: float
    asked: int = 0
    claimed: frozenset[str] = frozenset()
    rivals: tuple[Document, ...] = ()


Ask: TypeAlias = "Callable[[LostRequest], Flow[Answer]]"


# ------------------------------------------------------------------------ request, response


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, described.

    A relative ``url`` goes to the base URL and through ``Provider.sign``; an absolute one (a
    signed upload) never does, whatever its host.

    Attributes:
        method: ``GET``, ``POST``, ...
        url: relative to the base URL (``/v1/jobs``), or absolute.
        body: what is sent.
        headers: fields that the vendor asks for; credentials are added by ``sign``.
        step: the name under which intent and answer are kept; unique in its flow call and
            needed by every request that is not safe.
        retry: what a lost answer means.
        key_header: where the vendor wants the idempotency key; the driver makes the key.
        lost: the remedy of a ONCE request, or the flow that asks whether it acted. A KEYED
            request uses it when its key is older than the vendor's idempotency window.
        not_acted: statuses with which the vendor surely did nothing, so that even a ONCE
            request is sent again (429 always is one of them).
        final: statuses that are the vendor's answer although they would be retried otherwise;
            they reach the flow as ``Refused``.
        timeout: seconds to wait for the answer after the last byte; None: the target's own.
    """

    method: str
    url: str
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    step: str = ""
    retry: Retry = Retry.SAFE
    key_header: str = ""
    lost: Remedy | Abandon | Ask = Remedy.HOLD
    not_acted: frozenset[int] = frozenset()
    final: frozenset[int] = frozenset()
    timeout: float | None = None

    def __post_init__(self) -> None:
        if not self.url.startswith("/") and not is_absolute(self.url):
            # Put behind the base URL, "@host/" or ".host/" would take the credentials elsewhere.
            raise ValueError(f"{self.method} {self.url}: a relative URL begins with /")
        if self.retry is not Retry.SAFE and not self.step:
            raise ValueError(f"{self.method} {self.url}: a request that is not safe needs a step")
        if self.retry is Retry.KEYED and not self.key_header:
            raise ValueError(f"{self.method} {self.url}: a keyed request needs a key_header")

    @property
    def absolute(self) -> bool:
        """True for a URL that carries its own host, and its own credentials."""
        return not self.url.startswith("/")

    def with_header(self, name: str, value: str) -> Request:
        """Return the same request with one more header field."""
        # ``dataclasses.replace`` would take twice as long, for every request that is signed.
        return Request(
            self.method,
            self.url,
            self.body,
            {**self.headers, name: value},
            self.step,
            self.retry,
            self.key_header,
            self.lost,
            self.not_acted,
            self.final,
            self.timeout,
        )

    @classmethod
    def get(cls, url: str, params: Mapping[str, str | int] | None = None) -> Request:
        """Ask for something; changes nothing at the vendor."""
        return cls("GET", f"{url}?{urlencode(params)}" if params else url)

    @classmethod
    def put(
        cls,
        url: str,
        body: Body,
        *,
        step: str = "put",
        headers: Mapping[str, str] | None = None,
        lost: Remedy | Abandon | Ask | None = None,
    ) -> Request:
        """Put bytes where they belong; doing it twice is the same as once.

        Where the vendor begins to work with the last byte it is not: then ``lost`` is the question
        whether it has, and the request is ONCE.
        """
        if lost is not None:
            return cls("PUT", url, body, headers or {}, step=step, retry=Retry.ONCE, lost=lost)
        return cls("PUT", url, body, headers or {}, step=step, retry=Retry.IDEMPOTENT)

    @classmethod
    def post(
        cls,
        url: str,
        body: Body | None = None,
        *,
        step: str,
        key: str = "",
        retry: Retry | None = None,
        lost: Remedy | Abandon | Ask = Remedy.HOLD,
        not_acted: Iterable[int] = (),
        final: Iterable[int] = (),
        timeout: float | None = None,
    ) -> Request:
        """Make the vendor do something; KEYED when ``key`` names a header, else ONCE.

        A ``timeout`` is given where a late answer is dear and the vendor's work takes as long as
        the document is large: seconds to wait for an answer after the last byte, and before a
        question, instead of the setting's.
        """
        return cls(
            "POST",
            url,
            body,
            step=step,
            retry=retry or (Retry.KEYED if key else Retry.ONCE),
            key_header=key,
            lost=lost,
            not_acted=frozenset(not_acted),
            final=frozenset(final),
            timeout=timeout,
        )


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
    body: bytes = b""
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
