"""Bytes on the wire: whatever a server answers is a response or an error that says so."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import LongshoreError, ProtocolError
from longshore.provider import Bytes, Response, refusal_of
from longshore.transfer import AnswerLost, NotSent
from longshore.transfer._decoded import decoded
from longshore.transfer._http import HttpTransport
from tests.fuzz.conftest import HostileVendor
from tests.fuzz.hostile import examples
from tests.transfer.wire import outgoing

MIB = 1 << 20


def ask(
    url: str,
    *,
    plain: bool = False,
    timeout: float = 3.0,
    headers: Mapping[str, str] | None = None,
    max_reply: int = 32 * MIB,
) -> Response:
    """Send one request; what is no response is raised."""

    async def work() -> Response:
        transport = HttpTransport(connections=1, max_reply=max_reply)
        try:
            body = Bytes(b"x", "text/plain")
            return await transport.send(
                outgoing(url, "POST", body, timeout=timeout, headers=headers)
            )
        finally:
            await transport.aclose()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGSHORE_PLAIN_HTTP", "1" if plain else "")
        return asyncio.run(work())


_LINES = st.sampled_from([
    b"HTTP/1.1 200 OK", b"HTTP/1.0 200", b"HTTP/1.1 100 Continue", b"HTTP/1.1 101 Switching",
    b"HTTP/2 200",
    b"HTTP/1.1 99999 X", b"HTTP/1.1 204 No", b"HTTP/1.1 302 Found", b"HTTP/1.1 -1 X",
    b"ICY 200 OK", b"",
    b"Content-Length: 5", b"Content-Length: -5", b"Content-Length: 99999999999999999999",
    b"Content-Length: 5, 6",
    b"Content-Length: \xd9\xa5", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: \x00", b"Content-Encoding: gzip", b"Content-Encoding: br",
    b"Content-Encoding: zstd",
    b"Content-Encoding: gzip, gzip, gzip", b"Location: file:///etc/passwd", b" folded",
    b"no colon", b": x",
    b"X: \x00\x1b[2J", b"X: " + b"y" * 200_000, b"5", b"hello", b"0", b"ffffffffffffffffffff",
    b"-1", b"5;" + b"e" * 90_000,
    b"\x1f\x8b\x08", b"Date: x", b"Set-Cookie: a=b; Domain=.example", b"Connection: close",
    b"Connection: upgrade",
])  # fmt: skip
REPLIES = (
    st.lists(_LINES, max_size=6).map(b"\r\n".join)
    | st.lists(_LINES, max_size=6).map(lambda lines: b"HTTP/1.1 200 OK\r\n" + b"\r\n".join(lines))
    | st.binary(max_size=60)
)


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
@examples(30)
@given(reply=REPLIES, end=st.sampled_from([b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\nhello"]))
def test_any_bytes_are_a_response_or_an_error_that_says_so(
    vendor: HostileVendor, plain: bool, reply: bytes, end: bytes
) -> None:
    """Broken heads, lengths, chunks and encodings: nothing else comes out, and it ends."""
    vendor.reply = reply + end
    try:
        response = ask(vendor.url, plain=plain)
    except (AnswerLost, NotSent, ProtocolError):
        return
    assert 200 <= response.status <= 999
    if response.status >= 300:
        assert isinstance(refusal_of(response), LongshoreError)


_BOMB = gzip.compress(bytes(64 * MIB), 9)


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
def test_a_reply_without_end_is_given_up_at_the_limit(vendor: HostileVendor, plain: bool) -> None:
    """Neither its content nor its head may grow beyond what is set."""
    vendor.answers(bytes(3 * MIB))
    with pytest.raises(ProtocolError, match="larger than 1,048,576 bytes"):
        ask(vendor.url, plain=plain, max_reply=MIB)
    vendor.reply = b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200_000
    with pytest.raises(AnswerLost):
        ask(vendor.url, plain=plain)


@pytest.mark.parametrize("location", ["https://evil.example/", "file:///etc/passwd", "//evil/x"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(vendor: HostileVendor, status: int, location: str) -> None:
    """It comes back as it is, and means an error with a hint; nothing else is asked."""
    vendor.heads.clear()
    vendor.answers(b"", status, f"Location: {location}\r\n")
    error = refusal_of(ask(vendor.url, headers={"Authorization": "Bearer key-123456"}))
    assert (error.kind, error.status, len(vendor.heads)) == ("protocol", status, 1)
    assert "redirects are not followed" in error.hint


# --------------------------------------------------------------------- compressed replies


def test_a_packed_reply_is_unpacked() -> None:
    """Some gateways pack whatever they are asked for."""
    packed = {"gzip": gzip.compress(b"{}"), "deflate": zlib.compress(b"{}"), "identity": b"{}"}
    found = {word: decoded(body, word, most=10, status=200) for word, body in packed.items()}
    assert found == dict.fromkeys(packed, b"{}")


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (_BOMB, "gzip"),
        (gzip.compress(_BOMB), "gzip, gzip"),
        (b"x", "gzip"),
        (gzip.compress(b"{}")[:-9], "GZIP"),
        (b"x", "br"),
        (b"x", "zstd"),
    ],
    ids=["a bomb", "a bomb in a bomb", "not packed", "cut off", "br", "zstd"],
)
def test_a_packed_reply_is_refused_before_it_fills_the_memory(body: bytes, encoding: str) -> None:
    """64 kB that hold 64 MiB, and again packed; what nobody asked for; what is broken."""
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError) as caught:
            decoded(body, encoding, most=MIB, status=200)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()
    assert caught.value.status == 200
