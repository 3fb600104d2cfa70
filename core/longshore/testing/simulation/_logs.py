"""Hears every log line of a history, whoever writes it and at whatever level."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hearing", "listening"]

_LOGGERS = ("", "longshore", "httpx", "httpcore", "stamina")
"""Those that somebody may have made quieter; all others take the level of the first, the root."""


class _Ear(logging.Handler):
    said: list[str] | None = None
    open = False

    def emit(self, record: logging.LogRecord) -> None:
        if self.said is not None:
            self.said.append(self.format(record))  # with its traceback


_EAR = _Ear(logging.NOTSET)


@contextmanager
def listening() -> Iterator[None]:
    """Let every logger speak; once around many histories, because changing levels is slow."""
    if _EAR.open:
        yield
        return
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    _EAR.open = True
    loggers[0].addHandler(_EAR)
    try:
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
            logger.propagate = True
        yield
    finally:
        loggers[0].removeHandler(_EAR)
        for logger, level, propagate in before:
            logger.setLevel(level)
            logger.propagate = propagate
        _EAR.open = False


@contextmanager
def hearing(said: list[str]) -> Iterator[None]:
    """Collect what is logged."""
    with listening():
        before, _EAR.said = _EAR.said, said
        try:
            yield
        finally:
            _EAR.said = before
