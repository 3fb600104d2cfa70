"""Longshore's provider for Plangrep, and the sandbox that behaves as its documentation says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longshore.provider import Provider, hookimpl
from longshore_plangrep.provider import Plangrep
from longshore_plangrep.settings import PlangrepSettings, SignedFields

__all__ = ["Plangrep", "PlangrepSettings", "SignedFields"]


@hookimpl
def longshore_providers() -> list[type[Provider[Any]]]:
    """Offer the provider."""
    return [Plangrep]


@hookimpl
def longshore_sandbox(name: str, options: Mapping[str, Any]) -> object | None:
    """Build the vendor's side for tests and demonstrations; None for another provider's name."""
    if name != Plangrep.name:
        return None
    from longshore_plangrep.sandbox import PlangrepSandbox

    return PlangrepSandbox(options)
