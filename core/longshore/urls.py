"""What a signed URL says about itself."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

__all__ = ["url_expiry"]


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
