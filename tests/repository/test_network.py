"""The tests themselves cannot leave this machine."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest

# TEST-NET-1: documentation only, routed nowhere.
OUTSIDE = ("192.0.2.1", 443)


def test_connecting_outside_is_blocked() -> None:
    """A socket to another machine is refused before a packet leaves."""
    with socket.socket() as connection, pytest.raises(RuntimeError, match="only loopback"):
        connection.connect(OUTSIDE)


def test_looking_up_a_name_is_blocked() -> None:
    """No name server hears of a test."""
    with pytest.raises(RuntimeError, match=r"vendor\.example"):
        socket.getaddrinfo("vendor.example", 443)


def test_an_http_client_is_blocked() -> None:
    """The block is not mistaken for an outage that a client could retry."""
    with httpx.Client() as client, pytest.raises(RuntimeError, match="only loopback"):
        client.get("https://vendor.example/")


async def test_asyncio_is_blocked() -> None:
    """The event loop connects through the same guard."""
    with pytest.raises(RuntimeError, match="only loopback"):
        await asyncio.open_connection(*OUTSIDE)


async def test_loopback_is_open() -> None:
    """A server on this machine is reached as ever."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("localhost", port, family=socket.AF_INET)
        greeting = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert greeting == b"hello"
