"""Connecting: the addresses of a host are tried side by side (RFC 8305), on any event loop.

asyncio's own loop can do so by itself, others cannot; nor can it with eager tasks (before Python
3.12.8), where all connections would fail.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Callable, Sequence
from typing import TypeVar

from aiohappyeyeballs import AddrInfoType, start_connection

__all__ = ["dial"]

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)

_NEXT = 0.25  # seconds until the host's next address is tried as well


async def dial(make: Callable[[], ProtocolT], host: str, port: int) -> ProtocolT:
    """Connect to a host and return the protocol of the connection.

    Raises:
        OSError: that of the first address that failed, where none could be reached.
        UnicodeError: the host has a name that cannot be looked up.
    """
    addresses = await _look_up(host, port)
    try:
        sock = await start_connection(addresses, happy_eyeballs_delay=_NEXT)
    except (OSError, RuntimeError) as error:  # uvloop raises both
        raise _first(error) from error
    try:
        _, made = await asyncio.get_running_loop().create_connection(make, sock=sock)
    except BaseException:
        sock.close()
        raise
    return made


async def _look_up(host: str, port: int) -> Sequence[AddrInfoType]:
    kind = socket.SOCK_STREAM
    try:  # an address needs no thread
        return socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)


def _first(error: Exception) -> OSError:
    """Return the first of the errors that were written into one, where several addresses failed."""
    number = re.search(r"Multiple exceptions: \[Errno (\d+)\]", str(error))
    if number is None:
        return error if isinstance(error, OSError) else OSError(str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])))
