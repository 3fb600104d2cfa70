"""Log lines on stderr, without secrets."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

__all__ = ["show_logs"]


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever stderr is now, one line a record."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("longshore: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        from longshore.redaction import redact_text

        return redact_text(super().format(record))


_HANDLER = _Stderr()


def show_logs(*, quiet: bool, verbose: bool) -> None:
    """Show warnings; with ``verbose`` what happens step by step; with ``quiet`` nothing."""
    for name in ("longshore", "httpx", "httpcore"):
        logger = logging.getLogger(name)
        if _HANDLER not in logger.handlers:
            logger.addHandler(_HANDLER)
        logger.propagate = False
    level = logging.INFO if verbose else logging.WARNING
    _HANDLER.setLevel(logging.CRITICAL + 1 if quiet else level)
    logging.getLogger("longshore").setLevel(level)
