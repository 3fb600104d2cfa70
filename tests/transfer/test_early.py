"""The streams of the plain path that read while they write."""

from __future__ import annotations

import asyncio
from typing import Any

import httpcore
import pytest

from longshore.transfer._early import read_while_writing


class Silent(httpcore.AsyncNetworkStream):
    """A connection that takes everything and says nothing."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - its signature
        await asyncio.Event().wait()
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        pass

    async def aclose(self) -> None:
        pass


class Network(httpcore.AsyncNetworkBackend):
    async def connect_tcp(self, *_given: Any, **_how: Any) -> httpcore.AsyncNetworkStream:
        return Silent()


async def waiting() -> tuple[httpcore.AsyncNetworkStream, asyncio.Task[bytes]]:
    """Send a large body, and wait for the answer."""
    stream = await read_while_writing(Network()).connect_tcp("host", 80)
    await stream.write(bytes(1 << 17))
    reading = asyncio.create_task(stream.read(1))
    await asyncio.sleep(0)
    return stream, reading


async def test_a_connection_that_is_closed_ends_the_wait() -> None:
    """Who waits for an answer is told that there will be none."""
    stream, reading = await waiting()
    await stream.aclose()
    with pytest.raises(httpcore.ReadError):
        await reading


async def test_who_is_cancelled_while_it_is_closed_is_cancelled() -> None:
    """In the same turn of the loop: no answer that got lost, which would be tried again."""
    stream, reading = await waiting()
    await stream.aclose()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
