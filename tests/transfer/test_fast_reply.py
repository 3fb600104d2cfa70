"""The reader of replies, against h11's: what it takes means the same, and it takes less."""

from __future__ import annotations

import itertools
from contextlib import suppress

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import ProtocolError
from longshore.transfer._fast_reply import MOST_HEAD, Malformed, Reply

MOST = 1 << 20

Seen = tuple[int, list[tuple[bytes, bytes]], bytes]


def read(wire: bytes, *cuts: int, method: bytes = b"GET", end: bool = True) -> Reply:
    """Read a reply that comes in pieces."""
    reply = Reply(method, MOST)
    places = sorted({0, len(wire), *(min(cut, len(wire)) for cut in cuts)})
    for start, stop in itertools.pairwise(places):
        reply.feed(wire[start:stop])
    if end:
        reply.eof()
    return reply


def seen(reply: Reply) -> Seen:
    return reply.status, [(n.lower(), v) for n, v in reply.headers], bytes(reply.body)


def by_h11(wire: bytes, method: bytes = b"GET") -> tuple[Seen, bool] | None:
    """What h11 makes of it, and whether it would use the connection again; None: refused."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(wire)
    status, headers, body, ended = 0, [], b"", False
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return None
        match event:
            case h11.NEED_DATA:
                if ended:
                    return None
                ended = True
                connection.receive_data(b"")
            case h11.Response():
                status, headers = event.status_code, list(event.headers)
            case h11.Data():
                body += event.data
            case h11.EndOfMessage():
                kept = not ended and connection.their_state is h11.DONE
                return (status, headers, body), kept and not connection.trailing_data[0]
            case h11.ConnectionClosed() | h11.PAUSED:
                return None


# ------------------------------------------------------------------------------------ valid

names = st.sampled_from([b"ETag", b"X-Own", b"date", b"Set-Cookie", b"Server", b"x!#$%&'*+-.^_`|~"])
values = st.text(
    st.characters(codec="latin-1", exclude_categories=["Cc", "Zs"]) | st.just(" "), max_size=20
).map(lambda text: text.strip().encode("latin-1"))
interim = st.sampled_from(
    [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n"]
)


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """Any reply that a careful server sends."""
    status = draw(st.sampled_from([200, 201, 204, 302, 304, 400, 403, 404, 429, 500, 503]))
    reason = draw(st.sampled_from([b" OK", b" ", b"", b" Not \xe4 word"]))
    recent = draw(st.sampled_from([b"1", b"1", b"0"]))
    lines = [b"HTTP/1.%b %d%b" % (recent, status, reason)]
    space = draw(st.sampled_from([b" ", b"", b"\t "]))
    fields = draw(st.lists(st.tuples(names, values), max_size=4))
    lines += [b"%b:%b%b" % (name, space, value) for name, value in fields]
    lines += draw(st.sampled_from([[], [b"Connection: close"], [b"connection: Keep-Alive"]]))
    body = draw(st.binary(max_size=60))
    framing = draw(st.sampled_from(["length", "chunked", "end"]))
    if status in (204, 304):
        body, framing = b"", "none"
    if framing == "chunked" and recent == b"1":
        lines.append(b"Transfer-Encoding: chunked")
        size = draw(st.integers(1, 40))
        chunks = [body[i : i + size] for i in range(0, len(body), size)]
        extension = draw(st.sampled_from([b"", b";a=b", b" "]))
        trailer = draw(st.sampled_from([b"", b"Checksum: 1\r\n"]))
        body = b"".join(b"%x%b\r\n%b\r\n" % (len(c), extension, c) for c in chunks)
        body += b"0\r\n" + trailer + b"\r\n"
    elif framing == "length":
        lines.append(b"Content-Length: %d" % len(body))
    return draw(interim) + b"\r\n".join(lines) + b"\r\n\r\n" + body


@given(replies(), st.lists(st.integers(0, 400), max_size=4))
def test_a_valid_reply_is_read_as_h11_reads_it(wire: bytes, cuts: list[int]) -> None:
    """However it comes in, and the connection is used again in the same cases."""
    expected = by_h11(wire)
    assert expected is not None
    reply = read(wire, *cuts)
    assert (reply.done, seen(reply)) == (True, expected[0])
    assert read(wire, *cuts, end=False).keep == expected[1]


@given(replies(), st.data())
def test_what_is_taken_means_the_same_to_h11(wire: bytes, data: st.DataObject) -> None:
    """A damaged reply is refused, or both read the same."""
    at = data.draw(st.integers(0, len(wire)))
    cut = data.draw(st.integers(0, 3))
    piece = data.draw(
        st.binary(max_size=2)
        | st.sampled_from([b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b"0", b"\x00", b"\r\n "])
    )
    wire = wire[:at] + piece + wire[at + cut :]
    try:
        reply = read(wire)
    except (Malformed, ProtocolError):
        return
    if reply.done:
        expected = by_h11(wire)
        assert expected is not None
        assert seen(reply) == expected[0]


@given(st.binary(max_size=200), st.booleans())
def test_noise_is_refused_or_incomplete(noise: bytes, led: bool) -> None:
    """No input makes it fail in another way."""
    with suppress(Malformed, ProtocolError):
        read((b"HTTP/1.1 200 OK\r\n" if led else b"") + noise)


# ---------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x2",
        b"HTTP/1.1 200 OK\r\nContent-Length: ",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chun\xe2\x84\xaaed",  # as small as "k" in Unicode
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded",
        b"HTTP/1.1 200 OK\r\n X: a",
        b"HTTP/1.1 200 OK\r\nX: a\nY: b",
        b"HTTP/1.1 200 OK\r\nX: a\rY: b",
        b"HTTP/1.1 200 OK\r\nX: a\x00b",
        b"HTTP/1.1 200 OK\r\nno colon",
        b"HTTP/1.1 200 OK\r\n: no name",
        b"HTTP/1.1 200 OK\nX: a",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/2 200 OK",
        b"\r\nHTTP/1.1 200 OK",
        b"220 mail.example ESMTP",
    ],
)
def test_a_reply_whose_end_could_be_disputed_is_refused(head: bytes) -> None:
    """Nothing is guessed: what comes after it could be taken for the next answer."""
    with pytest.raises(Malformed):
        read(head + b"\r\n\r\nok", method=b"GET")


@pytest.mark.parametrize(
    "chunks",
    [b"g\r\n", b"-1\r\n", b"0x1\r\na\r\n", b"1\na\n\r\n", b"1\r\nab\r\n", b"\r\n", b" 1\r\na\r\n",
     b"1" * 16 + b"\r\n", b"0\r\nfolded\r\n", b"1;a=\x00\r\na\r\n", b"1;" + b"a" * 5000],
)  # fmt: skip
def test_chunks_that_are_none_are_refused(chunks: bytes) -> None:
    """A size is hexadecimal digits, and its chunk is as long as it says."""
    with pytest.raises(Malformed):
        read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, end=False)


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * MOST_HEAD,
        b"HTTP/1.1 100 Continue\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n" * 2000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: a\r\n" * MOST_HEAD,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"1;" + b"x" * 4000 + b"\r\na\r\n") * 20,
    ],
    ids=["a head", "interim replies", "trailers", "chunk extensions"],
)
def test_what_is_no_content_is_bounded(endless: bytes) -> None:
    """A server cannot fill the memory with headers."""
    with pytest.raises(Malformed):
        read(endless, *range(0, len(endless), 8192), end=False)


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(MOST + 1),
    ],
    ids=["length", "chunked", "until the end"],
)
def test_content_is_bounded(wire: bytes) -> None:
    """It is refused as soon as its size is known."""
    with pytest.raises(ProtocolError, match="1,048,576"):
        read(wire, end=False)


# ------------------------------------------------------------------------------- what remains


@pytest.mark.parametrize("head", [b"200 OK\r\nContent-Length: 9", b"204 No Content", b"304 Same"])
def test_some_replies_have_no_content(head: bytes) -> None:
    """HEAD has a length but no content; 204 and 304 have neither."""
    reply = read(b"HTTP/1.1 " + head + b"\r\n\r\n", method=b"HEAD", end=False)
    assert (reply.done, bytes(reply.body), reply.keep) == (True, b"", True)


def test_bytes_after_a_reply_spoil_the_connection() -> None:
    """The reply counts; what follows it was never asked for."""
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert read(wire, end=False).keep
    for cut in (len(wire), len(wire) + 5):
        reply = read(wire + b"HTTP/1.1 200 OK\r\n\r\n", cut, end=False)
        assert (reply.done, bytes(reply.body), reply.keep) == (True, b"ok", False)


@pytest.mark.parametrize(
    "wire",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"],
)  # fmt: skip
def test_a_reply_that_is_cut_is_not_done(wire: bytes) -> None:
    """Only a reply without any length may end with its connection."""
    assert not read(wire).done
