"""Log records as lines of JSON, without secrets; and what happens in a run as log records."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TextIO

from longshore.events._json import placed
from longshore.lifecycle import Outcome
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
from longshore.redaction import redact_text

__all__ = ["RUN_LOGGER", "JsonFormatter", "log_events", "log_handler"]

RUN_LOGGER = "longshore.run"
"""The logger of what happens in runs."""

_WELL = (Outcome.SUCCEEDED, Outcome.RUNNING, Outcome.SKIPPED)


class JsonFormatter(logging.Formatter):
    """Writes a record as one line: ``at``, ``level``, ``logger``, ``message``, ``traceback``.

    A record may bring ``fields``, a mapping that is written beside these.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact_text(record.getMessage()),
        }
        if record.exc_info:
            line["traceback"] = redact_text(self.formatException(record.exc_info))
        return json.dumps({**line, **getattr(record, "fields", {}), **line}, ensure_ascii=True)


def log_handler(stream: TextIO | None = None, level: int = logging.INFO) -> logging.Handler:
    """Make a handler that writes structured logs; add it to the logger ``longshore``.

    Args:
        stream: where the lines go; None: stderr.
        level: the least that is written.
    """
    handler = logging.StreamHandler(stream)
    handler.setLevel(level)
    handler.setFormatter(JsonFormatter())
    return handler


def log_events(logger: logging.Logger | None = None) -> Listener:
    """Make a listener that writes events as log records, with what they tell as ``fields``.

    Runs, jobs and what becomes of documents are INFO; what a person may have to look at is
    WARNING; steps, parts and polls are DEBUG.

    Args:
        logger: where to; None: ``longshore.run``.
    """
    log = logger or logging.getLogger(RUN_LOGGER)

    def listen(event: Event) -> None:
        if isinstance(event, BytesMoved):
            return
        level, words = _told(event)
        fields = placed(event)  # always: it remembers which run this is
        if log.isEnabledFor(level):
            log.log(level, "%s", redact_text(words), extra={"fields": fields})

    return listen


def _told(event: Event) -> tuple[int, str]:
    """Return how much an event matters, and a sentence about it."""
    match event:
        case RunStarted(run, documents):
            return logging.INFO, f"run {run.id} to {run.target} begins, documents: {documents}"
        case RunFinished(run, outcomes):
            counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items() if count)
            return logging.INFO, f"run {run.id} to {run.target} ends: {counts}"
        case JobAccepted(unit_id, job_id):
            return logging.INFO, f"batch {unit_id}: the vendor has job {job_id}"
        case DocumentChanged(_, document, before, outcome):
            return logging.INFO, f"document {document}: {before}, now {outcome}"
        case DocumentFinished(_, record):
            level = logging.INFO if record.outcome in _WELL else logging.WARNING
            return level, f"{record.path}: {record.outcome}"
        case Retried(unit_id, why, seconds):
            return logging.WARNING, f"batch {unit_id}: again in {seconds:.1f} s: {why}"
        case Notice(text):
            return logging.WARNING, text
        case StepEnded():
            level = logging.WARNING if event.how == "failed" else logging.DEBUG
            return level, f"batch {event.unit_id}: {event.verb} {event.object} {event.how}"
        case TransferSent(unit_id, _, _, number, transfers):
            return logging.DEBUG, f"batch {unit_id}: part {number} of {transfers} is there"
        case Polled(unit_id, job_id, outcome, word):
            return logging.DEBUG, f"batch {unit_id}: job {job_id} is {word} ({outcome})"
        case BytesMoved():
            return logging.DEBUG, ""
