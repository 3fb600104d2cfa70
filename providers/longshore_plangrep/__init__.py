"""The Longshore provider for Plangrep: construction documents, many in one job of a project.

Read ``provider`` for the protocol, ``wire`` for the vendor's JSON, ``states`` for its words and
``sandbox`` for the vendor's side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore.provider import Card, hookimpl, on_demand

if TYPE_CHECKING:
    from longshore_plangrep.provider import Plangrep
    from longshore_plangrep.sandbox import PlangrepSandbox
    from longshore_plangrep.settings import PlangrepSettings, SignedFields

__all__ = [
    "CARD",
    "Plangrep",
    "PlangrepSettings",
    "SignedFields",
    "longshore_providers",
    "longshore_sandbox",
]

CARD = Card(
    "plangrep",
    "longshore_plangrep.provider:Plangrep",
    title="Plangrep",
    documentation="https://docs.plangrep.com",
)


@hookimpl
def longshore_providers() -> Sequence[Card]:
    """Offer the provider."""
    return [CARD]


@hookimpl
def longshore_sandbox(name: str, options: Mapping[str, Any]) -> PlangrepSandbox | None:
    """Make the vendor's side, if it is this vendor that is asked for."""
    if name != CARD.name:
        return None
    from longshore_plangrep.sandbox import PlangrepSandbox

    return PlangrepSandbox(options)


__getattr__ = on_demand(
    __name__,
    {
        "Plangrep": "longshore_plangrep.provider",
        "PlangrepSettings": "longshore_plangrep.settings",
        "SignedFields": "longshore_plangrep.settings",
    },
)
