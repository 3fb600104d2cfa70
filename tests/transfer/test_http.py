"""One exchange over HTTP, seen from the bytes on the wire."""

from __future__ import annotations

import asyncio
import gc
import shutil
import socket
import ssl
import struct
import subprocess
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import vcr

from longshore.documents import Document, Piece, SourceFile
from longshore.errors import ConfigurationError, ProtocolError, SourceChanged, SourceUnreadable
from longshore.provider import Body, Bytes, File, Json, Multipart, Raw
from longshore.transfer import AnswerLost, NotSent, Outgoing, Source, encode
from longshore.transfer._http import HttpTransport

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
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Serve each connection by a script."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(this := asyncio.current_task())  # type: ignore[arg-type]
        assert this is not None
        server.peers.append(peer := Peer(reader, writer))
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await script(peer)
        writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, limit=MIB)
    scheme = "https" if tls else "http"
    server = Server(f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport(connections=4)
    yield made
    await made.aclose()


# ------------------------------------------------------------------------------ the request


SIGNED = (
    "/bucket/a%20b%2Fc+d~e//x?X-Amz-Credential=AK%2F20260101%2Feu&X-Amz-Signature=ab+c~d=="
    "&response=%7efile%22&lower=%2f&empty=&flag"
)


async def test_a_signed_url_leaves_byte_for_byte(transport: HttpTransport) -> None:
    """Nothing in a signed URL may be encoded again, decoded or put into another order."""
    async with serving(answer_all) as server:
        await transport.send(outgoing(server.url + SIGNED, "GET"))
    assert server.peers[0].head.split(b"\r\n")[0] == f"GET {SIGNED} HTTP/1.1".encode()


async def test_the_headers_are_those_given_and_four_of_our_own(transport: HttpTransport) -> None:
    """No header appears that nobody decided on, and no reply is asked to be compressed."""
    given = {"Authorization": "Bearer key", "X-Own": "1", "Content-Type": "application/json"}
    async with serving(answer_all) as server:
        await transport.send(outgoing(server.url, "POST", Json({}), headers=given))
    peer = server.peers[0]
    names = {line.split(b":")[0].lower() for line in peer.head.split(b"\r\n")[1:] if line}
    assert names == {
        b"host", b"user-agent", b"accept", b"accept-encoding", b"content-length",
        b"authorization", b"x-own", b"content-type",
    }  # fmt: skip
    assert peer.header("accept-encoding") == "identity"
    assert (peer.header("user-agent") or "").startswith("longshore/")
    assert peer.header("authorization") == "Bearer key"


async def test_given_headers_win_over_our_own(transport: HttpTransport) -> None:
    """A vendor that wants a certain Accept gets it, once."""
    async with serving(answer_all) as server:
        await transport.send(outgoing(server.url, "GET", headers={"Accept": "text/csv"}))
    assert server.peers[0].head.lower().count(b"accept:") == 1
    assert server.peers[0].header("accept") == "text/csv"


async def test_a_user_name_in_the_url_does_not_replace_the_credentials(
    transport: HttpTransport,
) -> None:
    """The Authorization that the provider signed with is the one that leaves."""
    async with serving(answer_all) as server:
        url = server.url.replace("//", "//user:word@")
        await transport.send(outgoing(url, "GET", headers={"Authorization": "Bearer key"}))
    assert server.peers[0].header("authorization") == "Bearer key"


@pytest.mark.parametrize(("method", "length"), [("POST", "0"), ("PUT", "0"), ("GET", None)])
async def test_a_length_is_given_where_a_body_is_expected(
    transport: HttpTransport, method: str, length: str | None
) -> None:
    """A POST without a body says so; a GET says nothing."""
    async with serving(answer_all) as server:
        await transport.send(outgoing(server.url, method))
    assert server.peers[0].header("content-length") == length


async def test_a_form_of_files_is_streamed_between_its_own_bytes(
    transport: HttpTransport, tmp_path: Path
) -> None:
    """The bytes on the wire are the segments in order, and the length is their sum."""
    path = tmp_path / "plan.pdf"
    path.write_bytes(bytes(range(256)) * 12_000)
    document = Document.from_path(path, id="d")
    part = Piece(document="d", offset=7, size=2_500_000)
    empty = Piece(document="d", offset=0, size=0)
    form = Multipart((("title", "t"), ("a", File(part, "a.pdf")), ("b", File(empty, "b.pdf"))))
    seen: list[int] = []
    with SourceFile(document) as source:
        async with serving(answer_all) as server:
            response = await transport.send(
                outgoing(server.url, "POST", form, sources={"d": source}, progress=seen.append)
            )
    body = server.peers[0].body
    assert (response.status, response.body, response.headers["ETag"]) == (200, b"ok", '"e"')
    assert body.partition(b"application/octet-stream\r\n\r\n")[2].startswith(
        path.read_bytes()[7:2_500_007] + b"\r\n--b\r\n"
    )
    assert sum(seen) == 2_500_000
    assert server.peers[0].header("transfer-encoding") is None


async def test_an_empty_file_is_sent_as_an_empty_body(transport: HttpTransport) -> None:
    """A document of 0 bytes is a document; it is not even read."""
    body = Raw(Piece(document="d", offset=0, size=0))
    async with serving(answer_all) as server:
        response = await transport.send(outgoing(server.url, "PUT", body))
    assert response.status == 200
    assert server.peers[0].header("content-length") == "0"


@pytest.mark.parametrize("value", ["key\n", "“key”", " key", "a\r\nX-Evil: 1"])
async def test_a_header_that_http_cannot_carry_is_refused_without_showing_it(
    transport: HttpTransport, value: str
) -> None:
    """A key file with a line end at its end is the usual cause; the key is not shown."""
    with pytest.raises(ProtocolError, match="Authorization") as caught:
        await transport.send(outgoing("http://127.0.0.1:1", headers={"Authorization": value}))
    assert "key" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "127.0.0.1/x", "http://", "http://[::1"])
async def test_what_is_no_http_url_is_refused(transport: HttpTransport, url: str) -> None:
    """Sending it again would not help: no retry, a clear error."""
    with pytest.raises(ProtocolError):
        await transport.send(outgoing(url, "GET"))


async def test_redirects_are_not_followed_and_cookies_not_kept(transport: HttpTransport) -> None:
    """A redirect is an answer like any other, and no state passes from one request to the next."""
    reply = (
        b"HTTP/1.1 302 Found\r\nLocation: /other\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    )

    async def script(peer: Peer) -> None:
        while True:
            await peer.take()
            peer.writer.write(reply)

    async with serving(script) as server:
        first = await transport.send(outgoing(server.url + "/a", "GET"))
        await transport.send(outgoing(server.url + "/b", "GET"))
    assert (first.status, first.headers["location"]) == (302, "/other")
    assert server.peers[-1].head.startswith(b"GET /b ")
    assert server.peers[-1].header("cookie") is None


# ---------------------------------------------------------------------------------- memory


async def test_memory_does_not_depend_on_the_size_of_the_file(
    transport: HttpTransport, tmp_path: Path
) -> None:
    """256 MiB pass while Python holds a few chunks, on either side of the connection."""
    size = 256 * MIB
    path = tmp_path / "large.tif"
    with path.open("wb") as file:
        file.truncate(size)
    document = Document.from_path(path, id="d")
    taken = 0

    async def drain(peer: Peer) -> None:
        nonlocal taken
        peer.head = await peer.reader.readuntil(b"\r\n\r\n")
        while taken < size:
            taken += len(await peer.reader.read(MIB))
        peer.writer.write(OK)

    gc.collect()
    tracemalloc.start(1)
    try:
        with SourceFile(document) as source:
            async with serving(drain) as server:
                body = Raw(document.whole())
                response = await transport.send(
                    outgoing(server.url, body=body, sources={"d": source})
                )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (response.status, taken) == (200, size)
    assert peak < 24 * MIB


async def test_files_are_read_in_chunks_of_a_mebibyte(transport: HttpTransport) -> None:
    """However large the region is, no single read is."""
    source = Pattern(5 * MIB + 1)
    body = Raw(Piece(document="d", offset=0, size=source.end))
    async with serving(answer_all) as server:
        await transport.send(outgoing(server.url, body=body, sources={"d": source}))
    assert (len(server.peers[0].body), source.largest) == (source.end, MIB)


async def test_a_reply_is_bounded() -> None:
    """A reply larger than the bound is refused before it is all in memory."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + bytes(5000)
    transport = HttpTransport(max_reply=4096)
    async with serving(answering(reply)) as server:
        with pytest.raises(ProtocolError, match="4,096"):
            await transport.send(outgoing(server.url, "GET"))
    await transport.aclose()


# ---------------------------------------------------------------------------------- failures


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


async def test_an_unknown_name_was_not_sent(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped host is told as what it is."""

    def lookup(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(NotSent, match=r"nowhere\.example: the name is not known"):
        await transport.send(outgoing("http://nowhere.example/x"))


async def test_a_proxy_that_refuses_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are used; what they refuse did not reach the vendor."""

    async def refuse(peer: Peer) -> None:
        await peer.take()
        peer.writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    async with serving(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        transport = HttpTransport()
        with pytest.raises(NotSent, match="407"):
            await transport.send(outgoing("https://vendor.example/x"))
        await transport.aclose()
    assert proxy.peers[0].head.startswith(b"CONNECT vendor.example:443 ")


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


REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nexpired"


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


# --------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own authority for 127.0.0.1, and its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command")
    path = tmp_path_factory.mktemp("tls")
    made = subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(path / "key"), "-out", str(path / "cert")],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    both = path / "both.pem"
    both.write_text((path / "cert").read_text() + (path / "key").read_text())
    return both


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_a_certificate_nobody_vouches_for_is_refused(
    transport: HttpTransport, tls: ssl.SSLContext
) -> None:
    """Nothing is sent, and the message says what can be done."""
    async with serving(answer_all, tls) as server:
        with pytest.raises(NotSent, match=r"certificate is not trusted .*ca_bundle"):
            await transport.send(outgoing(server.url, "GET"))


@pytest.mark.parametrize("trusting", ["ca_bundle", "verify"])
async def test_a_large_body_passes_through_tls(
    tls: ssl.SSLContext, certificate: Path, trusting: str
) -> None:
    """With its authority named, or with checking off."""
    if trusting == "verify":
        transport = HttpTransport(verify=False)
    else:
        transport = HttpTransport(ca_bundle=str(certificate))
    body = Raw(Piece(document="d", offset=0, size=8 * MIB))
    async with serving(answer_all, tls) as server:
        for _ in range(2):
            response = await transport.send(
                outgoing(server.url, body=body, sources={"d": Pattern(8 * MIB)})
            )
            assert (response.status, len(server.peers[0].body)) == (200, 8 * MIB)
    assert len(server.peers) == 1
    await transport.aclose()


async def test_an_early_refusal_is_read_through_tls(tls: ssl.SSLContext, certificate: Path) -> None:
    """Reading while writing works on an encrypted connection as well."""
    transport = HttpTransport(ca_bundle=str(certificate), write_timeout=0.05)
    body = Raw(Piece(document="d", offset=0, size=64 * MIB))
    async with serving(refuse_and_stop_reading, tls) as server:
        response = await transport.send(
            outgoing(server.url, body=body, sources={"d": Pattern(64 * MIB)})
        )
    assert (response.status, response.body) == (403, b"expired")
    await transport.aclose()


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_bundle_that_cannot_be_used_is_a_configuration_error(
    tmp_path: Path, content: str | None
) -> None:
    """A missing file and one without certificates are told by their path."""
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    transport = HttpTransport(ca_bundle=str(bundle))
    with pytest.raises(ConfigurationError, match=r"ca\.pem") as caught:
        await transport.send(outgoing("https://127.0.0.1:1"))
    assert "PEM" in caught.value.hint
    await transport.aclose()


# ------------------------------------------------------------------------- neighbours of httpx


async def test_another_carrier_can_be_put_below() -> None:
    """An application in process sees the same request."""
    got: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got["path"], got["body"], more = scope["raw_path"], b"", True
        while more:
            message = await receive()
            got["body"] += message.get("body", b"")
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"made"})

    transport = HttpTransport(inner=httpx.ASGITransport(app=app))
    body = Raw(Piece(document="d", offset=0, size=3 * MIB))
    response = await transport.send(
        outgoing("http://vendor.example/a%2Fb", body=body, sources={"d": Pattern(3 * MIB)})
    )
    assert (response.status, response.body) == (201, b"made")
    assert (got["path"], len(got["body"])) == (b"/a%2Fb", 3 * MIB)
    await transport.aclose()


async def test_an_exchange_can_be_recorded_and_replayed(tmp_path: Path) -> None:
    """A cassette sees the whole request, and a replay touches no network."""
    cassette = tmp_path / "one.yaml"
    requests: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            await peer.take()
            requests.append(peer.body)
            peer.writer.write(OK)

    async with serving(script) as server:
        for mode in ("once", "none"):
            transport = HttpTransport()
            document = Bytes(b"x" * 100, "text/plain")
            with vcr.use_cassette(cassette, record_mode=mode, match_on=["method", "uri", "body"]):
                plain = await transport.send(outgoing(server.url, "POST", document))
                body = Raw(Piece(document="d", offset=0, size=2000))
                streamed = await transport.send(
                    outgoing(server.url, body=body, sources={"d": Pattern(2000)})
                )
            assert (plain.body, streamed.body) == (b"ok", b"ok")
            await transport.aclose()
    assert requests == [b"x" * 100, bytes(2000)]


async def test_many_requests_share_few_connections() -> None:
    """Connections are kept, and never more than allowed."""
    transport = HttpTransport(connections=4)
    gate = asyncio.Semaphore(4)

    async def one() -> int:
        async with gate:
            return (await transport.send(outgoing(server.url, "POST", Json(1)))).status

    async with serving(answer_all) as server:
        statuses = await asyncio.gather(*(one() for _ in range(40)))
    assert set(statuses) == {200}
    assert len(server.peers) <= 4
    await transport.aclose()
