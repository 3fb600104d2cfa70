"""What can go wrong in one exchange, and what it says about the request."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from longshore.documents import Piece
from longshore.errors import ConfigurationError, SourceChanged, SourceUnreadable
from longshore.provider import Json, Raw
from longshore.transfer import AnswerLost, NotSent
from longshore.transfer._http import HttpTransport
from tests.transfer.wire import (
    MIB,
    OK,
    Pattern,
    Peer,
    Script,
    answer_all,
    answering,
    outgoing,
    redirect_and_stop_reading,
    refuse_and_break,
    refuse_and_read_on,
    refuse_and_stop_reading,
    serving,
)

pytestmark = pytest.mark.usefixtures("either_path")


async def test_a_file_that_ends_early_is_a_changed_source(transport: HttpTransport) -> None:
    """It is not the network's fault, and the vendor never sees a whole request."""
    body = Raw(Piece(document="d", offset=0, size=3 * MIB))
    got = asyncio.Event()

    async def script(peer: Peer) -> None:
        with suppress(asyncio.IncompleteReadError):
            await peer.take()
        got.set()

    async with serving(script) as server:
        with pytest.raises(SourceChanged, match="early") as caught:
            await transport.send(outgoing(server.url, body=body, sources={"d": Pattern(MIB + 5)}))
        await got.wait()  # the connection was closed: the server waits for no more bytes
    assert caught.value.document == "d"
    assert server.peers[0].body == b""


async def test_a_disk_that_fails_is_an_unreadable_source(transport: HttpTransport) -> None:
    """An error of the disk is not taken for one of the network."""

    class Broken(Pattern):
        def read(self, offset: int, size: int) -> bytes:
            raise OSError(5, "Input/output error")

    body = Raw(Piece(document="d", offset=0, size=9))
    async with serving(answer_all) as server:
        with pytest.raises(SourceUnreadable, match="Input/output error"):
            await transport.send(outgoing(server.url, body=body, sources={"d": Broken(9)}))


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_refused_connection_was_not_sent(transport: HttpTransport) -> None:
    """Where nobody listens nobody can have acted; the message names host and reason."""
    with pytest.raises(NotSent, match=r"^127.0.0.1: connection refused$"):
        await transport.send(outgoing(f"http://127.0.0.1:{closed_port()}"))


async def test_a_name_with_two_addresses_is_told_as_shortly(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IPv6 and IPv4 both refuse: the reason is given once."""
    port = closed_port()

    def lookup(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{i}", port)) for i in (1, 2)]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(NotSent, match=r"^two\.example: connection refused$"):
        await transport.send(outgoing(f"http://two.example:{port}"))


async def test_an_unknown_name_was_not_sent(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped host is told as what it is."""

    def lookup(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(NotSent, match=r"nowhere\.example: the name is not known"):
        await transport.send(outgoing("http://nowhere.example/x"))


async def test_certificates_of_the_environment_that_are_not_there_are_told(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the variable that names them, as it stands in many a container."""
    (tmp_path / "empty.pem").touch()
    for name, said in (("gone.pem", "No such file"), ("empty.pem", "")):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / name))
        with pytest.raises(ConfigurationError, match=f"^SSL_CERT_FILE .*{name}: {said}"):
            await transport.send(outgoing("https://vendor.example/x"))


async def test_a_plain_server_under_https_is_told(transport: HttpTransport) -> None:
    """No TLS connection, so nothing was sent."""

    async def script(peer: Peer) -> None:
        peer.writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.reader.read()

    async with serving(script) as server:
        with pytest.raises(NotSent, match="no TLS connection"):
            await transport.send(outgoing(server.url.replace("http:", "https:")))


@pytest.mark.parametrize(
    "reply",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"],
    ids=["nothing", "half a head", "half a body"],
)
async def test_a_connection_that_ends_early_loses_the_answer(
    transport: HttpTransport, reply: bytes
) -> None:
    """The vendor may have acted: nobody can know."""
    async with serving(answering(reply)) as server:
        with pytest.raises(AnswerLost, match=r"^127.0.0.1: "):
            await transport.send(outgoing(server.url, "POST", Json({"a": 1})))
    assert server.peers[0].body == b'{"a":1}'


async def test_a_reset_connection_loses_the_answer(transport: HttpTransport) -> None:
    """A crash of the vendor while the body comes in."""

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.reset()

    body = Raw(Piece(document="d", offset=0, size=20 * MIB))
    async with serving(script) as server:
        with pytest.raises(AnswerLost, match="the connection broke"):
            await transport.send(outgoing(server.url, body=body, sources={"d": Pattern(20 * MIB)}))


async def test_a_kept_connection_that_the_vendor_closes_loses_the_answer(
    transport: HttpTransport,
) -> None:
    """The second request left on a connection that was just being closed: it may have arrived."""

    async def script(peer: Peer) -> None:
        await peer.take()
        peer.writer.write(OK)
        await peer.take()

    async with serving(script) as server:
        await transport.send(outgoing(server.url, "POST", Json(1)))
        with pytest.raises(AnswerLost, match="without sending a response"):
            await transport.send(outgoing(server.url, "POST", Json(2)))
        assert len(server.peers) == 1
        assert server.peers[0].body == b"2"


async def test_silence_loses_the_answer(transport: HttpTransport) -> None:
    """After the time-out the answer counts as lost, and says how long was waited."""

    async def script(peer: Peer) -> None:
        await peer.take()
        await asyncio.Event().wait()

    async with serving(script) as server:
        with pytest.raises(AnswerLost, match=r"no answer within 0\.05 s"):
            await transport.send(outgoing(server.url, "POST", Json(1), timeout=0.05))


@pytest.mark.parametrize(("before", "after"), [(5.0, 0.05), (0.05, 5.0)], ids=["less", "more"])
async def test_each_request_of_a_connection_has_a_time_out_of_its_own(
    transport: HttpTransport, before: float, after: float
) -> None:
    """An earlier one neither cuts it short nor makes it longer."""

    async def script(peer: Peer) -> None:
        await peer.take()
        peer.writer.write(OK)
        await peer.take()
        await asyncio.sleep(0.1)
        peer.writer.write(OK)

    async with serving(script) as server:
        await transport.send(outgoing(server.url, "GET", timeout=before))
        second = transport.send(outgoing(server.url, "GET", timeout=after))
        if after > before:
            assert (await second).status == 200
        else:
            with pytest.raises(AnswerLost, match=r"no answer within 0\.05 s"):
                await second
        assert len(server.peers) == 1


async def test_silence_after_a_large_body_loses_the_answer(transport: HttpTransport) -> None:
    """The time-out holds as well where the answer was already listened for."""

    async def script(peer: Peer) -> None:
        await peer.take()
        await asyncio.Event().wait()

    body = Raw(Piece(document="d", offset=0, size=2 * MIB))
    sources = {"d": Pattern(2 * MIB)}
    async with serving(script) as server:
        with pytest.raises(AnswerLost, match=r"no answer within 0\.05 s"):
            await transport.send(outgoing(server.url, body=body, sources=sources, timeout=0.05))


@pytest.mark.parametrize("size", [100, 2 * MIB])
async def test_an_answer_that_only_drips_is_lost(transport: HttpTransport, size: int) -> None:
    """Something comes before each time-out, and the answer never does."""

    async def script(peer: Peer) -> None:
        await peer.take()
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                peer.writer.write(b" ")
                await peer.writer.drain()
                await asyncio.sleep(0.01)

    body, sources = Raw(Piece(document="d", offset=0, size=size)), {"d": Pattern(size)}
    async with serving(script) as server:
        with pytest.raises(AnswerLost, match=r"no answer within 0\.05 s"):
            await transport.send(outgoing(server.url, body=body, sources=sources, timeout=0.05))


async def test_a_request_that_is_not_taken_loses_the_answer() -> None:
    """A server that stops reading does not hold a request for ever."""

    async def script(peer: Peer) -> None:
        await asyncio.Event().wait()

    transport = HttpTransport(write_timeout=0.05)
    body = Raw(Piece(document="d", offset=0, size=64 * MIB))
    async with serving(script) as server:
        with pytest.raises(AnswerLost, match="no longer taken"):
            await transport.send(outgoing(server.url, body=body, sources={"d": Pattern(64 * MIB)}))
    await transport.aclose()


async def test_an_answer_that_is_no_http_is_lost(transport: HttpTransport) -> None:
    """What came is shown, shortened."""
    async with serving(answering(b"220 mail.example ESMTP\r\n\r\n")) as server:
        with pytest.raises(AnswerLost) as caught:
            await transport.send(outgoing(server.url, "GET"))
    assert len(str(caught.value)) < 230


async def test_cancelling_closes_the_connection(transport: HttpTransport) -> None:
    """A cancelled exchange leaves nothing behind, and the transport goes on."""
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.take()
        if peer.head.startswith(b"GET /second"):
            peer.writer.write(OK)
            return
        arrived.set()
        assert await peer.reader.read() == b""
        closed.set()

    async with serving(script) as server:
        task = asyncio.create_task(transport.send(outgoing(server.url + "/first", "GET")))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()
        response = await transport.send(outgoing(server.url + "/second", "GET"))
    assert response.status == 200


async def test_cancelling_an_upload_closes_the_connection() -> None:
    """The same in the middle of a body, with a pool of one connection."""
    started = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        if peer is server.peers[0]:
            started.set()
            await asyncio.Event().wait()
        peer.writer.write(OK)

    transport = HttpTransport(connections=1)
    body = Raw(Piece(document="d", offset=0, size=64 * MIB))
    async with serving(script) as server:
        sending = outgoing(server.url, body=body, sources={"d": Pattern(64 * MIB)})
        task = asyncio.create_task(transport.send(sending))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        response = await transport.send(outgoing(server.url, "GET"))
    assert response.status == 200
    await transport.aclose()


# ------------------------------------------------------------------------------ early answers


@pytest.mark.parametrize("script", [refuse_and_break, refuse_and_stop_reading, refuse_and_read_on])
@pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
async def test_a_refusal_in_the_middle_of_a_body_is_the_answer(
    script: Script, *, kept: bool
) -> None:
    """An expired URL is told as 403, whatever the server does with the rest of the body."""
    sent: list[int] = []
    size = 256 * MIB

    async def serve(peer: Peer) -> None:
        if kept:
            await peer.take()
            peer.writer.write(OK)
        await script(peer)

    transport = HttpTransport(write_timeout=0.05)
    body = Raw(Piece(document="d", offset=0, size=size))
    async with serving(serve) as server:
        if kept:
            await transport.send(outgoing(server.url, "GET"))
        response = await transport.send(
            outgoing(server.url, body=body, sources={"d": Pattern(size)}, progress=sent.append)
        )
    assert (response.status, response.body) == (403, b"expired")
    assert sum(sent) < size
    assert len(server.peers) == 1
    await transport.aclose()


async def test_a_redirect_in_the_middle_of_a_body_is_the_answer() -> None:
    """It is not followed, and who says so does not want the rest."""
    transport = HttpTransport(write_timeout=0.05)
    body = Raw(Piece(document="d", offset=0, size=64 * MIB))
    async with serving(redirect_and_stop_reading) as server:
        sending = outgoing(server.url, body=body, sources={"d": Pattern(64 * MIB)})
        assert (await transport.send(sending)).status == 307
    await transport.aclose()


async def test_an_early_success_does_not_end_the_body(transport: HttpTransport) -> None:
    """Only a refusal stops the sending: a server that answers 200 early still gets every byte."""
    whole = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.write(OK)
        await peer.reader.readexactly(8 * MIB)
        whole.set()

    body = Raw(Piece(document="d", offset=0, size=8 * MIB))
    async with serving(script) as server:
        response = await transport.send(
            outgoing(server.url, body=body, sources={"d": Pattern(8 * MIB)})
        )
        await whole.wait()
    assert response.body == b"ok"
