"""What a signed URL says about itself, and whether it is one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

__all__ = ["is_absolute", "url_expiry"]

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_absolute(url: str) -> bool:
    """Tell whether a URL carries its own host, and so gets none of our credentials."""
    return _ABSOLUTE.match(url) is not None


def url_expiry(url: str) -> float | None:
    """Read from a signed S3 URL when it expires, in seconds since the epoch.

    SigV2 carries ``Expires`` (an epoch), SigV4 carries ``X-Amz-Date`` and ``X-Amz-Expires``
    (seconds from that date). None when the URL says neither.
    """
    try:
        fields = parse_qs(urlsplit(url).query)
        query = {name.lower(): values[0] for name, values in fields.items()}
        if "x-amz-date" in query and "x-amz-expires" in query:
            signed = datetime.strptime(query["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return signed.timestamp() + int(query["x-amz-expires"])
        return float(int(query["expires"])) if "expires" in query else None
    except (ValueError, OverflowError):
        return None
