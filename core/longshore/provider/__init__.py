"""All that a plugin author imports.

A provider tells the story of one vendor's upload protocol as flows: generators that yield
requests and get responses, without any I/O. The smallest useful one::

    class Tiny(Provider):
        name = "tiny"

        def send(self, batch, session, transfer):
            file = File.of(batch.only())
            reply = yield Request.post("/upload", Multipart((("file", file),)), step="upload")
            return transfer.receipt(reply.json()["id"])

        def poll(self, job):
            reply = yield Request.get(f"/jobs/{job.id}")
            return Status.of(reply.json()["status"], {"DONE": State.SUCCEEDED})


    @hookimpl
    def longshore_providers():
        return [Tiny]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pluggy import HookimplMarker

from longshore._lazy import on_demand
from longshore.provider._card import Card

if TYPE_CHECKING:
    from longshore._model import Frozen
    from longshore.capabilities import Capabilities, Limits, PartRule, PollSchedule, Rate
    from longshore.documents import Document, Piece
    from longshore.errors import (
        AccountError,
        BatchError,
        Forbidden,
        LongshoreError,
        PaymentRequired,
        ProtocolError,
        RequestRefused,
        SessionLost,
        Unauthorized,
        UnknownOutcome,
        VendorUnavailable,
        WaitExpired,
    )
    from longshore.lifecycle import (
        Accepted,
        Action,
        Batch,
        DocumentStatus,
        Job,
        Receipt,
        Session,
        Setup,
        State,
        Status,
        Transfer,
        combine,
    )
    from longshore.planning import cut
    from longshore.provider._bodies import Body, Bytes, File, Json, Multipart, Raw
    from longshore.provider._flows import Ask, Flow, Request, Wait, immediately
    from longshore.provider._headers import Headers
    from longshore.provider._inventory import Holding, Inventory
    from longshore.provider._lost import (
        Abandon,
        Answer,
        Found,
        LostRequest,
        NotDone,
        Remedy,
        Retry,
        Undecided,
    )
    from longshore.provider._provider import Provider, ProviderSettings, refusal_of
    from longshore.provider._responses import Refused, Response, upload_url
    from longshore.provider._results import (
        Artifact,
        DocumentResult,
        FieldValue,
        Place,
        Results,
        Table,
        TextPiece,
        VendorTimes,
    )
    from longshore.provider._token import Token
    from longshore.provider._words import words_in
    from longshore.redaction import excerpt
    from longshore.units import ByteSize, Seconds
    from longshore.urls import quoted, url_expiry

__all__ = [
    "Abandon", "Accepted", "AccountError", "Action", "Answer", "Artifact", "Ask", "Batch",
    "BatchError", "Body", "ByteSize", "Bytes", "Capabilities", "Card", "Document", "DocumentResult",
    "DocumentStatus", "FieldValue", "File", "Flow", "Forbidden", "Found", "Frozen", "Headers",
    "Holding", "Inventory", "Job", "Json", "Limits", "LongshoreError", "LostRequest", "Multipart",
    "NotDone", "PartRule", "PaymentRequired", "Piece", "Place", "PollSchedule", "ProtocolError",
    "Provider", "ProviderSettings", "Rate", "Raw", "Receipt", "Refused", "Remedy", "Request",
    "RequestRefused", "Response", "Results", "Retry", "Seconds", "Session", "SessionLost", "Setup",
    "State", "Status", "Table", "TextPiece", "Token", "Transfer", "Unauthorized", "Undecided",
    "UnknownOutcome", "VendorTimes", "VendorUnavailable", "Wait", "WaitExpired", "combine", "cut",
    "excerpt", "hookimpl", "immediately", "on_demand", "quoted", "refusal_of", "upload_url",
    "url_expiry", "words_in",
]  # fmt: skip

hookimpl = HookimplMarker("longshore")
"""Marks a function of a plugin as one of Longshore's hooks."""

_HOMES = (
    "_model", "capabilities", "documents", "errors", "lifecycle", "planning", "provider._bodies",
    "provider._flows", "provider._headers", "provider._inventory", "provider._lost",
    "provider._provider", "provider._responses", "provider._results", "provider._token",
    "provider._words", "redaction", "units", "urls",
)  # fmt: skip


def __getattr__(name: str) -> object:
    """Import the rest when it is asked for: with pydantic it takes longer than all else here."""
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"longshore.{home}")
            if hasattr(module, name):
                globals()[name] = found = getattr(module, name)
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
