"""Real files over both paths: every byte, and all that can happen on the way."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from longshore.documents import Piece, SourceFile
from longshore.errors import SourceChanged
from longshore.provider import Raw
from longshore.transfer import AnswerLost, NotSent
from longshore.transfer._http import HttpTransport
from tests.transfer.local import Local
from tests.transfer.wire import (
    MIB,
    OK,
    Pattern,
    Peer,
    Script,
    answer_all,
    outgoing,
    refuse_and_break,
    refuse_and_read_on,
    refuse_and_stop_reading,
    serving,
)

pytestmark = pytest.mark.usefixtures("either_path")

REGIONS = [(0, 8 * MIB), (7, 3 * MIB + 1), (5, 65_536), (5, 65_537), (8 * MIB - 1, 1), (3, 0)]


@pytest.mark.parametrize(("offset", "size"), REGIONS)
@pytest.mark.parametrize("form", [False, True], ids=["raw", "form"])
async def test_a_region_of_a_file_arrives_byte_for_byte(
    transport: HttpTransport, local: Local, offset: int, size: int, *, form: bool
) -> None:
    """Alone and between the bytes of a form, small and large, twice on the same connection."""
    told: list[int] = []
    async with serving(answer_all) as server:
        sending = local.sending(server.url, offset, size, form=form, progress=told.append)
        for _ in range(2):
            response = await transport.send(sending)
            assert (response.status, response.body) == (200, b"ok")
    expected = b"".join(
        segment if isinstance(segment, bytes) else local.path.read_bytes()[offset : offset + size]
        for segment in sending.body.segments
    )
    assert server.peers[0].body == expected
    assert len(server.peers) == 1
    assert sum(told) == 2 * size * (2 if form else 1)


async def test_the_file_is_not_read_where_the_kernel_can_send_it(
    local: Local, either_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fast path is the one that runs; without sendfile it reads, and sends the same."""
    sizes: list[int] = []
    read = SourceFile.read

    def counting(self: SourceFile, offset: int, size: int) -> bytes:
        sizes.append(size)
        return read(self, offset, size)

    monkeypatch.setattr(SourceFile, "read", counting)
    transport = HttpTransport()
    async with serving(answer_all) as server:
        await transport.send(local.sending(server.url, 0, 8 * MIB))
        assert bool(sizes) == (either_path == "plain")

        def refuse(*_: Any) -> int:
            raise OSError(22, "Invalid argument")

        monkeypatch.setattr(os, "sendfile", refuse)
        await transport.send(local.sending(server.url, 0, 8 * MIB))
    assert sizes
    assert server.peers[0].body == local.path.read_bytes()
    await transport.aclose()


@pytest.mark.parametrize("secure", [False, True], ids=["open", "tls"])
async def test_a_file_that_shrinks_while_it_is_sent(
    local: Local, tls: ssl.SSLContext, *, secure: bool
) -> None:
    """The connection is closed within the body: the vendor never takes it for a whole one."""
    ended = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        if peer is not server.peers[0]:
            peer.writer.write(OK)
            return
        os.truncate(local.path, MIB)
        taken = 0
        with suppress(ConnectionError):  # a reset, where the last word to the client is unread
            while data := await peer.reader.read(MIB):
                taken += len(data)
        assert taken < 64 * MIB
        ended.set()

    transport = HttpTransport(verify=False)
    os.truncate(local.path, 64 * MIB)
    async with serving(script, tls if secure else None) as server:
        with pytest.raises(SourceChanged, match="early"):
            await transport.send(local.sending(server.url, 0, 64 * MIB))
        await ended.wait()
        assert (await transport.send(outgoing(server.url, "GET"))).status == 200
    assert len(server.peers) == 2
    await transport.aclose()


@pytest.mark.parametrize("script", [refuse_and_break, refuse_and_stop_reading, refuse_and_read_on])
@pytest.mark.parametrize("secure", [False, True], ids=["open", "tls"])
@pytest.mark.parametrize("throttled", [False, True], ids=["free", "throttled"])
async def test_a_refusal_stops_a_file(
    local: Local, tls: ssl.SSLContext, script: Script, *, secure: bool, throttled: bool
) -> None:
    """A 403 within the body is the answer, and its connection is not used again."""
    size = 256 * MIB
    os.truncate(local.path, size)
    told: list[int] = []
    transport = HttpTransport(verify=False, write_timeout=0.05 if throttled else 5.0)

    async def serve(peer: Peer) -> None:
        await (script if peer is server.peers[0] else answer_all)(peer)

    async def free(_count: int) -> None:
        await asyncio.sleep(0)

    async with serving(serve, tls if secure else None) as server:
        sending = local.sending(server.url, 0, size, progress=told.append)
        sending = replace(sending, throttle=free) if throttled else sending
        response = await transport.send(sending)
        after = await transport.send(outgoing(server.url, "GET"))
    assert (response.status, response.body, after.status) == (403, b"expired", 200)
    assert sum(told) < size
    assert len(server.peers) == 2
    await transport.aclose()


async def test_a_slow_reader_is_waited_for(local: Local) -> None:
    """The time-out is for no progress at all, not for the whole body."""

    async def script(peer: Peer) -> None:
        peer.head = await peer.reader.readuntil(b"\r\n\r\n")
        while len(peer.body) < 8 * MIB:
            peer.body += await peer.reader.read(256 << 10)
            await asyncio.sleep(0.01)
        peer.writer.write(OK)

    transport = HttpTransport(write_timeout=0.15)
    async with serving(script) as server:
        response = await transport.send(local.sending(server.url, 0, 8 * MIB))
    assert (response.status, len(server.peers[0].body)) == (200, 8 * MIB)
    await transport.aclose()


@pytest.mark.parametrize("secure", [False, True], ids=["open", "tls"])
async def test_a_connection_cut_within_the_body_loses_the_answer(
    local: Local, tls: ssl.SSLContext, *, secure: bool
) -> None:
    """RST while the file leaves; the next request has a connection of its own."""
    os.truncate(local.path, 64 * MIB)

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        if peer is server.peers[0]:
            peer.reset()
        else:
            peer.writer.write(OK)

    transport = HttpTransport(verify=False)
    async with serving(script, tls if secure else None) as server:
        with pytest.raises(AnswerLost):
            await transport.send(local.sending(server.url, 0, 64 * MIB))
        assert (await transport.send(outgoing(server.url, "GET"))).status == 200
    await transport.aclose()


async def test_cancelling_waits_for_the_thread_that_uses_the_file(
    local: Local, either_path: str
) -> None:
    """When the exchange is over nobody touches the descriptor any more, however often cancelled."""
    os.truncate(local.path, 64 * MIB)
    started, closed = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        if peer is server.peers[0]:
            started.set()
            await closed.wait()
        peer.writer.write(OK)

    transport = HttpTransport(connections=1)  # a thread that stays behind would be missed
    async with serving(script) as server:
        task = asyncio.create_task(transport.send(local.sending(server.url, 0, 64 * MIB)))
        await started.wait()
        task.cancel()
        if either_path == "fast":  # httpcore loses a place in its pool when cancelled twice
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        closed.set()
        assert (await transport.send(outgoing(server.url, "GET"))).status == 200
    await transport.aclose()


@pytest.mark.parametrize("size", [100, 64 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("secure", [False, True], ids=["open", "tls"])
async def test_closing_ends_what_is_on_its_way(
    local: Local, tls: ssl.SSLContext, size: int, *, secure: bool
) -> None:
    """It is a lost answer, or was not sent, and no cancellation: nobody asked for that."""
    os.truncate(local.path, 64 * MIB)
    begun = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        begun.set()
        await asyncio.Event().wait()

    transport = HttpTransport(verify=False)
    async with serving(script, tls if secure else None) as server:
        task = asyncio.create_task(transport.send(local.sending(server.url, 0, size)))
        await begun.wait()
        await asyncio.sleep(0.02)  # the large one waits for room
        await transport.aclose()
        # The large one has not left as a whole: anyio before 4.16 lets its next read find that out.
        with pytest.raises(AnswerLost if size == 100 else (AnswerLost, NotSent)):
            await task


async def test_cancelling_wakes_the_thread_that_waits_for_a_store(
    transport: HttpTransport, either_path: str
) -> None:
    """Whoever cancels does not wait until a store of documents answers again."""
    loop, started = asyncio.get_running_loop(), asyncio.Event()
    closed = threading.Event()
    woken: list[bool] = []

    class Waiting(Pattern):
        def read(self, offset: int, size: int) -> bytes:
            loop.call_soon_threadsafe(started.set)
            woken.append(closed.wait(5))
            return b""

        def close(self) -> None:
            closed.set()

    source = Waiting(MIB)
    body = Raw(Piece(document="d", offset=0, size=MIB))
    async with serving(answer_all) as server:
        sending = outgoing(server.url, "PUT", body, sources={"d": source})
        task = asyncio.create_task(transport.send(sending))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if either_path == "fast":  # the other leaves the thread behind, until it is closed
            assert woken == [True]
        source.close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
async def test_no_descriptor_is_left_behind(local: Local) -> None:
    """Neither by answers, nor by lost ones, nor by refusals."""

    async def script(peer: Peer) -> None:
        await peer.take()
        if b"/lost" not in peer.head:
            peer.writer.write(OK)

    async with serving(script) as server:
        before = descriptors()
        transport = HttpTransport(connections=3)
        for path in ("/a", "/lost", "/b", "/lost"):
            await asyncio.gather(
                *(transport.send(local.sending(server.url + path, 0, MIB)) for _ in range(3)),
                return_exceptions=True,
            )
        await transport.aclose()
        for _ in range(3):
            await asyncio.sleep(0)
        await asyncio.gather(*(peer.writer.wait_closed() for peer in server.peers))
        assert descriptors() <= before + 1  # the lost connections' ends at the server


async def test_a_bandwidth_cap_is_asked_for_every_slice(transport: HttpTransport) -> None:
    """Nothing of a file leaves before its turn."""
    asked: list[int] = []

    async def throttle(count: int) -> None:
        asked.append(count)
        await asyncio.sleep(0)

    body = Raw(Piece(document="d", offset=0, size=3 * MIB))
    async with serving(answer_all) as server:
        sending = outgoing(server.url, body=body, sources={"d": Pattern(3 * MIB)})
        await transport.send(replace(sending, throttle=throttle))
    assert asked == [MIB, MIB, MIB]
    assert len(server.peers[0].body) == 3 * MIB
