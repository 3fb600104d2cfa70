"""Bodies as segments: what a form's reader finds in them, and their exact size."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser, parse_options_header

from longshore.documents import Document, Piece
from longshore.provider import Body, Bytes, File, Json, Multipart, Raw
from longshore.transfer import Encoded, encode

DATA = bytes(range(256)) * 4
DOCUMENT = Document(id="d", name="plan.pdf", size=len(DATA), media_type="application/pdf")


def flat(encoded: Encoded) -> bytes:
    """Put the body together as a sender does."""
    return b"".join(s if isinstance(s, bytes) else DATA[s.offset : s.end] for s in encoded.segments)


def parsed(encoded: Encoded) -> list[tuple[dict[str, str], bytes]]:
    """Read a form with an independent parser: (headers, content) of each field."""
    fields: list[tuple[dict[str, str], bytes]] = []
    name = b""

    def begin() -> None:
        fields.append(({}, b""))

    def header_field(data: bytes, start: int, end: int) -> None:
        nonlocal name
        name = data[start:end]

    def header_value(data: bytes, start: int, end: int) -> None:
        fields[-1][0][name.decode().lower()] = data[start:end].decode()

    def content(data: bytes, start: int, end: int) -> None:
        headers, before = fields[-1]
        fields[-1] = (headers, before + data[start:end])

    boundary = parse_options_header(encoded.content_type)[1][b"boundary"]
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": begin,
            "on_header_field": header_field,
            "on_header_value": header_value,
            "on_part_data": content,
        },
    )
    parser.write(flat(encoded))
    parser.finalize()
    return fields


def test_no_body_is_no_segment() -> None:
    """Nothing to send, and no type to name."""
    assert encode(None, "b") == Encoded(None, (), 0)


def test_json_is_compact_and_keeps_order_and_letters() -> None:
    """Keys stay in their order; text is UTF-8, not escapes."""
    encoded = encode(Json({"b": "ä", "a": [1, None]}), "b")
    assert (encoded.content_type, flat(encoded)) == (
        "application/json",
        '{"b":"ä","a":[1,null]}'.encode(),
    )


@pytest.mark.parametrize(
    ("body", "content_type", "data"),
    [
        (Raw(DOCUMENT.whole()), None, DATA),
        (
            Raw(Piece(document="d", offset=5, size=7), "application/pdf"),
            "application/pdf",
            DATA[5:12],
        ),
        (Bytes(b"<a/>", "application/xml"), "application/xml", b"<a/>"),
        (Bytes(b"", "text/plain"), "text/plain", b""),
    ],
)
def test_raw_bodies_are_one_segment(body: Body, content_type: str | None, data: bytes) -> None:
    """A region stays a region: it is not read here."""
    encoded = encode(body, "b")
    assert (encoded.content_type, flat(encoded), encoded.size) == (content_type, data, len(data))


def test_the_bytes_of_a_form_are_those_of_the_standard() -> None:
    """Every byte of a small form, as RFC 7578 draws it."""
    form = Multipart(
        (("title", "Plan"), ("file", File.of(DOCUMENT, Piece(document="d", offset=65, size=3))))
    )
    assert flat(encode(form, "xyz")) == (
        b"--xyz\r\n"
        b'Content-Disposition: form-data; name="title"\r\n'
        b"\r\n"
        b"Plan\r\n"
        b"--xyz\r\n"
        b'Content-Disposition: form-data; name="file"; filename="plan.pdf"\r\n'
        b"Content-Type: application/pdf\r\n"
        b"\r\n"
        b"ABC\r\n"
        b"--xyz--\r\n"
    )


def test_the_same_body_is_the_same_bytes() -> None:
    """The boundary is the one given: tries and recordings do not differ."""
    form = Multipart((("file", File.of(DOCUMENT)), ("a", "b")))
    assert encode(form, "k") == encode(form, "k")
    assert encode(form, "k").content_type == "multipart/form-data; boundary=k"


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
PIECES = st.builds(
    lambda offset, size: Piece(document="d", offset=offset, size=size),
    st.integers(0, 500),
    st.integers(0, 500),
)
FILES = st.builds(File, PIECES, NAMES, st.sampled_from(["application/pdf", "image/tiff"]))
FIELDS = st.lists(st.tuples(NAMES, st.text(max_size=30) | FILES), min_size=1, max_size=6)


def disposition(name: str, value: str | File) -> str:
    """What a browser writes for this field: only quotes and line ends are encoded."""

    def quoted(text: str) -> str:
        return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")

    file = f'; filename="{quoted(value.filename)}"' if isinstance(value, File) else ""
    return f'form-data; name="{quoted(name)}"{file}'


@given(FIELDS)
def test_any_form_is_read_back_as_it_was(fields: list[tuple[str, str | File]]) -> None:
    """Names with quotes, line ends and any letters neither break out nor get lost."""
    encoded = encode(Multipart(tuple(fields)), "longshore-0123456789abcdef")
    expected = [
        (
            disposition(name, value),
            DATA[value.piece.offset : value.piece.end]
            if isinstance(value, File)
            else value.encode(),
            value.media_type if isinstance(value, File) else None,
        )
        for name, value in fields
    ]
    assert expected == [
        (headers["content-disposition"], content, headers.get("content-type"))
        for headers, content in parsed(encoded)
    ]


@given(FIELDS)
def test_the_size_is_that_of_the_real_bytes(fields: list[tuple[str, str | File]]) -> None:
    """Content-Length is told before a byte is read, so it must be exact."""
    encoded = encode(Multipart(tuple(fields)), "b-b")
    assert encoded.size == len(flat(encoded))


def test_half_a_surrogate_in_json_is_a_question_mark() -> None:
    """A vendor's own words may come back to it, and no encoding has half a surrogate."""
    encoded = encode(Json({"name": "a\ud800é"}), "b")
    assert flat(encoded) == '{"name":"a?é"}'.encode()


_SCALARS = st.none() | st.booleans() | st.text() | st.integers() | st.floats(allow_nan=False)


@given(st.recursive(_SCALARS, st.lists))
def test_any_json_is_read_back(value: bool | float | str | list[object] | None) -> None:
    """And its size is exact."""
    encoded = encode(Json(value), "b")  # type: ignore[arg-type]
    assert json.loads(flat(encoded)) == value
    assert encoded.size == len(flat(encoded))


def test_a_form_of_a_huge_file_holds_no_byte_of_it() -> None:
    """A terabyte is one region between two short byte strings."""
    huge = Piece(document="d", offset=0, size=1 << 40)
    encoded = encode(Multipart((("file", File(huge, "a.tif")),)), "b")
    assert encoded.size == (1 << 40) + sum(len(s) for s in encoded.segments if isinstance(s, bytes))
    assert [s for s in encoded.segments if isinstance(s, Piece)] == [huge]
