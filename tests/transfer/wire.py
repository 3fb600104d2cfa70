"""A server by hand: tests of one exchange read and write the bytes on the wire."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from longshore.provider import Body
from longshore.transfer import Outgoing, Source, encode

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: "e"\r\n\r\nok'
MIB = 1 << 20

Script = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """One accepted connection, read and answered by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes = b""
    body: bytes = b""

    async def take(self) -> None:
        """Read one request, head and body."""
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        self.body = await self.reader.readexactly(int(self.header("content-length") or 0))

    def header(self, name: str) -> str | None:
        """Return a header of the request as it came."""
        for line in self.head.decode().split("\r\n")[1:]:
            if line.lower().startswith(name + ":"):
                return line.partition(":")[2].strip()
        return None

    def reset(self) -> None:
        """Break the connection as a crash does: RST, not FIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Server:
    """Where to send, and the connections that came."""

    url: str
    peers: list[Peer] = field(default_factory=list)


@asynccontextmanager
async def serving(
    script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Server]:
    """Serve each connection by a script."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(this := asyncio.current_task())  # type: ignore[arg-type]
        assert this is not None
        server.peers.append(peer := Peer(reader, writer))
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await script(peer)
        writer.close()

    listener = await asyncio.start_server(connected, host, 0, ssl=tls, limit=MIB)
    scheme = "https" if tls else "http"
    place = f"[{host}]" if ":" in host else host
    server = Server(f"{scheme}://{place}:{listener.sockets[0].getsockname()[1]}")
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for peer in server.peers:  # TLS would wait for the other side's farewell
            with suppress(AttributeError):  # of Python 3.11.2, where it was closed twice
                peer.writer.transport.abort()
        await asyncio.sleep(0)


async def answer_all(peer: Peer) -> None:
    """Answer every request of a connection with 200."""
    while True:
        await peer.take()
        peer.writer.write(OK)


def answering(reply: bytes) -> Script:
    """Answer one request with these bytes, then close."""

    async def script(peer: Peer) -> None:
        await peer.take()
        peer.writer.write(reply)
        await peer.writer.drain()

    return script


def outgoing(
    url: str,
    method: str = "PUT",
    body: Body | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    sources: Mapping[str, Source] | None = None,
    timeout: float = 5.0,
    progress: Callable[[int], None] = lambda _count: None,
) -> Outgoing:
    return Outgoing(method, url, headers or {}, encode(body, "b"), sources or {}, timeout, progress)


@dataclass
class Pattern:
    """A made-up document: as long as it says, and it may end early."""

    end: int
    largest: int = 0

    def check(self) -> None: ...

    def read(self, offset: int, size: int) -> bytes:
        self.largest = max(self.largest, size)
        return bytes(max(0, min(size, self.end - offset)))


REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nexpired"


REDIRECTED = b"HTTP/1.1 307 Go\r\nLocation: https://b.example/\r\nContent-Length: 0\r\n\r\n"


async def redirect_and_stop_reading(peer: Peer) -> None:
    await peer.reader.readuntil(b"\r\n\r\n")
    peer.writer.write(REDIRECTED)
    await asyncio.Event().wait()


async def refuse_and_break(peer: Peer) -> None:
    await peer.reader.readuntil(b"\r\n\r\n")
    peer.writer.write(REFUSED)
    await peer.writer.drain()
    await asyncio.sleep(0.02)  # the answer arrives, then the connection breaks


async def refuse_and_stop_reading(peer: Peer) -> None:
    await peer.reader.readuntil(b"\r\n\r\n")
    peer.writer.write(REFUSED)
    await asyncio.Event().wait()


async def refuse_and_read_on(peer: Peer) -> None:
    await peer.reader.readuntil(b"\r\n\r\n")
    peer.writer.write(REFUSED)
    while await peer.reader.read(MIB):
        pass
