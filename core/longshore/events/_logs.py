"""Log records as lines of JSON, without secrets."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TextIO

from longshore.redaction import redact_text

__all__ = ["JsonFormatter", "log_handler"]


class JsonFormatter(logging.Formatter):
    """Writes a record as one line: ``at``, ``level``, ``logger``, ``message``, ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact_text(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = redact_text(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=True)


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
