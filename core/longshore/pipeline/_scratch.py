"""What a flow needs to be run again: what it sent, what was answered, what it waits for."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from pydantic import JsonValue

from longshore.journal import FactKind
from longshore.provider import Headers, Response

__all__ = ["SCRATCH", "UPLOAD", "Answered", "Intent", "Timer"]

SCRATCH = (FactKind.INTENT, FactKind.ANSWER, FactKind.TIMER)
"""What a flow needs to be run again, and nobody needs once it has a result."""

UPLOAD = (*SCRATCH, FactKind.SESSION, FactKind.RECEIPT)
"""What is of no use without its session; it holds the secrets."""

_STEP = 30.0
"""Seconds: by less two clocks may seem to move apart, because an answer was long on its way."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A request that is about to leave, or whose answer is missing.

    Attributes:
        digest: of method, URL and body; another request is never sent in its place.
        at: when it was written.
        asked: how often it was asked about.
        lost_at: when its answer was given up; None when this process never knew.
        torn: a file changed while it was sent: no answer makes that a success.
        since: when the first of several tries was written; None where there is one.
        makes_work: it cannot simply be given up.
        skew: seconds by which the vendor's clock was ahead of ours then; None where nobody knew.
    """

    digest: str
    at: float
    asked: int = 0
    lost_at: float | None = None
    torn: bool = False
    since: float | None = None
    makes_work: bool = True
    skew: float | None = None

    @property
    def first_at(self) -> float:
        """When the first try was written."""
        return self.at if self.since is None else self.since

    def sent_again(self, now: float, skew: float | None) -> Intent:
        """Return the intent of one more try; whatever the first one did still counts."""
        asked = 0 if self.since is None else 1
        return Intent(self.digest, now, asked=asked, since=self.first_at, skew=skew)

    def told_by(self, now: float, skew: float | None, *, planned: float) -> Intent:
        """Return it with the times that our present clock would have told.

        Ours may have been set between two processes, while the vendor's went on; or just before
        it left. So it left at the earlier of both times, and its answer was lost at the later one:
        not later than now. What seems to have left later than now may have left at any time.

        Args:
            now: seconds since the epoch.
            skew: seconds by which the vendor's clock is ahead of ours now; None: nobody knows.
            planned: when its batch was.
        """
        step = 0.0 if self.skew is None or skew is None else self.skew - skew
        if abs(step) < _STEP:
            step = 0.0
        at, since, lost_at = self.at + min(step, 0.0), self.since, self.lost_at
        will_be_told = self.skew is not None and skew is None
        if at > now + _STEP and not will_be_told:
            at = planned if planned <= now else 0.0
        if since is not None:
            since = min(since + min(step, 0.0), at)
        if lost_at is not None:
            lost_at = min(lost_at + max(step, 0.0), now)
        return replace(self, at=at, since=since, lost_at=lost_at, skew=skew if step else self.skew)

    def json(self) -> JsonValue:
        """Return it as it is journalled."""
        return {
            "digest": self.digest,
            "at": self.at,
            "asked": self.asked,
            "lost_at": self.lost_at,
            "torn": self.torn,
            "since": self.since,
            "makes_work": self.makes_work,
            "skew": self.skew,
        }


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that a flow waits for.

    Attributes:
        since: when it was first waited for.
        pause: seconds between two looks at it.
    """

    since: float
    pause: float


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that is given back when its flow is run again."""

    digest: str
    response: Response

    def json(self) -> JsonValue:
        """Return it as it is journalled."""
        return {
            "digest": self.digest,
            "status": self.response.status,
            "headers": dict(self.response.headers),
            "body": base64.b64encode(self.response.body).decode(),
        }

    @classmethod
    def read(cls, value: dict[str, object]) -> Answered:
        """Read it back."""
        headers = value["headers"]
        assert isinstance(headers, dict)
        body = base64.b64decode(str(value["body"]))
        return cls(
            str(value["digest"]), Response(int(str(value["status"])), Headers(headers), body)
        )
