"""Switches: variables of the environment that say yes or no."""

from __future__ import annotations

import os
from collections.abc import Mapping

from longshore.errors import ConfigurationError

__all__ = ["is_on"]

_WORDS = {
    "true": True, "1": True, "yes": True, "on": True,
    "": False, "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip


def is_on(name: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a variable says yes; one that is empty or not set says no.

    Raises:
        ConfigurationError: it says neither.
    """
    text = environ.get(name, "")
    if (found := _WORDS.get(text.strip().lower())) is None:
        raise ConfigurationError(
            f"{name}: {text[:40]!r} is neither true nor false (1, 0, yes, no, on, off)",
            hint=f"{name}=true, or unset it",
        )
    return found
