"""The streams of the plain path that read while they write."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpcore
import pytest

from longshore.documents import Piece
from longshore.provider import Raw
from longshore.transfer._early import read_while_writing
from longshore.transfer._http import HttpTransport
from tests.transfer.wire import (
    MIB,
    REFUSED,
    Pattern,
    Peer,
    outgoing,
    serving,
)


class Silent(httpcore.AsyncNetworkStream):
    """A connection that takes everything and says nothing."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - its signature
        await asyncio.Event().wait()
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        pass

    async def aclose(self) -> None:
        pass


class Stuck(Silent):
    """A connection that takes nothing more, and then refuses."""

    def __init__(self) -> None:
        self.full = asyncio.Event()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        await self.full.wait()
        return REFUSED

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self.full.set()
        await asyncio.Event().wait()


class Dripping(Silent):
    """A connection that has something to read before each time-out."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        await asyncio.sleep(0)
        return b"HTTP/1.1 100 Continue\r\n\r\n"


class Mute(Silent):
    """A connection over which nothing comes in the time that is given, and some is given."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        assert timeout == 0.25
        raise httpcore.ReadTimeout


class Odd(Silent):
    """A connection at whose other end is no SOCKS proxy."""

    def __init__(self, said: bytes) -> None:
        self.said = said

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return self.said


class Network(httpcore.AsyncNetworkBackend):
    def __init__(self, make: Callable[[], httpcore.AsyncNetworkStream] = Silent) -> None:
        self.make = make

    async def connect_tcp(self, *_given: Any, **_how: Any) -> httpcore.AsyncNetworkStream:
        return self.make()


async def waiting() -> tuple[httpcore.AsyncNetworkStream, asyncio.Task[bytes]]:
    """Send a large body, and wait for the answer."""
    stream = await read_while_writing(Network()).connect_tcp("host", 80)
    await stream.write(bytes(1 << 17))
    reading = asyncio.create_task(stream.read(1))
    await asyncio.sleep(0)
    return stream, reading


async def test_a_refusal_is_read_before_the_write_that_breaks_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy looks at the length alone, answers and closes; our first bytes meet a reset."""
    monkeypatch.setenv("LONGSHORE_PLAIN_HTTP", "1")
    closed = threading.Event()

    class Late(Pattern):
        def read(self, offset: int, size: int) -> bytes:
            assert closed.wait(10)
            return super().read(offset, size)

    async def refuse(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.write(REFUSED)
        peer.writer.close()
        await peer.writer.wait_closed()
        closed.set()

    body, transport = Raw(Piece(document="d", offset=0, size=2 * MIB)), HttpTransport()
    async with serving(refuse) as server:
        sources = {"d": Late(2 * MIB)}
        response = await transport.send(outgoing(server.url, body=body, sources=sources))
    assert (response.status, response.body) == (403, b"expired")
    await transport.aclose()


async def test_a_refusal_ends_a_write_that_nobody_takes() -> None:
    """The time in which something must leave is not waited for."""
    stream = await read_while_writing(Network(Stuck)).connect_tcp("host", 80)
    async with asyncio.timeout(5):
        with pytest.raises(httpcore.WriteError):  # on which httpcore reads the answer
            await stream.write(bytes(1 << 17), timeout=60)
    assert await stream.read(1 << 16) == REFUSED


async def test_a_head_that_only_drips_is_given_up() -> None:
    """Interim answers without end; httpcore bounds each bit of a head in time, and not all."""
    stream = await read_while_writing(Network(Dripping)).connect_tcp("host", 80)

    async def read_on() -> None:
        while True:
            assert await stream.read(1, timeout=0.005)

    for _ in range(2):  # the next request has its own time
        await stream.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await stream.read(1, timeout=0.005)
        async with asyncio.timeout(5):
            with pytest.raises(httpcore.ReadTimeout):
                await read_on()


async def test_a_socks_proxy_that_says_nothing_is_not_waited_for() -> None:
    """Nobody names a time for what is said before there is a connection."""
    stream = await read_while_writing(Network(Mute)).connect_tcp("proxy", 1080, timeout=0.25)
    await stream.write(b"\x05\x01\x00")
    with pytest.raises(httpcore.ConnectTimeout):
        await stream.read(1 << 12)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_what_is_no_socks_proxy_makes_no_connection(said: bytes) -> None:
    """What reads its answers fails in its own way, or takes an end for a wrong password."""
    network = read_while_writing(Network(lambda: Odd(said)))
    stream = await network.connect_tcp("proxy", 1080, timeout=0.25)
    await stream.write(b"\x05\x01\x00")
    with pytest.raises(httpcore.ConnectError, match="SOCKS"):
        await stream.read(1 << 12)


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
