"""The fast path against servers that break off, lie or hurry: nothing counts as what it is not."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import ssl
import threading
import tracemalloc
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from longshore.documents import Piece
from longshore.errors import ProtocolError
from longshore.provider import Bytes, Raw
from longshore.transfer import AnswerLost, NotSent, _body
from longshore.transfer._http import HttpTransport
from tests.transfer.local import Local
from tests.transfer.wire import MIB, OK, Pattern, Peer, answer_all, outgoing, serving

SMALL, LARGE = 100, MIB  # from the event loop, from a thread


async def free(_count: int) -> None:
    """Throttle nothing: the body is only sent by the event loop."""


def put_in_place_of_bodies(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Do as a recorder does, with a copy that may be another."""
    handle = httpx.AsyncHTTPTransport.handle_async_request

    async def replacing(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        request.stream = httpx.ByteStream(content)
        return await handle(self, request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", replacing)


# ------------------------------------------------------------------------------ early answers


async def test_an_early_success_neither_fills_the_memory_nor_cuts_the_body(
    transport: HttpTransport, local: Local
) -> None:
    """A throttled body goes on at the pace at which it is taken."""
    size, taken, whole = 64 * MIB, 0, asyncio.Event()
    os.truncate(local.path, size)

    async def script(peer: Peer) -> None:
        nonlocal taken
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.write(OK)
        await asyncio.sleep(0.05)  # so that a client that does not wait has read it all
        while taken < size and (data := await peer.reader.read(MIB)):
            taken += len(data)
        whole.set()

    async with serving(script) as server:
        tracemalloc.start(1)
        try:
            sending = replace(local.sending(server.url, 0, size), throttle=free)
            response = await transport.send(sending)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        await whole.wait()
    assert (response.status, taken) == (200, size)
    assert peak < 24 * MIB


async def test_a_connection_that_takes_no_more_ends_the_sending(
    transport: HttpTransport, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where POLLHUP and POLLOUT exclude each other (macOS), nobody waits for room for ever."""
    os.truncate(local.path, 64 * MIB)
    known, calls = asyncio.Event(), 0

    class Poll:
        def __init__(self) -> None:
            self.poller = poll()
            self.register, self.modify = self.poller.register, self.poller.modify

        def poll(self, *times: float) -> list[tuple[int, int]]:
            nonlocal calls
            calls += 1
            assert calls < 9999, "it waits for room for ever"
            found = self.poller.poll(*times)
            return [(fd, e & ~select.POLLOUT if e & select.POLLHUP else e) for fd, e in found]

    poll = select.poll
    monkeypatch.setattr(select, "poll", Poll)

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.write(OK)
        await asyncio.sleep(0.05)  # the success is read by now, the rest still on its way
        known.set()
        await asyncio.Event().wait()

    async with serving(script) as server:
        task = asyncio.create_task(transport.send(local.sending(server.url, 0, 64 * MIB)))
        await known.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert calls < 9999


async def test_a_refusal_that_turns_into_nonsense_is_a_lost_answer(
    transport: HttpTransport, local: Local
) -> None:
    """Its head came while the body left, and then no chunk."""
    os.truncate(local.path, 64 * MIB)
    head = b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.write(head)
        await asyncio.sleep(0.02)  # it is known for a refusal by now
        peer.writer.write(b"no chunk\r\n")
        await asyncio.Event().wait()

    async with serving(script) as server:
        with pytest.raises(AnswerLost, match="no chunk"):
            await transport.send(local.sending(server.url, 0, 64 * MIB))


# --------------------------------------------------------------------- replies without a length


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("status", [200, 403])
async def test_a_reply_without_length_does_not_end_with_a_crash(
    transport: HttpTransport, local: Local, size: int, status: int
) -> None:
    """RST is no end, so half a success is none; of a refusal the status is enough."""

    async def script(peer: Peer) -> None:
        await peer.take()
        peer.writer.write(b"HTTP/1.1 %d So\r\n\r\nhalf of" % status)
        await asyncio.sleep(0.02)  # it is read
        peer.reset()

    async with serving(script) as server:
        sending = local.sending(server.url, 0, size)
        if status == 403:
            assert (await transport.send(sending)).status == 403
        else:
            with pytest.raises(AnswerLost):
                await transport.send(sending)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("farewell", [True, False], ids=["close_notify", "cut"])
async def test_a_reply_without_length_ends_with_the_farewell_of_tls(
    local: Local, tls: ssl.SSLContext, size: int, *, farewell: bool
) -> None:
    """Anybody on the way can end a connection, but only the server can say that it is the end."""
    transport = HttpTransport(verify=False)

    async def script(peer: Peer) -> None:
        await peer.take()
        peer.writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf of")
        await peer.writer.drain()
        if farewell:
            return
        raw = peer.writer.get_extra_info("socket")
        with socket.socket(fileno=os.dup(raw.fileno())) as twin:
            twin.shutdown(socket.SHUT_WR)
        await asyncio.Event().wait()

    async with serving(script, tls) as server:
        sending = local.sending(server.url, 0, size)
        if farewell:
            assert (await transport.send(sending)).body == b"half of"
        else:
            with pytest.raises(AnswerLost, match="within the answer"):
                await transport.send(sending)
    await transport.aclose()


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_content_that_was_announced_with_204_is_no_later_answer(
    transport: HttpTransport, local: Local, size: int
) -> None:
    """It could still come, and be read as the reply to the next request."""

    async def script(peer: Peer) -> None:
        await peer.take()
        peer.writer.write(b"HTTP/1.1 204 None\r\nContent-Length: %d\r\n\r\n" % len(OK))
        await peer.take()
        peer.writer.write(OK)

    async def serve(peer: Peer) -> None:
        await (script if peer is server.peers[0] else answer_all)(peer)

    async with serving(serve) as server:
        for status in (204, 200):
            assert (await transport.send(local.sending(server.url, 0, size))).status == status
    assert len(server.peers) == 2


# --------------------------------------------------------------------------- what may leave


@pytest.mark.parametrize("content", [b"x" * 9 + b"GET /evil HTTP/1.1\r\n\r\n", b"x" * 8])
async def test_a_body_of_another_length_is_never_a_request(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """What goes beyond Content-Length would be the beginning of one."""
    put_in_place_of_bodies(monkeypatch, content)
    async with serving(answer_all) as server:
        with pytest.raises(ProtocolError):
            await transport.send(outgoing(server.url, "POST", Bytes(b"y" * 9, "text/plain")))
    assert b"evil" not in b"".join(peer.head for peer in server.peers)


async def test_a_transfer_coding_is_not_announced(transport: HttpTransport) -> None:
    """Bodies leave as they are: a server would look for chunks in them."""
    body = Bytes(b"0\r\n\r\n", "text/plain")
    with pytest.raises(ProtocolError):
        await transport.send(
            outgoing("http://127.0.0.1:1", "POST", body, headers={"Transfer-Encoding": "chunked"})
        )


async def test_one_large_chunk_may_take_longer_than_the_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Something leaves all the time: a recorder's copy is one chunk, however large."""
    size = 16 * MIB
    put_in_place_of_bodies(monkeypatch, bytes(size))

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        left = size
        while left:
            left -= len(await peer.reader.read(256 << 10))
            await asyncio.sleep(0.01)
        peer.writer.write(OK)

    transport = HttpTransport(write_timeout=0.3)
    async with serving(script) as server:
        body = Bytes(bytes(size), "text/plain")
        assert (await transport.send(outgoing(server.url, "POST", body))).status == 200
    await transport.aclose()


# -------------------------------------------------------------------------------- connecting


@pytest.fixture
async def mute() -> AsyncIterator[str]:
    """An address that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_handshake_that_never_comes_was_not_sent(mute: str) -> None:
    """The time for connecting covers TLS."""
    transport = HttpTransport(connect_timeout=0.05)
    with pytest.raises(NotSent, match="no connection in time"):
        await transport.send(outgoing(mute, "GET"))
    await transport.aclose()


def no_thread_left(*_: object) -> None:
    raise RuntimeError("can't start new thread")


async def test_without_another_thread_nothing_was_sent(
    transport: HttpTransport, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine has no more: the try never left, and never will once there is one again."""
    async with serving(answer_all) as server:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_thread_left)
            with pytest.raises(NotSent, match="can't start new thread"):
                await transport.send(local.sending(server.url, 0, LARGE))
        answer = await transport.send(local.sending(server.url, 0, LARGE))

    assert answer.status == 200
    assert [len(peer.body) for peer in server.peers if peer.head] == [LARGE]


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
async def test_without_a_thread_that_reads_nothing_was_sent(
    local: Local, monkeypatch: pytest.MonkeyPatch, *, plain: bool
) -> None:
    """The same for a small file that is not in the page cache."""
    monkeypatch.setenv("LONGSHORE_PLAIN_HTTP", str(plain))
    monkeypatch.setattr(_body, "_NOWAIT", None)
    transport = HttpTransport()

    async with serving(answer_all) as server:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_thread_left)
            with pytest.raises(NotSent, match="can't start new thread"):
                await transport.send(local.sending(server.url, 0, SMALL))
        assert (await transport.send(local.sending(server.url, 0, SMALL))).status == 200
    await transport.aclose()


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
async def test_behind_the_last_chunk_no_thread_is_needed(
    local: Local, monkeypatch: pytest.MonkeyPatch, *, plain: bool
) -> None:
    """All has left by then: to call that not sent would send it twice."""
    monkeypatch.setenv("LONGSHORE_PLAIN_HTTP", str(plain))
    transport = HttpTransport()

    async with serving(answer_all) as server:
        with monkeypatch.context() as patch:

            async def last_was_read(_count: int) -> None:
                patch.setattr(ThreadPoolExecutor, "submit", no_thread_left)

            sending = replace(local.sending(server.url, 0, LARGE), throttle=last_was_read)
            assert (await transport.send(sending)).status == 200
    assert [len(peer.body) for peer in server.peers] == [LARGE]
    await transport.aclose()


async def test_without_another_descriptor_nothing_was_sent(
    transport: HttpTransport, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread would need one of its own."""

    def none_left(_fd: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    async with serving(answer_all) as server:
        with monkeypatch.context() as patch:
            patch.setattr(os, "dup", none_left)
            with pytest.raises(NotSent, match="Too many open files"):
                await transport.send(local.sending(server.url, 0, LARGE))
        assert (await transport.send(local.sending(server.url, 0, LARGE))).status == 200
    assert [len(peer.body) for peer in server.peers if peer.head] == [LARGE]


@pytest.mark.parametrize("end", ["cancelled", "closed"])
async def test_what_waits_for_a_thread_comes_to_an_end(local: Local, end: str) -> None:
    """The only thread hangs in a store; the request that waits behind it never begins."""
    loop, store = asyncio.get_running_loop(), threading.Event()
    reading, connected = asyncio.Event(), asyncio.Event()
    transport = HttpTransport(connections=1)

    class Hanging(Pattern):
        def read(self, offset: int, size: int) -> bytes:
            loop.call_soon_threadsafe(reading.set)
            store.wait(10)
            return bytes(size)

    async def script(peer: Peer) -> None:
        connected.set()
        await answer_all(peer)

    body = Raw(Piece(document="d", offset=0, size=SMALL))
    async with serving(script) as server:
        hanging = outgoing(server.url, body=body, sources={"d": Hanging(SMALL)})
        first = asyncio.create_task(transport.send(hanging))
        await reading.wait()
        first.cancel()
        second = asyncio.create_task(transport.send(local.sending(server.url, 0, LARGE)))
        await connected.wait()
        if end == "cancelled":
            second.cancel()
            await asyncio.wait({second}, timeout=5)
            assert second.cancelled()
        await transport.aclose()
        store.set()
        if end == "closed":
            with pytest.raises(AnswerLost):
                await asyncio.wait_for(second, 5)
    assert [peer.head for peer in server.peers] == [b""]


async def test_nothing_leaves_after_closing() -> None:
    """Neither on a connection that was just being made, nor later."""
    transport = HttpTransport()
    async with serving(answer_all) as server:
        sending = outgoing(server.url, "GET")
        assert (await transport.send(sending)).status == 200
        other = outgoing(server.url.replace("127.0.0.1", "localhost"), "GET")
        task = asyncio.create_task(transport.send(other))
        await asyncio.sleep(0)  # it looks the name up
        await transport.aclose()
        for late in (task, transport.send(sending)):
            with pytest.raises(NotSent, match="closed"):
                await late
        assert [peer.head.count(b"GET ") for peer in server.peers if peer.head] == [1]
