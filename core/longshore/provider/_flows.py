"""Flows: generators that say what to exchange and when to wait, and do nothing themselves."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar
from urllib.parse import urlencode

from longshore.provider._bodies import Body
from longshore.provider._lost import Abandon, Answer, LostRequest, Remedy, Retry
from longshore.provider._responses import Response
from longshore.urls import is_absolute

__all__ = ["Ask", "Flow", "Request", "Wait", "immediately"]

T = TypeVar("T")


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
    url: str = field(repr=False)  # signed, perhaps
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
class Wait:
    """A planned interruption: run this flow again from its top later.

    Attributes:
        name: what is waited for; unique in its flow.
        seconds: when to come back.
        limit: give up this long after the first time; raises ``WaitExpired`` in the flow.
    """

    name: str
    seconds: float
    limit: float


Flow: TypeAlias = Generator[Request | Wait, Response, T]

Ask: TypeAlias = Callable[[LostRequest], Flow[Answer]]
"""Asks, by safe requests only, whether a lost request acted."""


def immediately(value: T) -> Flow[T]:
    """Return a flow that needs nothing from the vendor."""
    yield from ()
    return value
