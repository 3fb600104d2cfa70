"""Where a request goes: an address, taken apart once for all that differ only behind the host."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import httpx

from longshore.errors import ProtocolError
from longshore.transfer._fast import Origin

__all__ = ["Place", "address"]

_LONGEST = 65_536  # httpx.URL, which others ask later, takes no more
_PORTS = {b"http": 80, b"https": 443}
_SAFE = r"(?:[\w!$&'()*+,\-.:;=@~]++|%[0-9A-Fa-f]{2})*"
_CLEAN = re.compile(  # an address in which nothing has to be encoded or taken out
    rf"(https?://[a-z0-9.-]{{1,253}}+(?::[0-9]{{1,5}}+)?)(?:/(?!\.){_SAFE})+(?:\?{_SAFE})?",
    re.ASCII,
)


class Place(NamedTuple):
    """Where an address leads, without the path.

    Attributes:
        origin: scheme, host and port.
        host: as it is shown.
        netloc: for the header ``Host``.
        user: a user name and a password that stood before the host, for basic authentication.
    """

    origin: Origin
    host: str
    netloc: bytes
    user: bytes


def address(text: str) -> tuple[Place, bytes]:
    """Take an address apart: its place, and what is asked for there.

    ``httpx.URL`` for each signed one would be a fifth of a small request.
    """
    try:
        if len(text) <= _LONGEST and (clean := _CLEAN.fullmatch(text)):
            return _known_place(clean[1]), text[clean.end(1) :].encode("ascii")
        url = httpx.URL(text)
        return _place_of(url), url.raw_path
    except (httpx.InvalidURL, UnicodeError) as error:  # UnicodeError: of a name like "xn--a"
        wrong = str(error)
    raise ProtocolError(f"not an address that can be asked: {wrong}", hint="check base_url")


@lru_cache(maxsize=64)
def _known_place(beginning: str) -> Place:
    return _place_of(httpx.URL(beginning))


def _place_of(url: httpx.URL) -> Place:
    scheme, port = url.raw_scheme, url.port
    if scheme not in _PORTS or not url.host or not 0 < (1 if port is None else port) < 1 << 16:
        raise httpx.InvalidURL(
            "it needs http:// or https://, a host, and no port or one up to 65535"
        )
    origin = (scheme, url.raw_host, port or _PORTS[scheme])
    user = f"{url.username}:{url.password}".encode() if url.userinfo else b""
    return Place(origin, url.host, url.netloc, user)
