"""Certificates to trust: read, or told by name where they cannot be."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from longshore.errors import ConfigurationError

__all__ = ["readable", "trusting"]


def trusting(ca_bundle: str) -> ssl.SSLContext:
    """Make a TLS context that trusts the certificates of a file, or of an OpenSSL folder.

    Raises:
        ConfigurationError: they cannot be read.
    """
    folder = os.path.isdir(ca_bundle)  # noqa: PTH112
    with readable(f"ca_bundle {ca_bundle}"):
        return ssl.create_default_context(
            cafile=None if folder else ca_bundle, capath=ca_bundle if folder else None
        )


@contextmanager
def readable(given: str) -> Iterator[None]:
    """Tell by name what cannot be read.

    Args:
        given: the setting or the variable, and what it says.

    Raises:
        ConfigurationError: that, or where OpenSSL is to log its keys.
    """
    try:
        yield
    except (OSError, ValueError) as error:  # ssl.SSLError is one; a NUL in the name is the other
        name = getattr(error, "filename", None)
        hint = "name a file (or an OpenSSL folder) of PEM certificates"
        if name and name == os.environ.get("SSLKEYLOGFILE"):
            given, hint = f"SSLKEYLOGFILE {name}", "unset it, or name another file"
        why = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{given}: {why}", hint=hint) from error
