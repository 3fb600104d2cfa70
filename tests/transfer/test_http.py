"""One exchange over HTTP, seen from the bytes on the wire."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from pathlib import Path
from typing import Any

import httpx
import pytest
import vcr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from longshore.documents import Document, Piece, SourceFile
from longshore.errors import ProtocolError
from longshore.provider import Bytes, File, Json, Multipart, Raw
from longshore.transfer._address import address
from longshore.transfer._http import HttpTransport
from tests.transfer.wire import (
    MIB,
    OK,
    Pattern,
    Peer,
    answer_all,
    answering,
    outgoing,
    serving,
)

pytestmark = pytest.mark.usefixtures("either_path")

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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    origin=st.sampled_from(
        ["http://a.example", "https://a.example:443", "http://127.0.0.1:9", "http://[::1]",
         "https://u:p@a.example", "http://999.1.1.1", "http://xn--a", "http://x:99999"]
    ),
    rest=st.text("aZ09-._~!$&'()*+,;=:@/%?#[] %2fé\\^`{}|", max_size=12),
)  # fmt: skip
@example(origin="http://a.example", rest="%?-")
@example(origin="http://a.example", rest="/.")
def test_an_address_is_what_httpx_makes_of_it(origin: str, rest: str) -> None:
    """The short way to parse a clean address and the long one agree, also on what is refused."""
    text = origin + "/" + rest
    try:
        url = httpx.URL(text)
        expected = [url.raw_scheme, url.raw_host, url.port, url.raw_path, url.netloc, url.host]
        assert url.port != 99999  # which httpx would try to reach
    except (httpx.InvalidURL, UnicodeError, AssertionError):
        with pytest.raises(ProtocolError):
            address(text)
        return
    place, target = address(text)
    scheme, host, port = place.origin
    told = None if port == {b"http": 80, b"https": 443}[scheme] else port
    assert expected == [scheme, host, told, target, place.netloc, place.host]


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


async def test_a_user_name_in_the_url_is_sent_where_nothing_else_is(
    transport: HttpTransport,
) -> None:
    """A gateway in front of a vendor may ask for it."""
    async with serving(answer_all) as server:
        await transport.send(outgoing(server.url.replace("//", "//user:w%3Ard@"), "GET"))
    assert server.peers[0].header("authorization") == "Basic dXNlcjp3OnJk"
    assert server.peers[0].header("host") == server.url.partition("//")[2]


@pytest.mark.parametrize(("method", "length"), [("POST", "0"), ("PUT", "0"), ("GET", None)])
async def test_a_length_is_given_where_a_body_is_expected(
    transport: HttpTransport, method: str, length: str | None
) -> None:
    """A POST without a body says so; a GET says nothing."""
    async with serving(answer_all) as server:
        await transport.send(outgoing(server.url, method))
    assert server.peers[0].header("content-length") == length


async def test_a_length_that_is_not_that_of_the_body_never_leaves(
    transport: HttpTransport,
) -> None:
    """The server would take the next request for the rest of this one."""
    async with serving(answer_all) as server:
        await transport.send(outgoing(server.url, "GET", headers={"content-Length": "5"}))
    assert server.peers[0].header("content-length") == "0"


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


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/x", "127.0.0.1/x", "http://", "http://[::1", "http://a:65536/", "http://a:0"],
)
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
    assert transport._client is not None
    assert list(transport._client.cookies.jar) == []


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


def test_a_request_shows_no_credentials() -> None:
    """Those who report crashes write down what was in each frame."""
    made = outgoing("https://s3.example/a?sig=hunter2", headers={"Authorization": "hunter2"})
    assert "hunter2" not in repr(made)
    assert "PUT" in repr(made)
