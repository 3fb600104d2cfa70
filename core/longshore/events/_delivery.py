"""What is left for OpenTelemetry's exporters when a command ends: handed over in bounded time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["PATIENCE", "Delivery"]

PATIENCE = 3.0
"""Seconds that the end of a command waits for all exporters together, unless it is told else."""

_log = logging.getLogger("longshore.events")


class Delivery:
    """Watches exporters, and ends them without waiting for a collector that does not answer.

    Args:
        patience: seconds that ending them may take in all.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._ends: dict[str, Callable[[], object]] = {}
        self._failed: set[str] = set()

    def watched(self, what: str, exporter: Any) -> Any:
        """Return an exporter; from now on it is noticed when it does not deliver."""
        export = exporter.export

        def watching(*given: Any, **named: Any) -> Any:
            result = None
            try:
                result = export(*given, **named)
            finally:
                if getattr(result, "name", "") != "SUCCESS":
                    self._failed.add(what)
            return result

        exporter.export = watching
        return exporter

    def at_end(self, what: str, shutdown: Callable[[], object]) -> None:
        """Let ``shutdown`` hand over what is left of these, when all is over."""
        self._ends[what] = shutdown

    def end(self) -> None:
        """Hand over what is left; say in one line what could not be delivered."""
        threads = {
            what: threading.Thread(target=self._shut, args=(what, shutdown), daemon=True)
            for what, shutdown in self._ends.items()
        }
        deadline = time.monotonic() + self._patience
        for thread in threads.values():
            thread.start()
        for thread in threads.values():
            thread.join(max(deadline - time.monotonic(), 0.0))
        late = {what for what, thread in threads.items() if thread.is_alive()}
        lost = " and ".join(what for what in threads if what in self._failed | late)
        if lost:
            why = f"no answer within {self._patience:g} s" if late else "refused, or no answer"
            _log.warning("OpenTelemetry: not all %s could be delivered (%s)", lost, why)

    def _shut(self, what: str, shutdown: Callable[[], object]) -> None:
        try:
            shutdown()
        except Exception as error:  # noqa: BLE001 - telemetry never changes how a command ends
            self._failed.add(what)
            _log.debug("%s: %s", what, error)
