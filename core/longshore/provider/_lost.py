"""What a lost answer means: what may be done then, and what the vendor can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from longshore.documents import Document
from longshore.lifecycle import Session
from longshore.provider._responses import Response

__all__ = [
    "Abandon", "Answer", "Found", "LostRequest", "NotDone", "Remedy", "Retry", "Undecided",
]  # fmt: skip


class Retry(Enum):
    """What may be done when it is not known whether the vendor got the request."""

    SAFE = "safe"
    """It changes nothing: send it again."""
    IDEMPOTENT = "idempotent"
    """Sent twice it does the same as once: send it again.

    What makes a job is never this, even where the vendor documents it: the request leaves without
    a record, so that ``cancel`` takes one whose answer was lost as not sent. What sets a job to
    work is, where the vendor documents it.
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
