"""The fast path: what it does with connections, and when it stands aside."""

from __future__ import annotations

import asyncio
import functools
import gzip
import os
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from longshore.errors import ConfigurationError, ProtocolError
from longshore.provider import Bytes, Json
from longshore.transfer._client import Client
from longshore.transfer._fast import install
from longshore.transfer._http import HttpTransport
from tests.transfer.local import Local
from tests.transfer.wire import (
    MIB,
    OK,
    Peer,
    answer_all,
    answering,
    outgoing,
    serving,
)

pytestmark = pytest.mark.usefixtures("either_path")

# ----------------------------------------------------------------------------- connections


async def test_interim_replies_are_passed_over(transport: HttpTransport, local: Local) -> None:
    """100 and 103 are no answers, for small bodies and large ones."""

    async def script(peer: Peer) -> None:
        while True:
            peer.head = await peer.reader.readuntil(b"\r\n\r\n")
            peer.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await peer.reader.readexactly(int(peer.header("content-length") or 0))
            peer.writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)

    async with serving(script) as server:
        small = await transport.send(outgoing(server.url, "POST", Json(1)))
        large = await transport.send(local.sending(server.url, 0, 8 * MIB))
    assert (small.status, small.body, large.status, large.body) == (200, b"ok", 200, b"ok")
    assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("reply", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", 1),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nok", 1),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 2),
    ],
    ids=["chunked", "an error", "close", "HTTP/1.0"],
)
async def test_a_connection_is_used_again_when_it_may(
    transport: HttpTransport, local: Local, reply: bytes, connections: int
) -> None:
    """After an error too, but not after the vendor's last word."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.take()
            peer.writer.write(reply)

    async with serving(script) as server:
        for sending in (outgoing(server.url, "GET"), local.sending(server.url, 0, MIB)):
            assert (await transport.send(sending)).body == b"ok"
    assert len(server.peers) == connections


async def test_a_reply_to_head_has_a_length_and_no_content(transport: HttpTransport) -> None:
    """Its connection is used again."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.take()
            peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n")

    async with serving(script) as server:
        for _ in range(2):
            answer = await transport.send(outgoing(server.url, "HEAD"))
            assert (answer.headers["content-length"], answer.body) == ("77", b"")
    assert len(server.peers) == 1


async def test_a_reply_may_end_with_its_connection(transport: HttpTransport) -> None:
    """Without any length it is all that came."""
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as server:
        response = await transport.send(outgoing(server.url, "GET"))
    assert response.body == b"all of it"


async def test_a_connection_that_the_vendor_closed_is_not_used_again(
    transport: HttpTransport, local: Local
) -> None:
    """It is looked at before it is used, so that no answer is lost."""

    async def script(peer: Peer) -> None:
        await peer.take()
        peer.writer.write(OK)
        await peer.writer.drain()

    async with serving(script) as server:
        for sending in (
            outgoing(server.url, "POST", Json(1)),
            local.sending(server.url, 0, MIB),
            outgoing(server.url, "POST", Json(1)),
        ):
            assert (await transport.send(sending)).status == 200
            await server.peers[-1].writer.wait_closed()
    assert len(server.peers) == 3


async def test_several_hosts_have_connections_of_their_own(transport: HttpTransport) -> None:
    """Port and scheme tell them apart."""
    async with serving(answer_all) as one, serving(answer_all) as other:
        for server in (one, other, one, other):
            await transport.send(outgoing(server.url, "GET"))
    assert (len(one.peers), len(other.peers)) == (1, 1)


async def test_large_and_small_requests_share_a_connection(
    transport: HttpTransport, local: Local
) -> None:
    """After one that a thread carried, the event loop reads again."""
    async with serving(answer_all) as server:
        for _ in range(2):
            for sending in (
                local.sending(server.url, 0, MIB),
                local.sending(server.url, MIB, MIB),
                outgoing(server.url, "POST", Json(1)),
            ):
                assert (await transport.send(sending)).status == 200
    assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(b"pl\xc3\xa4ne", "pläne"), (b"pl\xe4ne", "pläne"), (b"", "")],
    ids=["UTF-8", "Latin-1", "empty"],
)
async def test_fields_of_one_name_are_one(
    transport: HttpTransport, value: bytes, text: str
) -> None:
    """In the order in which they came, whatever their bytes."""
    fields = b"ETag: one\r\netag: two\r\nX-Name: %b\r\n" % value
    reply = b"HTTP/1.1 200 OK\r\n%bContent-Length: 0\r\n\r\n" % fields
    async with serving(answering(reply)) as server:
        headers = (await transport.send(outgoing(server.url, "GET"))).headers
    assert (headers["ETag"], headers["x-name"]) == ("one, two", text)


@pytest.mark.parametrize("slow", ["head", "body"])
async def test_a_reply_that_comes_in_drops_is_read(transport: HttpTransport, slow: str) -> None:
    """Each byte starts the time-out again."""
    head, body = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", b"twelve bytes"

    async def script(peer: Peer) -> None:
        await peer.take()
        for part in (head, body):
            for piece in [part[i : i + 4] for i in range(0, len(part), 4)]:
                peer.writer.write(piece)
                await asyncio.sleep(0.001)

    async with serving(script) as server:
        response = await transport.send(outgoing(server.url, "GET"))
    assert response.body == body


async def test_a_reply_that_was_compressed_is_understood(
    transport: HttpTransport,
) -> None:
    """Nobody asked for it, but some servers always do it."""
    packed = gzip.compress(b"ok")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    reply = head % len(packed) + packed
    async with serving(answering(reply)) as server:
        assert (await transport.send(outgoing(server.url, "GET"))).body == b"ok"


# ---------------------------------------------------------------------- standing aside


async def test_a_replaced_body_is_sent_as_bytes(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorder reads the body and puts a copy in its place: the same bytes leave."""
    recorded: list[bytes] = []
    handle = httpx.AsyncHTTPTransport.handle_async_request

    async def recording(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        recorded.append(b"".join([part async for part in request.stream]))  # type: ignore[union-attr]
        request.stream = httpx.ByteStream(recorded[-1])
        return await handle(self, request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", recording)
    transport = HttpTransport()
    async with serving(answer_all) as server:
        response = await transport.send(local.sending(server.url, 0, 3 * MIB, form=True))
    assert response.status == 200
    assert server.peers[0].body == recorded[0]
    await transport.aclose()


async def test_httpx_is_only_asked_where_somebody_may_listen(
    transport: HttpTransport, local: Local, monkeypatch: pytest.MonkeyPatch, either_path: str
) -> None:
    """Its objects cost more than a small request does; a recorder in its transport sees all."""
    monkeypatch.setenv("NO_PROXY", "a.example")  # no proxy of its own
    seen: list[str] = []

    class Request(httpx.Request):
        def __init__(self, method: str, *rest: Any, **more: Any) -> None:
            seen.append(method)
            super().__init__(method, *rest, **more)

    monkeypatch.setattr(httpx, "Request", Request)
    async with serving(answer_all) as server:
        await transport.send(outgoing(server.url, "GET"))
        assert seen == (["GET"] if either_path == "plain" else [])
        handle = httpx.AsyncHTTPTransport.handle_async_request

        @functools.wraps(handle)
        async def recording(self: Any, request: httpx.Request) -> httpx.Response:
            return await handle(self, request)

        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", recording)
        await transport.send(local.sending(server.url, 0, MIB))
    assert seen[-1] == "PUT"


def pool_of(transport: HttpTransport) -> str:
    client = transport._client
    assert client is not None
    return type(getattr(client._transport, "_pool", None)).__name__


@pytest.fixture
async def reachable() -> AsyncIterator[Callable[[HttpTransport], Any]]:
    """Send one request and tell which pool carried it."""
    async with serving(answer_all) as server:

        async def reach(transport: HttpTransport) -> str:
            assert (await transport.send(outgoing(server.url, "GET"))).status == 200
            name = pool_of(transport)
            await transport.aclose()
            return name

        yield reach


async def test_one_variable_turns_it_off(reachable: Any, either_path: str) -> None:
    """LONGSHORE_PLAIN_HTTP=1 leaves everything to httpcore."""
    expected = "FastPool" if either_path == "fast" else "AsyncConnectionPool"
    assert await reachable(HttpTransport()) == expected


@pytest.mark.parametrize(("text", "pool"), [("no", "FastPool"), ("true", "AsyncConnectionPool")])
async def test_the_variable_takes_yes_and_no(
    reachable: Any, monkeypatch: pytest.MonkeyPatch, text: str, pool: str
) -> None:
    """As settings do; `false` does not turn it on."""
    monkeypatch.setenv("LONGSHORE_PLAIN_HTTP", text)
    assert await reachable(HttpTransport()) == pool


def test_any_other_word_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told before anything is sent."""
    monkeypatch.setenv("LONGSHORE_PLAIN_HTTP", "ture")
    with pytest.raises(ConfigurationError, match="LONGSHORE_PLAIN_HTTP: 'ture' is neither"):
        HttpTransport()


async def test_without_sendfile_it_stands_aside(
    reachable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another system: slower, and just as right."""
    monkeypatch.delattr(os, "sendfile")
    assert await reachable(HttpTransport()) == "AsyncConnectionPool"


async def test_without_the_pool_that_it_knows_it_stands_aside() -> None:
    """An httpx that looks different inside is left alone."""
    transport = httpx.MockTransport(lambda _request: httpx.Response(200))
    async with Client(transport=transport) as client:
        with ThreadPoolExecutor(1) as threads:
            context = ssl.create_default_context()
            swapped = install(client, context=context, keep_alive=1.0, max_reply=9, threads=threads)
    assert (swapped, hasattr(transport, "_pool")) == (None, False)


async def test_a_method_that_is_none_never_leaves(transport: HttpTransport) -> None:
    """The head is checked as a whole before the first byte is sent."""
    async with serving(answer_all) as server:
        with pytest.raises(ProtocolError):
            await transport.send(outgoing(server.url, "GET /x HTTP/1.1\r\nX:", None))
        with pytest.raises(ProtocolError):
            await transport.send(outgoing(server.url, "GET", headers={"X Y": "1"}))
        with pytest.raises(ProtocolError):  # half a surrogate, as a vendor's JSON may have one
            await transport.send(outgoing(server.url, "GET", headers={"X-\ud800": "1"}))
        body = Bytes(b"x", "text/plain")
        assert (await transport.send(outgoing(server.url, "POST", body))).status == 200
