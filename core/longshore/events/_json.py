"""Events as lines of JSON."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import fields
from os import PathLike
from threading import Lock
from typing import TextIO

from pydantic import JsonValue

from longshore.journal import ErrorInfo, RunRecord
from longshore.pipeline import (
    BytesMoved,
    DocumentFinished,
    Event,
    Listener,
    RunFinished,
    RunStarted,
    document_line,
)
from longshore.redaction import redact_json

__all__ = ["JsonLines", "event_line", "placed", "together"]

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")

_NOWHERE: Mapping[str, JsonValue] = {}
_RUN: ContextVar[Mapping[str, JsonValue]] = ContextVar("longshore_run", default=_NOWHERE)
"""The run that this task executes; runs that go on at once have tasks of their own."""


def together(*listeners: Listener) -> Listener:
    """Make one listener of several; each is told, in this order, also when one before it failed."""

    def tell(event: Event) -> None:
        with ExitStack() as stack:
            for listener in reversed(listeners):
                stack.callback(listener, event)

    return tell


class JsonLines:
    """A listener that writes a line of JSON per event; a context that closes its file.

    Args:
        out: a file name (appended to; made with mode 0600) or an open text file.
        moved: write ``bytes_moved``, too: many lines a second.
        now: the clock of ``at``.
    """

    def __init__(
        self,
        out: str | PathLike[str] | TextIO,
        *,
        moved: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._own = isinstance(out, str | PathLike)
        self._out: TextIO = _opened(out) if isinstance(out, str | PathLike) else out
        self._moved = moved
        self._now = now
        self._lock = Lock()

    def __call__(self, event: Event) -> None:
        """Write one event."""
        if isinstance(event, BytesMoved) and not self._moved:
            return
        line = json.dumps({"at": round(self._now(), 6), **placed(event)}, ensure_ascii=True)
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()

    def close(self) -> None:
        """Close the file, unless it was open before."""
        if self._own:
            self._out.close()

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _opened(path: str | PathLike[str]) -> TextIO:
    flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY
    return os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8")


def event_line(event: Event) -> dict[str, JsonValue]:
    """Return an event as JSON, without secrets; ``event`` is its kind.

    A finished document is the line of ``upload --json``; its kind is ``document``.
    """
    line: dict[str, JsonValue]
    if isinstance(event, DocumentFinished):
        line = {"run_id": event.run.id, **document_line(event.run, event.record, event.unit)}
    else:
        line = {"event": _WORD.sub("_", type(event).__name__).lower()}
        for field in fields(event):
            line |= _written(field.name, getattr(event, field.name))
    hidden = redact_json(line)
    assert isinstance(hidden, dict)
    return hidden


def placed(event: Event) -> dict[str, JsonValue]:
    """Return an event as JSON with its run, also where the event itself does not name it.

    To be called for every event, where it happens.
    """
    if isinstance(event, RunStarted):
        _RUN.set(_written("run", event.run))
    line = event_line(event)
    line = {**line, **_RUN.get(), **line}
    if isinstance(event, RunFinished):
        _RUN.set(_NOWHERE)
    return line


def _written(name: str, value: object) -> dict[str, JsonValue]:
    match value:
        case RunRecord():
            return {"run_id": value.id, "target": value.target, "provider": value.provider}
        case ErrorInfo():
            return {name: value.model_dump(mode="json")}
        case tuple():
            return {name: [str(item) for item in value]}
        case dict():
            return {name: {str(key): item for key, item in value.items()}}
        case None | bool() | int() | float():
            return {name: value}
        case _:
            return {_SHORT.get(name, name): str(value)}


_SHORT = {"unit_id": "batch_id", "job_id": "vendor_job_id"}
"""The words of ``upload --json`` for the same things."""
