"""What a flow needs to be run again: what it sent, what was answered, what it waits for."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from pydantic import JsonValue

from longshore.journal import FactKind
from longshore.provider import Headers, Response

__all__ = ["SCRATCH", "Answered", "Intent", "Timer"]

SCRATCH = (FactKind.INTENT, FactKind.ANSWER, FactKind.TIMER)
"""What a flow needs to be run again, and nobody needs once it has a result."""


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
        makes_work: it cannot simply be given up; as older journals do not tell.
    """

    digest: str
    at: float
    asked: int = 0
    lost_at: float | None = None
    torn: bool = False
    since: float | None = None
    makes_work: bool = True

    def sent_again(self, now: float) -> Intent:
        """Return the intent of one more try; whatever the first one did still counts."""
        if self.since is None:
            return Intent(self.digest, now, since=self.at)
        return Intent(self.digest, now, asked=1, since=self.since)

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
