"""What leaves on the fast path besides our own bodies: heads, and bodies that others put there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence

import httpcore

from longshore.transfer._body import Body

__all__ = ["counted", "head_of"]

_HEAD = re.compile(  # bodies leave uncoded: nothing may say otherwise
    rb"[A-Z]++ [\x21-\x7e]++ HTTP/1\.1\r\n"
    rb"(?:(?!(?i:transfer-encoding):)"
    rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++: [\t\x20-\x7e\x80-\xff]*+\r\n)+\r\n"
)


def head_of(method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a request.

    Raises:
        httpcore.LocalProtocolError: it is none that HTTP can carry.
    """
    lines = [b"%b %b HTTP/1.1" % (method, target)]
    lines += [b": ".join(header) for header in headers]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    # As many lines as parts: none of them has a line end of its own.
    if _HEAD.fullmatch(head) is None or head.count(b"\r\n") != len(lines) + 1:
        raise httpcore.LocalProtocolError("not a head that HTTP can carry")
    return head


async def counted(
    headers: Sequence[tuple[bytes, bytes]], stream: Body | AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """Hold a body to the length in its head: more would be the beginning of another request.

    Raises:
        httpcore.LocalProtocolError: it is longer or shorter.
    """
    length = {name.lower(): value for name, value in headers}.get(b"content-length", b"0")
    left = int(length) if length.isdigit() else -1
    async for chunk in stream:
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise httpcore.LocalProtocolError("the body is not as long as its head says")
