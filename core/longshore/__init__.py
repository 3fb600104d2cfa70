"""One upload interface for document-ingestion vendors: start, send parts, complete, poll.

from longshore import Client

with Client("my-target") as client:
    report = client.upload(["plans/"])
    print(report.outcomes)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore._lazy import on_demand
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

__getattr__ = on_demand(__name__, _HOMES)
