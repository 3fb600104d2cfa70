"""Replies that come compressed although none was asked for: unpacked within bounds.

A few kilobytes can be packed to hold gigabytes, and packed again and again. So the bytes are
counted as they come, and one layer at most is unpacked, never beyond what a reply may hold.
"""

from __future__ import annotations

import zlib

from longshore.errors import ProtocolError

__all__ = ["decoded"]

_EITHER = 32 + zlib.MAX_WBITS  # gzip or zlib, by its head


def decoded(body: bytes, encoding: str, *, most: int, status: int) -> bytes:
    """Return the body of a reply without its content encoding.

    Args:
        body: as it came.
        encoding: of the header ``Content-Encoding``; "" for none.
        most: bytes of a reply at most.
        status: of the reply, for the error.

    Raises:
        ProtocolError: it is larger than that, broken, or packed in another way than gzip or
            deflate; the error has the status, since an answer did come.
    """
    word = encoding.strip().lower()
    if not body or word in ("", "identity"):
        return body
    if word not in ("gzip", "x-gzip", "deflate"):
        raise ProtocolError(
            f"the reply is packed in a way that was not asked for: {encoding[:40]!r}", status=status
        )
    unpack = zlib.decompressobj(_EITHER)
    try:
        plain = unpack.decompress(body, most + 1)
    except zlib.error:
        raise ProtocolError(f"the reply is no {word}, although it says so", status=status) from None
    if len(plain) > most:
        raise ProtocolError(f"the reply is larger than {most:,} bytes", status=status)
    if not unpack.eof:
        raise ProtocolError(f"the reply ended before its {word} did", status=status)
    return plain
