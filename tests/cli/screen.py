"""A terminal that is not there, and what people would see on it."""

from __future__ import annotations

import io

from longshore.documents import Document
from longshore.journal import DocumentRecord, ErrorInfo, RunRecord
from longshore.lifecycle import Outcome
from longshore.pipeline import BytesMoved, Event, Polled, RunStarted, StepEnded

__all__ = ["EVENTS", "RECORD", "RUN", "Screen", "waiting"]

RUN = RunRecord(id="r1", target="sendai", provider="sendai", planned=True)
EVENTS: tuple[Event, ...] = (
    RunStarted(RUN, 2, 40_000_000),
    BytesMoved("u1", 15_000_000),
    Polled("u2", "job_2", Outcome.RUNNING, "PROCESSING"),
)

DOCUMENT = Document(id="d1", name="large.pdf", size=20_000_000)
RECORD = DocumentRecord(document=DOCUMENT, run_id="r1", unit_id="u1", path="large.pdf")


class Screen(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def waiting(
    unit_id: str,
    until: float | None,
    verb: str = "start",
    message: str = "the lost request may still arrive",
) -> StepEnded:
    """A step that waits, as after a crash."""
    why = ErrorInfo(kind="waiting", message=message)
    return StepEnded(RUN, unit_id, 1, (), verb, "", 0.0, 1.0, "waiting", why, until=until)
