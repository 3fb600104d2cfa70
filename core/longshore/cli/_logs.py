"""Log lines on stderr, without secrets."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from longshore.cli._terminal import printable

__all__ = ["logs"]

FORMAT = "LONGSHORE_LOG"
"""The variable that asks for structured logs: ``json``."""

_LOGGERS = ("longshore", "httpx", "httpcore")


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
            if os.environ.get(FORMAT, "").strip().lower() == "json":
                from longshore.events import JsonFormatter

                self._write(JsonFormatter().format(record))
            else:
                self._write(redact_text(self._line(record)))
        except Exception:  # noqa: BLE001 - a log line never stops an upload
            self.handleError(record)


@contextmanager
def logs(write: Callable[[str], None], *, quiet: bool, verbose: bool) -> Iterator[None]:
    """Show warnings; with ``verbose`` what happens step by step; with ``quiet`` nothing."""
    level = logging.INFO if verbose else logging.WARNING
    handler = _Lines(write, logging.CRITICAL + 1 if quiet else level)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = loggers[0].level
    loggers[0].setLevel(level)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        loggers[0].setLevel(before)
        for logger in loggers:
            logger.removeHandler(handler)
