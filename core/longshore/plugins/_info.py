"""What a plugin offers: the card of a provider, its class when that is needed, and their checks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

from longshore.errors import PluginError
from longshore.provider import Card

if TYPE_CHECKING:
    from longshore.provider import Provider

__all__ = ["ProviderInfo", "Source", "described", "info_of"]

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_REQUIRED = ("send", "poll")


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """A provider that can be used, and the distribution that brought it ("" if none did)."""

    card: Card
    distribution: str = ""
    version: str = ""
    offered: type[Provider[Any]] | None = None

    @property
    def type(self) -> type[Provider[Any]]:
        """Its class, imported if that has not happened yet.

        Raises:
            PluginError: its card leads to no provider class that can be used.
        """
        if self.offered is not None:
            return self.offered
        try:
            found = _checked(self.card.load())
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            what = f"the provider {self.card.name!r} cannot be imported: {described(error)}"
            raise PluginError(what) from error
        if found.name != self.card.name:
            raise PluginError(f"the card of {self.card.name!r} leads to {found.name!r}")
        return found


@dataclass(frozen=True, slots=True)
class Source:
    """The distribution that a plugin comes from; "" if none."""

    distribution: str = ""
    version: str = ""

    @classmethod
    def of(cls, entry: EntryPoint) -> Source:
        """Take it from an entry point."""
        return cls(entry.dist.name, entry.dist.version) if entry.dist is not None else cls()


def info_of(offered: object, source: Source) -> ProviderInfo:
    """Describe what a plugin offers; a card is believed until its class is needed."""
    if isinstance(offered, Card):
        _check_words(offered.name, *offered.aliases)
        return ProviderInfo(offered, source.distribution, source.version)
    kind = _checked(offered)
    place = f"{kind.__module__}:{kind.__qualname__}"
    card = Card(kind.name, place, kind.aliases, kind.title, kind.documentation)
    return ProviderInfo(card, source.distribution, source.version, kind)


def _check_words(*names: object) -> None:
    for word in names:
        if not (isinstance(word, str) and _NAME.fullmatch(word)):
            raise PluginError(f"the name {word!r} is not of the form [a-z0-9-]+")


def _checked(offered: object) -> type[Provider[Any]]:
    """Return the class if it is a provider that can be used."""
    from longshore.provider import Provider, ProviderSettings

    if not (isinstance(offered, type) and issubclass(offered, Provider)):
        raise PluginError(f"longshore_providers() returned {offered!r}, which is no Provider class")
    name = getattr(offered, "name", None)
    if not name:
        raise PluginError(f"the provider class {offered.__name__} has no name")
    _check_words(name, *offered.aliases)
    for verb in _REQUIRED:
        if getattr(offered, verb) is getattr(Provider, verb):
            raise PluginError(f"the provider {name!r} does not define {verb}()")
    settings: object = offered.Settings
    if not (isinstance(settings, type) and issubclass(settings, ProviderSettings)):
        raise PluginError(f"the Settings of provider {name!r} are no ProviderSettings class")
    return offered


def described(error: BaseException) -> str:
    """Say what went wrong in a plugin, in one line."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
