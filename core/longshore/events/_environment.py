"""Observers that the environment asks for, so that a command need not be changed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from longshore._closest import closest
from longshore._switch import is_on
from longshore.errors import ConfigurationError
from longshore.events._delivery import PATIENCE, Delivery
from longshore.plugins import load_plugins

if TYPE_CHECKING:
    from longshore.events._json import JsonLines

__all__ = ["VARIABLES", "observing"]

VARIABLES = ("LONGSHORE_EVENTS", "LONGSHORE_OTEL", "LONGSHORE_LOG")
"""A file that events are appended to; ``true`` for OpenTelemetry, with its own ``OTEL_*``; ``json``
for log records."""

_log = logging.getLogger(__name__)


@contextmanager
def observing(environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Tell the observers that the environment asks for, as long as the context lasts.

    Raises:
        ConfigurationError: a variable says what is not known, the file cannot be written, or an
            exporter is missing.
        PluginError: OpenTelemetry is not installed.
    """
    file, telemetry, log = VARIABLES
    _tell_misspelt(environ)
    structured = _is_json(log, environ.get(log, ""))
    with ExitStack() as stack:
        if path := environ.get(file):
            _to_file(stack, path)
        if is_on(telemetry, environ):
            _to_telemetry(stack, environ)
        if structured:
            from longshore.events._logs import log_events

            stack.enter_context(load_plugins().observing("logs", log_events()))
        yield


def _tell_misspelt(environ: Mapping[str, str]) -> None:
    """Say which variables may be meant for these; a target's have a setting's name behind it."""
    for name in environ:
        beginning, _, word = name.partition("_")
        if beginning == "LONGSHORE" and "_" not in word and name not in VARIABLES:
            known = [variable.removeprefix("LONGSHORE_") for variable in VARIABLES]
            if near := closest(word, known, cutoff=0.8):
                _log.warning("the variable %s is ignored: %s", name, near)


def _is_json(name: str, text: str) -> bool:
    if (word := text.strip().lower()) not in ("", "json"):
        raise ConfigurationError(
            f"{name}: {word[:40]!r} is no format of logs", hint=f"{name}=json, or unset it"
        )
    return word == "json"


def _to_file(stack: ExitStack, path: str) -> None:
    from longshore.events._json import JsonLines

    try:
        lines = JsonLines(path)
    except OSError as error:
        raise ConfigurationError(
            f"events cannot be written to {path}: {error.strerror}", hint=f"see {VARIABLES[0]}"
        ) from None
    stack.callback(_close, lines)
    stack.enter_context(load_plugins().observing("events", lines))


def _close(lines: JsonLines) -> None:
    """Write the last words; a disk that is full changes nothing for what was observed."""
    try:
        lines.close()
    except OSError as error:
        _log.warning("not all of what happened is written: %s", error.strerror or error)


def _to_telemetry(stack: ExitStack, environ: Mapping[str, str]) -> None:
    from longshore.events import open_telemetry

    open_telemetry()  # what is missing is told before exporters are looked for
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.trace import TracerProvider

    tracers: Any = trace.get_tracer_provider()
    meters: Any = metrics.get_meter_provider()
    if not isinstance(tracers, TracerProvider):  # nobody else set OpenTelemetry up
        delivery = Delivery(_patience(environ))
        tracers, meters = _providers(delivery, environ)
        stack.callback(delivery.end)
    listener = open_telemetry(tracers, meters)
    stack.enter_context(load_plugins().observing("opentelemetry", listener))


def _providers(delivery: Delivery, environ: Mapping[str, str]) -> tuple[Any, Any]:
    """Make what traces and measures, with the exporters that the environment names."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about = Resource.create({} if _named(environ) else {"service.name": "longshore"})
    spans, figures = _exporter("traces", environ), _exporter("metrics", environ)
    # Their own hooks at the interpreter's end would wait once more.
    tracers = TracerProvider(resource=about, shutdown_on_exit=False)
    if spans is not None:
        tracers.add_span_processor(BatchSpanProcessor(delivery.watched("traces", spans)))
    readers = []
    if figures is not None:
        readers.append(PeriodicExportingMetricReader(delivery.watched("metrics", figures)))
    meters = MeterProvider(readers, about, shutdown_on_exit=False)
    delivery.at_end("traces", tracers.shutdown)
    delivery.at_end("metrics", meters.shutdown)
    return tracers, meters


def _patience(environ: Mapping[str, str]) -> float:
    """Return the seconds that the end of a command may take.

    Source: opentelemetry.io, "Environment Variable Specification", batch span processor.
    """
    try:
        return float(environ["OTEL_BSP_EXPORT_TIMEOUT"]) / 1000
    except (KeyError, ValueError):
        return PATIENCE


def _named(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment says what this service is called."""
    attributes = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return bool(environ.get("OTEL_SERVICE_NAME")) or "service.name=" in attributes


_PREFERRED = {"otlp": ("otlp", "otlp_proto_http", "otlp_proto_grpc")}


def _exporter(kind: str, environ: Mapping[str, str]) -> Any | None:
    """Make the exporter that ``OTEL_TRACES_EXPORTER`` (``..METRICS..``) names; none for ``none``.

    Source: opentelemetry.io, "Environment Variable Specification", exporter selection.
    """
    wanted = environ.get(f"OTEL_{kind.upper()}_EXPORTER", "otlp").strip().lower()
    if wanted == "none":
        return None
    for name in _PREFERRED.get(wanted, (wanted,)):
        for point in entry_points(group=f"opentelemetry_{kind}_exporter", name=name):
            # What scripts read on stdout is not mixed with it.
            return point.load()(**({"out": sys.stderr} if wanted == "console" else {}))
    package = "opentelemetry-exporter-otlp" if wanted == "otlp" else f"an exporter named {wanted}"
    raise ConfigurationError(
        f"OpenTelemetry has no exporter {wanted!r} for {kind}",
        hint=f"install {package}, or set OTEL_{kind.upper()}_EXPORTER=none",
    )
