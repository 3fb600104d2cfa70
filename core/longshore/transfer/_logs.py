"""The HTTP client's own log lines, without the credentials in signed URLs."""

from __future__ import annotations

import logging
from weakref import WeakSet

from longshore.redaction import Redactor, redact_text
from longshore.transfer._retry import Again

__all__ = ["RedactLogs", "quiet_http_logs"]

# A filter holds for the logger it is attached to, not for those below: all are named.
_LOGGERS = (
    "httpx",
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


class RedactLogs(logging.Filter):
    """Lets every record through, with the credentials in its text hidden."""

    def __init__(self) -> None:
        super().__init__()
        self._redactors: WeakSet[Redactor] = WeakSet()

    def learn(self, redactor: Redactor) -> None:
        """Hide what this redactor knows too, for as long as it is in use."""
        self._redactors.add(redactor)

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the record's text; never drop it."""
        text = record.getMessage()
        for redactor in tuple(self._redactors):
            text = redactor.text(text)
        record.msg, record.args = redact_text(text), ()
        return True


_SHARED = RedactLogs()


def _not_ours(record: logging.LogRecord) -> bool:
    """Let through what stamina says of others' retries; the run's own events tell of ours."""
    return not str(getattr(record, "stamina.caused_by", "")).startswith(f"{Again.__name__}(")


def quiet_http_logs(redactor: Redactor | None = None) -> None:
    """Hide credentials in the HTTP client's log lines, and show warnings only.

    A level that somebody chose for these loggers stays. May be called any number of times.
    """
    if redactor is not None:
        _SHARED.learn(redactor)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_SHARED)
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
    logging.getLogger("stamina").addFilter(_not_ours)
