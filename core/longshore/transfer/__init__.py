"""One exchange over HTTP: client, retry decision, pacing, segments."""

from __future__ import annotations

from longshore.transfer._driver import Driver, Tally
from longshore.transfer._pace import Pace
from longshore.transfer._port import (
    AnswerLost,
    Clock,
    NotSent,
    Outgoing,
    Source,
    Sources,
    Transport,
)
from longshore.transfer._retry import (
    Policy,
    Retries,
    decide,
    retry_after,
    retry_with_clock,
    retry_with_stamina,
)
from longshore.transfer._segments import Encoded, Segment, encode

__all__ = [
    "AnswerLost", "Clock", "Driver", "Encoded", "NotSent", "Outgoing", "Pace", "Policy",
    "Retries", "Segment", "Source", "Sources", "Tally", "Transport", "decide", "encode",
    "retry_after", "retry_with_clock", "retry_with_stamina",
]  # fmt: skip
