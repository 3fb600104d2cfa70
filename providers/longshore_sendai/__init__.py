"""The Longshore provider for Send AI: batch uploads and tasks.

Read ``provider`` for the protocol, ``wire`` for the vendor's JSON, ``states`` for its words and
``sandbox`` for the vendor's side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore.provider import Card, hookimpl, on_demand

if TYPE_CHECKING:
    from longshore_sendai.provider import Sendai
    from longshore_sendai.sandbox import SendaiSandbox
    from longshore_sendai.settings import SendaiSettings

__all__ = ["CARD", "Sendai", "SendaiSettings", "longshore_providers", "longshore_sandbox"]

CARD = Card(
    "sendai",
    "longshore_sendai.provider:Sendai",
    aliases=("batch-tasks",),
    title="Send AI",
    documentation="https://docs.send.ai/api/v2/uploads/overview",
)


@hookimpl
def longshore_providers() -> Sequence[Card]:
    """Offer the provider."""
    return [CARD]


@hookimpl
def longshore_sandbox(name: str, options: Mapping[str, Any]) -> SendaiSandbox | None:
    """Make the vendor's side, if it is this vendor that is asked for."""
    if name != CARD.name:
        return None
    from longshore_sendai.sandbox import SendaiSandbox

    return SendaiSandbox(options)


__getattr__ = on_demand(
    __name__,
    {
        "Sendai": "longshore_sendai.provider",
        "SendaiSettings": "longshore_sendai.settings",
    },
)
