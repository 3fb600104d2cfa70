"""One upload interface for document-ingestion vendors: start, send parts, complete, poll.

from longshore import Client

with Client("my-target") as client:
    report = client.upload(["plans/"])
    print(report.outcomes)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from longshore.errors import LongshoreError

if TYPE_CHECKING:
    from longshore.client import AsyncClient, Client, Upload
    from longshore.lifecycle import Outcome, State
    from longshore.pipeline import RunReport

__all__ = ["AsyncClient", "Client", "LongshoreError", "Outcome", "RunReport", "State", "Upload"]

_HOMES = {
    "AsyncClient": "longshore.client",
    "Client": "longshore.client",
    "Outcome": "longshore.lifecycle",
    "RunReport": "longshore.pipeline",
    "State": "longshore.lifecycle",
    "Upload": "longshore.client",
}


def __getattr__(name: str) -> object:
    """Import what is heavy only when it is asked for."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
