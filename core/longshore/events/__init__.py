"""What happens in a run, for whoever wants to know: callbacks, JSON Lines, OpenTelemetry, logs.

Every event is a small frozen value. A listener is any function that takes one::

    AsyncClient("my-target", listener=together(print, JsonLines("events.jsonl")))

Plugins implement the hook ``longshore_event``. Nothing that a listener gets to write holds a
secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.errors import PluginError
from longshore.events._environment import VARIABLES, observing
from longshore.events._json import JsonLines, event_line, together
from longshore.events._logs import RUN_LOGGER, JsonFormatter, log_events, log_handler
from longshore.pipeline import (
    BytesMoved,
    DocumentChanged,
    DocumentFinished,
    Event,
    JobAccepted,
    Listener,
    Notice,
    Polled,
    Retried,
    RunFinished,
    RunStarted,
    StepEnded,
    TransferSent,
)

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = [
    "RUN_LOGGER", "VARIABLES", "BytesMoved", "DocumentChanged", "DocumentFinished", "Event",
    "JobAccepted", "JsonFormatter", "JsonLines", "Listener", "Notice", "Polled", "Retried",
    "RunFinished", "RunStarted", "StepEnded", "TransferSent", "event_line", "log_events",
    "log_handler", "observing", "open_telemetry", "together",
]  # fmt: skip


def open_telemetry(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    names: bool = True,
) -> Listener:
    """Make a listener that turns events into spans and metrics: one trace for each document.

    Args:
        tracer_provider: makes the tracer; None: the global one.
        meter_provider: makes the meter; None: the global one.
        names: write the names and paths of documents into spans.

    Raises:
        PluginError: OpenTelemetry is not installed.
    """
    try:
        from longshore.events._otel import Telemetry
    except ImportError as error:
        raise PluginError(str(error), hint="pip install 'longshore[otel]'") from None
    return Telemetry(tracer_provider, meter_provider, names=names)
