"""Subworkflow.ai for Longshore: one POST for small documents, upload sessions for large ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore.provider import Provider, hookimpl
from longshore_subworkflow.provider import Subworkflow
from longshore_subworkflow.settings import SubworkflowSettings

if TYPE_CHECKING:
    from longshore_subworkflow.sandbox import SubworkflowSandbox

__all__ = ["Subworkflow", "SubworkflowSettings", "longshore_providers", "longshore_sandbox"]


@hookimpl
def longshore_providers() -> Sequence[type[Provider[Any]]]:
    """Offer the provider."""
    return [Subworkflow]


@hookimpl
def longshore_sandbox(name: str, options: Mapping[str, Any]) -> SubworkflowSandbox | None:
    """Offer the vendor's side for tests and demos."""
    if name != Subworkflow.name:
        return None
    from longshore_subworkflow.sandbox import SubworkflowSandbox

    return SubworkflowSandbox(options)
