"""Finding the providers: hooks, discovery, quarantine of broken plugins, version handshake.

A plugin is a module (or any object) with functions marked by ``longshore.provider.hookimpl``,
registered as an entry point of the group ``longshore.providers``. Built-in providers come in the
same way. One broken plugin never stops the others: it is quarantined, with the reason.
"""

from __future__ import annotations

from longshore.plugins._hooks import API_VERSION, Hooks
from longshore.plugins._info import ProviderInfo
from longshore.plugins._plugins import GROUP, Plugins, Quarantined, load_plugins

__all__ = [
    "API_VERSION", "GROUP", "Hooks", "Plugins", "ProviderInfo", "Quarantined", "load_plugins",
]  # fmt: skip
