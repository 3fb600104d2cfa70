"""Events as OpenTelemetry spans and metrics: one trace for each document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from longshore.journal import DocumentRecord, RunRecord
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    DocumentChanged,
    DocumentFinished,
    Event,
    JobAccepted,
    Polled,
    Retried,
    RunFinished,
    StepEnded,
)
from longshore.redaction import redact_text

__all__ = ["Telemetry"]

_NAME = "longshore"
_WELL = (Outcome.SUCCEEDED, Outcome.RUNNING, Outcome.NEEDS_ACTION, Outcome.SKIPPED)
_ASIDE = ("poll", "conclude")
"""Verbs without a span: a poll is an event of the document's span, for there are many."""


@dataclass(slots=True)
class _Open:
    """A document's span, and whose it is."""

    run: RunRecord
    unit_id: str
    span: Span


class Telemetry:
    """A listener; see ``longshore.events.open_telemetry``.

    A document's span begins with its first step in this process and ends when the document is
    told of. Its children are the steps of its batch; polls, retries and changes of its state are
    events. A resumed run begins new traces; ``longshore.run_id`` and ``longshore.document_id``
    are the same.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        *,
        names: bool,
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
        self._documents = meter.create_counter(
            "longshore.documents", "{document}", "Documents by what became of them"
        )
        self._requests = meter.create_counter("longshore.requests", "{request}", "Tries that left")
        self._retries = meter.create_counter("longshore.retries", "{request}", "Repeated tries")
        self._bytes = meter.create_counter("longshore.bytes", "By", "Bytes of documents sent")
        self._steps = meter.create_histogram("longshore.step.duration", "s", "Time of one step")
        self._names = names
        self._open: dict[str, _Open] = {}
        self._of_unit: dict[str, dict[str, _Open]] = {}

    def __call__(self, event: Event) -> None:
        """Take notice of one event."""
        match event:
            case StepEnded():
                self._step(event)
            case DocumentFinished():
                self._finish(event.run, event.record, event.unit.job_id if event.unit else None)
            case DocumentChanged(unit_id, document, before, outcome, word):
                states = {"before": str(before), "state": str(outcome), "vendor_status": word}
                self._event(unit_id, "longshore.state", states, only=document)
            case Polled(unit_id, _, outcome, word):
                states = {"state": str(outcome), "vendor_status": word}
                self._event(unit_id, "longshore.poll", states)
            case JobAccepted(unit_id, job_id):
                self._event(unit_id, "longshore.job", {"vendor_job_id": job_id})
            case Retried(unit_id, why, seconds):
                self._event(unit_id, "longshore.retry", {"why": why, "pause": seconds})
            case RunFinished(run):
                for id in [id for id, held in self._open.items() if held.run.id == run.id]:
                    self._close(id).end()
            case _:
                pass

    # ------------------------------------------------------------------ spans

    def _step(self, event: StepEnded) -> None:
        self._measure(event)
        if event.unit_id == event.run.id:
            self._child(event, None)
            return
        for document in event.documents:
            held = self._open.get(document) or self._begin(event, document)
            if event.verb not in _ASIDE:
                self._child(event, held)

    def _begin(self, event: StepEnded, document: str) -> _Open:
        span = self._tracer.start_span(
            "longshore.document",
            context=trace.set_span_in_context(trace.INVALID_SPAN),  # a trace of its own
            start_time=_nanoseconds(event.began),
            attributes=_attributes(_of_run(event.run), document_id=document),
        )
        held = _Open(event.run, event.unit_id, span)
        self._open[document] = held
        self._of_unit.setdefault(event.unit_id, {})[document] = held
        return held

    def _child(self, event: StepEnded, held: _Open | None) -> None:
        parent = held.span if held is not None else trace.INVALID_SPAN
        span = self._tracer.start_span(
            f"longshore.{event.verb}",
            context=trace.set_span_in_context(parent),
            start_time=_nanoseconds(event.began),
            attributes=_attributes(
                _of_run(event.run),
                batch_id=event.unit_id,
                attempt=event.attempt,
                object=event.object,
                how=event.how,
                requests=event.requests,
                retries=event.retries,
                bytes_sent=event.bytes_sent,
                error_kind=event.error.kind if event.error else None,
            ),
        )
        if event.how == "failed" and event.error is not None:
            span.set_status(Status(StatusCode.ERROR, redact_text(event.error.message)))
        span.end(_nanoseconds(event.ended))

    def _event(
        self, unit_id: str, name: str, values: Mapping[str, object], *, only: str | None = None
    ) -> None:
        for document, held in self._of_unit.get(unit_id, {}).items():
            if only in (None, document):
                held.span.add_event(name, _attributes(values))

    def _finish(self, run: RunRecord, record: DocumentRecord, job_id: str | None) -> None:
        document = record.document
        if document.id not in self._open:
            return  # it was finished before this process, or never went
        span = self._close(document.id)
        told = {"document_name": document.name, "path": record.path} if self._names else {}
        span.set_attributes(
            _attributes(
                told,
                batch_id=record.unit_id,
                document_size=document.size,
                media_type=document.media_type,
                state=str(record.outcome),
                vendor_status=record.word,
                vendor_job_id=job_id,
                vendor_document_id=record.vendor_id,
                parts=record.parts,
                error_kind=record.error.kind if record.error else None,
            )
        )
        if record.outcome not in _WELL:
            words = record.error.message if record.error else str(record.outcome)
            span.set_status(Status(StatusCode.ERROR, redact_text(words)))
        span.end()
        self._documents.add(1, _attributes(_of_target(run), state=str(record.outcome)))

    def _close(self, document: str) -> Span:
        held = self._open.pop(document)
        together = self._of_unit[held.unit_id]
        del together[document]
        if not together:
            del self._of_unit[held.unit_id]
        return held.span

    # ------------------------------------------------------------------ metrics

    def _measure(self, event: StepEnded) -> None:
        labels = _attributes(_of_target(event.run), verb=event.verb)
        self._steps.record(
            max(event.ended - event.began, 0.0), {**labels, "longshore.how": event.how}
        )
        for counter, count in (
            (self._requests, event.requests),
            (self._retries, event.retries),
            (self._bytes, event.bytes_sent),
        ):
            if count:
                counter.add(count, labels)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def _of_target(run: RunRecord) -> dict[str, object]:
    return {"target": run.target, "provider": run.provider}


def _of_run(run: RunRecord) -> dict[str, object]:
    return {"run_id": run.id, **_of_target(run)}


def _attributes(values: Mapping[str, object], **more: object) -> dict[str, str | int | float]:
    """Name attributes as ours, leave out what is not known, and hide credentials in texts."""
    found: dict[str, str | int | float] = {}
    for name, value in {**values, **more}.items():
        if value is not None and value != "":
            number = isinstance(value, int | float)
            found[f"{_NAME}.{name}"] = value if number else redact_text(str(value))  # type: ignore[assignment]
    return found
