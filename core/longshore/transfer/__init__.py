"""One exchange over HTTP: client, retry decision, pacing, segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.transfer._concurrency import Concurrency, Flight
from longshore.transfer._driver import Driver
from longshore.transfer._logs import quiet_http_logs
from longshore.transfer._pace import Bandwidth, Pace
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
    Deliver,
    GiveUp,
    Lost,
    Policy,
    Retries,
    RetryIn,
    Verdict,
    decide,
    retry_after,
    retry_with_clock,
    retry_with_stamina,
)
from longshore.transfer._segments import Encoded, encode
from longshore.transfer._tally import Tally

if TYPE_CHECKING:
    from longshore.transfer._http import HttpTransport

__all__ = [
    "AnswerLost", "Bandwidth", "Clock", "Concurrency", "Deliver", "Driver", "Encoded", "Flight",
    "GiveUp", "Lost", "NotSent", "Outgoing", "Pace", "Policy", "Retries", "RetryIn",
    "Source", "Sources", "Tally", "Transport", "Verdict", "decide", "encode", "http_transport",
    "quiet_http_logs", "retry_after", "retry_with_clock", "retry_with_stamina",
]  # fmt: skip


def http_transport(
    *, connections: int, verify: bool = True, ca_bundle: str | None = None
) -> HttpTransport:
    """Make the transport that uses httpx, which is imported only now: it takes its time."""
    from longshore.transfer._http import HttpTransport

    return HttpTransport(connections=connections, verify=verify, ca_bundle=ca_bundle)
