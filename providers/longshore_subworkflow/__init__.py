"""The Longshore provider for Subworkflow.ai: one POST for small documents, sessions for large ones.

Read ``provider`` for the protocol, ``wire`` for the vendor's JSON, ``states`` for its words and
``sandbox`` for the vendor's side; ``lookup`` for what follows when an answer was lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore.provider import Card, hookimpl, on_demand

if TYPE_CHECKING:
    from longshore_subworkflow.provider import Subworkflow
    from longshore_subworkflow.sandbox import SubworkflowSandbox
    from longshore_subworkflow.settings import SubworkflowSettings

__all__ = ["CARD", "Subworkflow", "SubworkflowSettings", "longshore_providers", "longshore_sandbox"]

CARD = Card(
    "subworkflow",
    "longshore_subworkflow.provider:Subworkflow",
    title="Subworkflow.ai",
    documentation="https://docs.subworkflow.ai",
)


@hookimpl
def longshore_providers() -> Sequence[Card]:
    """Offer the provider."""
    return [CARD]


@hookimpl
def longshore_sandbox(name: str, options: Mapping[str, Any]) -> SubworkflowSandbox | None:
    """Make the vendor's side, if it is this vendor that is asked for."""
    if name != CARD.name:
        return None
    from longshore_subworkflow.sandbox import SubworkflowSandbox

    return SubworkflowSandbox(options)


__getattr__ = on_demand(
    __name__,
    {
        "Subworkflow": "longshore_subworkflow.provider",
        "SubworkflowSettings": "longshore_subworkflow.settings",
    },
)
