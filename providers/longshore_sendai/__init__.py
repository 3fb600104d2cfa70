"""The Longshore provider for Send AI: batch uploads and tasks.

Read ``provider`` for the protocol, ``wire`` for the vendor's JSON, ``states`` for its words and
``sandbox`` for the vendor's side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longshore.provider import hookimpl
from longshore_sendai.provider import Sendai
from longshore_sendai.settings import SendaiSettings

__all__ = ["Sendai", "SendaiSettings", "longshore_providers", "longshore_sandbox"]


@hookimpl
def longshore_providers() -> list[type[Sendai]]:
    """Offer the provider."""
    return [Sendai]


@hookimpl
def longshore_sandbox(name: str, options: Mapping[str, Any]) -> Any:
    """Return the vendor's side, if it is this vendor that is asked for."""
    if name != Sendai.name:
        return None
    from longshore_sendai.sandbox import SendaiSandbox

    return SendaiSandbox(options)
