"""A terminal that is not there, and what people would see on it."""

from __future__ import annotations

import io

from longshore.journal import RunRecord
from longshore.lifecycle import Outcome
from longshore.pipeline import BytesMoved, Event, Polled, RunStarted

__all__ = ["EVENTS", "RUN", "Screen"]

RUN = RunRecord(id="r1", target="sendai", provider="sendai", planned=True)
EVENTS: tuple[Event, ...] = (
    RunStarted(RUN, 2, 40_000_000),
    BytesMoved("u1", 15_000_000),
    Polled("u2", "job_2", Outcome.RUNNING, "PROCESSING"),
)


class Screen(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True
