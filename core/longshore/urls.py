"""What a URL says about itself, and whether it is one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import parse_qs, quote

__all__ = ["is_absolute", "quoted", "scheme_of", "url_expiry"]

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_absolute(url: str) -> bool:
    """Tell whether a URL carries its own host, and so gets none of our credentials."""
    return _ABSOLUTE.match(url) is not None


@lru_cache(maxsize=1024)
def quoted(text: str) -> str:
    """Return a text, such as a vendor's id, as it stands in a path: there it is one segment.

    Two dots are no unsafe characters, and yet would take the segment before them out of the path.
    """
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def scheme_of(url: str) -> str:
    """Return the scheme of an absolute URL; ``urlsplit`` refuses a glob where a host may stand."""
    return url.partition("://")[0].lower()


def url_expiry(url: str) -> float | None:
    """Read from a signed S3 URL when it expires, in seconds since the epoch.

    SigV2 carries ``Expires`` (an epoch), SigV4 carries ``X-Amz-Date`` and ``X-Amz-Expires``
    (seconds from that date). None when the URL says neither.
    """
    try:
        fields = parse_qs(url.partition("#")[0].partition("?")[2])
        query = {name.lower(): values[0] for name, values in fields.items()}
        if "x-amz-date" in query and "x-amz-expires" in query:
            signed = datetime.strptime(query["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return signed.timestamp() + int(query["x-amz-expires"])
        return float(int(query["expires"])) if "expires" in query else None
    except (ValueError, OverflowError):
        return None
