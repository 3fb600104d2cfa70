"""Log lines on stderr, without secrets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from longshore.cli._text import printable, structured

__all__ = ["as_record", "logs"]

_LOGGERS = ("longshore", "httpx", "httpcore", "uvicorn", "opentelemetry")
_EXPORTERS = "opentelemetry.exporter"


def as_record(level: str, text: str, **fields: str) -> str:
    """Write what a command says itself as one line of JSON, as if it were logged."""
    from longshore.events import JsonFormatter

    message = text.removeprefix("longshore: ")
    number = logging.getLevelNamesMapping()[level.upper()]
    record = logging.LogRecord("longshore.cli", number, "", 0, "%s", (message,), None)
    record.fields = fields
    return JsonFormatter().format(record)


class _Lines(logging.Handler):
    """Hands each record on as one line."""

    def __init__(self, write: Callable[[str], None], level: int) -> None:
        super().__init__(level)
        self._write = write

    def _line(self, record: logging.LogRecord) -> str:
        """Write a record as one line, and its traceback, if it has one, below it."""
        message = printable(record.getMessage())
        if record.exc_info:
            message += "\n" + logging.Formatter().formatException(record.exc_info)
        return f"longshore: {message}"

    def emit(self, record: logging.LogRecord) -> None:
        from longshore.redaction import redact_text

        try:
            if structured():
                from longshore.events import JsonFormatter

                self._write(JsonFormatter().format(record))
            else:
                self._write(redact_text(self._line(record)))
        except Exception:  # noqa: BLE001 - a log line never stops an upload
            self.handleError(record)


class _Once(logging.Filter):
    """Lets through once what is said of settings: a command may fill those of a target again."""

    def __init__(self) -> None:
        super().__init__("longshore.targets")
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if not super().filter(record):
            return True
        text = record.getMessage()
        new = text not in self._said
        self._said.add(text)
        return new


@contextmanager
def logs(write: Callable[[str], None], *, quiet: bool, verbose: bool) -> Iterator[None]:
    """Show warnings; with ``verbose`` what happens step by step; with ``quiet`` nothing.

    Structured logs tell what happens in runs in any case, with ``verbose`` each step of it.
    """
    level = logging.INFO if verbose else logging.WARNING
    handler = _Lines(write, logging.CRITICAL + 1 if quiet else logging.DEBUG)
    handler.addFilter(_Once())
    # That an exporter does not deliver is told once, at the end.
    levels = {_LOGGERS[0]: level, _EXPORTERS: level if verbose else logging.CRITICAL}
    if structured():
        from longshore.events import RUN_LOGGER

        levels[RUN_LOGGER] = logging.DEBUG if verbose else logging.INFO
    before = {name: logging.getLogger(name).level for name in levels}
    for name, wanted in levels.items():
        logging.getLogger(name).setLevel(wanted)
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name, was in before.items():
            logging.getLogger(name).setLevel(was)
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(handler)
