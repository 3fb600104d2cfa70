"""Hosts of all kinds, and the ways to them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Any

import httpx
import pytest

from longshore.transfer._http import HttpTransport
from tests.transfer.local import Local
from tests.transfer.wire import (
    MIB,
    Peer,
    Server,
    answer_all,
    outgoing,
    refuse_and_stop_reading,
    serving,
)

pytestmark = pytest.mark.usefixtures("either_path")


async def test_an_address_of_version_6(transport: HttpTransport, local: Local) -> None:
    """It stands in brackets in the URL and in Host, and nowhere else."""
    try:
        listening = serving(answer_all, host="::1")
        async with listening as server:
            response = await transport.send(local.sending(server.url, 0, MIB))
    except OSError:
        pytest.skip("no IPv6 here")
    assert (response.status, len(server.peers[0].body)) == (200, MIB)
    assert server.peers[0].header("host") == server.url.partition("//")[2]


async def test_a_name_beyond_ascii(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked up, and sent, as every resolver and server knows it."""
    asked: set[str] = set()
    async with serving(answer_all) as server:
        port = httpx.URL(server.url).port

        def lookup(host: str | bytes, *_: Any, **__: Any) -> list[Any]:
            asked.add(host if isinstance(host, str) else host.decode())
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        await transport.send(outgoing(f"http://bücher.example:{port}/"))
    assert asked == {"xn--bcher-kva.example"}
    assert server.peers[0].header("host") == f"xn--bcher-kva.example:{port}"


async def test_a_proxy_carries_bodies(
    transport: HttpTransport, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every byte of a file, and what NO_PROXY names goes past it."""
    async with serving(answer_all) as proxy, serving(answer_all) as direct:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        for url in ("http://vendor.example/a", direct.url + "/b"):
            response = await transport.send(local.sending(url, 7, 3 * MIB))
            assert response.status == 200
    heads = [server.peers[0].head.split(b" HTTP")[0] for server in (proxy, direct)]
    assert heads == [b"PUT http://vendor.example/a", b"PUT /b"]
    expected = local.path.read_bytes()[7 : 7 + 3 * MIB]
    assert [server.peers[0].body == expected for server in (proxy, direct)] == [True, True]


async def test_a_refusal_comes_through_a_proxy_while_the_body_leaves(
    local: Local, tls: SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through its tunnel, too, an expired URL is a 403 and not a broken connection."""
    os.truncate(local.path, 64 * MIB)
    transport = HttpTransport(ca_bundle=str(certificate), write_timeout=1.0)
    async with serving(refuse_and_stop_reading, tls) as vendor, tunnel(vendor) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        response = await transport.send(local.sending(vendor.url, 0, 64 * MIB))
        assert (response.status, response.body) == (403, b"expired")
        await transport.aclose()
    assert proxy.peers[0].head.startswith(b"CONNECT 127.0.0.1:")


@asynccontextmanager
async def tunnel(behind: Server) -> AsyncIterator[Server]:
    """Serve a proxy that connects to one server, whatever it is asked for."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(MIB):
            writer.write(data)
            await writer.drain()

    async def script(peer: Peer) -> None:
        peer.head = await peer.reader.readuntil(b"\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(behind.url).port)
        peer.writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        try:
            await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))
        finally:
            writer.transport.abort()

    async with serving(script) as proxy:
        yield proxy
