"""What happens in a run, as one typed stream for progress bars, callbacks and hooks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, ParamSpec, TypeAlias

from longshore.journal import DocumentRecord, ErrorInfo, RunRecord, UnitRecord
from longshore.lifecycle import Outcome

__all__ = [
    "BytesMoved", "DocumentChanged", "DocumentFinished", "Event", "JobAccepted", "Listener",
    "Notice", "Polled", "Retried", "RunFinished", "RunStarted", "StepEnded", "TransferSent",
    "heard",
]  # fmt: skip

_log = logging.getLogger(__name__)

Told = ParamSpec("Told")


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins, or goes on.

    Attributes:
        run: the run.
        documents: in the run.
        size: bytes of those that travel.
        finished: documents whose outcome is final already.
    """

    run: RunRecord
    documents: int
    size: int
    finished: int = 0


@dataclass(frozen=True, slots=True)
class BytesMoved:
    """Bytes of a batch's documents left this machine."""

    unit_id: str
    count: int


@dataclass(frozen=True, slots=True)
class TransferSent:
    """A transfer has its receipt in the journal.

    Attributes:
        unit_id: the batch.
        documents: the ids of the documents that it carried.
        size: bytes.
        number: the part number.
        transfers: how many there are in this session.
    """

    unit_id: str
    documents: tuple[str, ...]
    size: int
    number: int
    transfers: int


@dataclass(frozen=True, slots=True)
class Retried:
    """A request failed and goes out again after some seconds."""

    unit_id: str
    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Polled:
    """The vendor said how a job stands."""

    unit_id: str
    job_id: str
    outcome: Outcome
    word: str


@dataclass(frozen=True, slots=True)
class JobAccepted:
    """The vendor has a job for a batch, and the journal knows its id.

    Attributes:
        unit_id: the batch.
        job_id: the vendor's id.
        documents: the ids of the documents in it.
    """

    unit_id: str
    job_id: str
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocumentChanged:
    """The outcome of a document is another than before.

    Attributes:
        unit_id: its batch.
        document: its id.
        before: what it was.
        outcome: what it is.
        word: the vendor's own word for it, if there is one.
    """

    unit_id: str
    document: str
    before: Outcome
    outcome: Outcome
    word: str | None = None


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step of a batch, or of a run's ``prepare``, came to an end.

    Attributes:
        run: the run.
        unit_id: the batch, or the run's id for ``prepare``.
        attempt: of the batch.
        documents: the ids of the documents that it was about.
        verb: ``prepare``, ``digest``, ``start``, ``send``, ``renew``, ``complete``, ``poll``,
            ``cancel``, ``act`` or ``conclude``.
        object: the transfer, or the action.
        began: seconds since the epoch.
        ended: seconds since the epoch.
        how: ``done``; ``waiting``: it is run again; ``failed``; ``interrupted``.
        error: why it waits or failed.
        until: when it is run again, in seconds since the epoch, if it waits and that is known.
        requests: tries that left, or may have.
        retries: tries after the first of the same request.
        bytes_sent: bytes of documents in requests that were answered.
    """

    run: RunRecord
    unit_id: str
    attempt: int
    documents: tuple[str, ...]
    verb: str
    object: str
    began: float
    ended: float
    how: Literal["done", "waiting", "failed", "interrupted"]
    error: ErrorInfo | None = None
    requests: int = 0
    retries: int = 0
    bytes_sent: int = 0
    until: float | None = None


@dataclass(frozen=True, slots=True)
class DocumentFinished:
    """A document has an outcome, or its job was accepted and nobody waits for it."""

    run: RunRecord
    record: DocumentRecord
    unit: UnitRecord | None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know now; one line."""

    text: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The command ends here; the run may not be over."""

    run: RunRecord
    outcomes: dict[Outcome, int]


Event: TypeAlias = (
    RunStarted
    | BytesMoved
    | TransferSent
    | Retried
    | Polled
    | JobAccepted
    | DocumentChanged
    | StepEnded
    | DocumentFinished
    | Notice
    | RunFinished
)

Listener: TypeAlias = Callable[[Event], object]


@contextmanager
def heard(
    listener: Callable[Told, object] | None, stop: asyncio.Event
) -> Iterator[Callable[Told, None] | None]:
    """Give a listener, if there is one, whose errors are logged (the first as a warning).

    Args:
        listener: of somebody else's.
        stop: set when the listener wants the program to end.

    Raises:
        SystemExit, KeyboardInterrupt: at the end, as the listener did.
    """
    if listener is None:
        yield None
        return
    level, ends = logging.WARNING, list[BaseException]()

    def tell(*told: Told.args, **named: Told.kwargs) -> None:
        nonlocal level
        try:
            listener(*told, **named)
        except (KeyboardInterrupt, SystemExit) as error:
            ends.append(error)
            stop.set()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it harms nobody
            words = f"{type(error).__name__}: {error}"
            _log.log(level, "the listener failed: %s", words, exc_info=level > logging.DEBUG)
            level = logging.DEBUG

    try:
        yield tell
    finally:
        if ends:
            raise ends[0]
