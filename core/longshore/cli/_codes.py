"""Exit codes that no error has of its own."""

from __future__ import annotations

__all__ = ["INTERRUPTED", "TROUBLE"]

TROUBLE = 2
"""Usage, configuration, account, plugin, journal; and what nobody expected."""

INTERRUPTED = 130
"""Ctrl-C or SIGTERM: ``resume`` goes on."""
