"""What is known of a provider before its class is imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longshore.provider._provider import Provider

__all__ = ["Card"]


@dataclass(frozen=True, slots=True)
class Card:
    """What a provider is called, and where its class is; the class takes all that from here.

    A plugin that offers cards instead of classes costs next to nothing until it is used.

    Attributes:
        name: persisted with every run: never rename.
        at: ``module:Class``.
        aliases: other names.
        title: for people.
        documentation: the address of the vendor's documentation.
    """

    name: str
    at: str
    aliases: tuple[str, ...] = ()
    title: str = ""
    documentation: str = ""

    def load(self) -> type[Provider[Any]]:
        """Import the class; whatever is wrong with its module is raised."""
        module, _, name = self.at.partition(":")
        found: type[Provider[Any]] = getattr(import_module(module), name)
        return found
