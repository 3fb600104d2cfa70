"""What is known of a provider before its class is imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

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

    def load(self) -> object:
        """Import what stands at its place; whatever is wrong with the module is raised."""
        module, _, name = self.at.partition(":")
        found: object = getattr(import_module(module), name)
        return found
