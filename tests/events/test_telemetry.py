"""OpenTelemetry: one trace per document, figures beside it, and no secret in any attribute."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from longshore.errors import ConfigurationError
from longshore.events import StepEnded, _environment, observing, open_telemetry
from longshore.journal import RunRecord
from longshore.pipeline import execute
from longshore.plugins import load_plugins
from tests.events.test_events import carried
from tests.pipeline.support import hasty, reply


def trace_of(span: ReadableSpan) -> int:
    """Return the id of the trace that a span belongs to."""
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


class Seen:
    """What a run left with the exporters."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.metrics = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.meters = MeterProvider([self.metrics])

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if span.name == name]

    def traces(self) -> dict[str, list[str]]:
        """The names of the spans of each document's trace."""
        found: dict[str, list[str]] = {}
        for root in self.named("longshore.document"):
            id = str((root.attributes or {})["longshore.document_id"])
            found[id] = sorted(
                span.name.removeprefix("longshore.")
                for span in self.spans.get_finished_spans()
                if trace_of(span) == trace_of(root)
            )
        return found

    def figures(self) -> dict[str, Any]:
        data = self.metrics.get_metrics_data()
        assert data is not None
        return {
            metric.name.removeprefix("longshore."): metric.data
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def seen() -> Iterator[Seen]:
    made = Seen()
    yield made
    made.meters.shutdown()
    made.tracers.shutdown()


async def watched(seen: Seen, **options: Any) -> None:
    """Carry two documents and hand the events over."""
    world = await carried(hasty(), concurrency=1)
    listener = open_telemetry(seen.tracers, seen.meters, **options)
    for event in world.events:
        listener(event)


async def test_one_trace_for_each_document(seen: Seen) -> None:
    """Its steps are children of its span; what the run prepared has a trace of its own."""
    await watched(seen)

    assert seen.traces() == {
        "d0": ["complete", "document", "send", "send", "start"],
        "d1": ["document", "send", "start"],
    }
    assert len({trace_of(span) for span in seen.spans.get_finished_spans()}) == 3
    assert len(seen.named("longshore.prepare")) == 1


async def test_a_span_says_what_became_of_its_document(seen: Seen) -> None:
    """State, job and size as attributes; a failure is the span's status."""
    await watched(seen)
    spans = {
        str((s.attributes or {})["longshore.document_id"]): s
        for s in seen.named("longshore.document")
    }
    done, failed = spans["d0"], spans["d1"]

    assert done.attributes is not None
    told = {
        "state": "succeeded",
        "vendor_job_id": "job-s1",
        "document_size": 6,
        "path": "0.pdf",
        "target": "acme",
    }
    assert {name: done.attributes[f"longshore.{name}"] for name in told} == told
    assert (done.status.status_code, failed.status.status_code) == (
        StatusCode.UNSET,
        StatusCode.ERROR,
    )
    assert Counter(event.name for event in done.events) == {
        "longshore.retry": 1, "longshore.job": 1, "longshore.poll": 2, "longshore.state": 1,
    }  # fmt: skip


async def test_figures_by_target_and_verb(seen: Seen) -> None:
    """Documents by state, requests, retries, bytes, and the time of each step."""
    await watched(seen)
    figures = seen.figures()

    def sums(name: str) -> dict[str, int]:
        found: Counter[str] = Counter()
        for point in figures[name].data_points:
            key = point.attributes.get("longshore.state") or point.attributes["longshore.verb"]
            found[key] += point.value
        return dict(found)

    assert sums("documents") == {"succeeded": 1, "failed": 1}
    assert sums("requests") == {"start": 2, "send": 4, "complete": 1, "poll": 2}
    assert sums("retries") == {"send": 1}
    assert sums("bytes") == {"send": 14}
    steps = Counter(
        {p.attributes["longshore.verb"]: p.count for p in figures["step.duration"].data_points}
    )
    assert steps["poll"] == 2


async def test_no_secret_in_any_attribute(seen: Seen) -> None:
    """Neither the key, nor the session's token, nor what a vendor quotes of them."""
    await watched(seen)
    text = " ".join(span.to_json() for span in seen.spans.get_finished_spans())
    metrics = seen.metrics.get_metrics_data()
    assert metrics is not None
    text += metrics.to_json()

    assert "is wrong" in text  # the vendor's words are there
    for secret in ("key-123456", "sk-123456", "session-secret"):
        assert secret not in text


async def test_names_can_be_left_out(seen: Seen) -> None:
    """For those whose file names tell too much."""
    await watched(seen, names=False)
    text = " ".join(span.to_json() for span in seen.spans.get_finished_spans())

    assert "0.pdf" not in text
    assert "longshore.document_id" in text


async def test_what_is_still_open_at_the_end_of_a_run_is_ended(seen: Seen) -> None:
    """An account in trouble leaves no span without an end."""
    world = hasty()
    await world.plan([4])
    world.vendor.always = {"PUT /parts": reply({}, 401)}
    listener = open_telemetry(seen.tracers, seen.meters)
    run = await world.journal.run("run")
    await execute(world.journal, world.target(), run, world.environment(), listener=listener)

    assert seen.traces() == {"d0": ["document", "send", "start"]}


def test_an_exporter_that_is_missing_is_told() -> None:
    """The hint says what to install, or how to do without."""
    wanted = {"LONGSHORE_OTEL": "true", "OTEL_TRACES_EXPORTER": "carrier-pigeon"}
    with pytest.raises(ConfigurationError, match="carrier-pigeon") as caught, observing(wanted):
        pass

    assert "OTEL_TRACES_EXPORTER=none" in caught.value.hint


@pytest.mark.parametrize(
    ("more", "service"),
    [
        ({}, "longshore"),
        ({"OTEL_SERVICE_NAME": "quay-7"}, "quay-7"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=quay-8"}, "quay-8"),
    ],
)
def test_the_environment_asks_for_an_exporter(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str], service: str
) -> None:
    """It is found by its name among those installed; spans are out when the command ends.

    The service has a name by which it is found in a collector.
    """
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    exporter = InMemorySpanExporter()

    class Point:
        def load(self) -> Any:
            return lambda: exporter

    def points(*, group: str, name: str) -> list[Point]:
        return [Point()] if (group, name) == ("opentelemetry_traces_exporter", "mine") else []

    monkeypatch.setattr("longshore.events._environment.entry_points", points)
    run = RunRecord(id="run", target="acme", provider="acme")
    wanted = {
        "LONGSHORE_OTEL": "true",
        "OTEL_TRACES_EXPORTER": "mine",
        "OTEL_METRICS_EXPORTER": "none",
        **more,
    }
    with observing(wanted):
        load_plugins().notify(StepEnded(run, "run", 1, (), "prepare", "", 1.0, 2.0, "done"))

    (span,) = exporter.get_finished_spans()
    assert span.name == "longshore.prepare"
    assert span.resource.attributes["service.name"] == service


class Collector(SpanExporter):
    """An exporter whose collector answers at once, refuses, or keeps silent until it is let go."""

    def __init__(self, answer: SpanExportResult | None) -> None:
        self.answer = answer
        self.release = threading.Event()
        self.ended = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.ended += self.release.wait(None if self.answer is None else 0.0)
        return self.answer or SpanExportResult.SUCCESS


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (SpanExportResult.SUCCESS, []),
        (SpanExportResult.FAILURE, ["not all traces could be delivered (refused, or no answer)"]),
        (None, ["not all traces could be delivered (no answer within 0.05 s)"]),
    ],
    ids=["taken", "refused", "silent"],
)
def test_a_collector_that_does_not_take_spans_is_told_of_once_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answer: SpanExportResult | None,
    told: list[str],
) -> None:
    """A silent one never lets go by itself: the end comes in spite of it, with one line."""
    collector = Collector(answer)
    monkeypatch.setattr(_environment, "_exporter", {"traces": collector, "metrics": None}.get)
    wanted = {"LONGSHORE_OTEL": "true", "OTEL_BSP_EXPORT_TIMEOUT": "50"}
    try:
        with observing(wanted):
            run = RunRecord(id="run", target="acme", provider="acme")
            load_plugins().notify(StepEnded(run, "run", 1, (), "prepare", "", 1.0, 2.0, "done"))
        assert collector.ended == 0  # otherwise it was waited for
    finally:
        collector.release.set()

    assert [record.getMessage() for record in caplog.records] == [
        f"OpenTelemetry: {words}" for words in told
    ]


def test_a_command_waits_a_few_seconds_for_a_collector() -> None:
    """Unless OpenTelemetry's own variable says how long."""
    assert _environment._patience({}) <= 5
    assert _environment._patience({"OTEL_BSP_EXPORT_TIMEOUT": "30000"}) == 30
