"""Mistakes in a provider's code: they bear its name, and say who can mend them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from longshore.errors import LongshoreError, PluginError

__all__ = ["asked", "broke_off", "fault_of"]

T = TypeVar("T")


def fault_of(name: str) -> str:
    """Return the hint of an error that a provider's code makes."""
    return f"this is a fault in the provider {name!r}: its author can mend it"


def broke_off(name: str, what: str, error: Exception) -> PluginError:
    """Make the error of a provider's method that raised what it must not.

    Args:
        name: of the provider.
        what: the method's name.
        error: what it raised.
    """
    words = " ".join(str(error).split())
    return PluginError(f"{what} broke off: {type(error).__name__}: {words}", hint=fault_of(name))


def asked(name: str, what: str, method: Callable[..., T], *arguments: object) -> T:
    """Call a method of a provider that is no flow.

    Args:
        name: of the provider.
        what: the method's name.
        method: to be called.
        arguments: of the method.

    Raises:
        LongshoreError: the provider raised it.
        PluginError: the provider raised something else; the message names the method.
    """
    try:
        return method(*arguments)
    except LongshoreError:
        raise
    except Exception as error:
        raise broke_off(name, what, error) from error
