"""The three hooks of a plugin, and the version of what lies between it and Longshore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from longshore.provider import Card

if TYPE_CHECKING:
    from longshore.provider import Provider

__all__ = ["API_VERSION", "Hooks"]

API_VERSION = 1
"""The version of the provider contract. A plugin that sets ``longshore_api`` in its module must
name this one; a plugin that does not is taken at its word."""

_spec = pluggy.HookspecMarker("longshore")


class Hooks:
    """The three hooks of Longshore. An implementation may leave out arguments it does not need."""

    @_spec
    def longshore_providers(self) -> Sequence[type[Provider[Any]] | Card]:  # type: ignore[empty-body]
        """Return the provider classes of this plugin, or their cards. Called once, at discovery."""

    @_spec(firstresult=True)
    def longshore_sandbox(self, name: str, options: Mapping[str, Any]) -> object | None:
        """Return the vendor's side for a provider's name; None for other names.

        Called when a sandbox is started: load what is heavy here, not at import.
        """

    @_spec
    def longshore_event(self, event: object) -> None:
        """Observe what happens in a run. Called for each event; errors are logged, never raised."""
