"""Small texts from outside: sizes, times, dates, signed URLs, secrets, names in forms."""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from longshore.cli._text import printable
from longshore.documents import Piece, media_type_of, shown
from longshore.errors import LongshoreError, ProtocolError
from longshore.provider import File, Headers, Multipart, Response, refusal_of, upload_url
from longshore.redaction import Redactor, excerpt, redact_headers, redact_json, redact_text
from longshore.sandbox import Faults
from longshore.transfer import encode
from longshore.transfer._retry import http_date, retry_after
from longshore.units import ByteSize, Seconds, parse_bytes, parse_seconds
from longshore.urls import is_absolute, url_expiry
from tests.fuzz.hostile import HEADERS, JSON, LEAVES, RAW, TEXT, URLS, body_of, examples


@examples(150)
@given(LEAVES | st.from_regex(r"\d{1,40}(\.\d{1,9})? ?[a-zA-Z]{0,3}", fullmatch=True))
@example(10**400)
@example("9" * 31 + "TiB")
def test_a_size_or_time_is_a_number_in_bounds_or_a_value_error(value: Any) -> None:
    """What is read fits into a journal and into a clock."""
    for parse, most in ((parse_bytes, 2**63 - 1), (parse_seconds, 3.2e9)):
        with suppress(ValueError):
            assert 0 <= parse(value) <= most
    for kind in (ByteSize, Seconds):
        with suppress(ValidationError):
            TypeAdapter(kind).validate_python(value)


@examples(150)
@given(HEADERS)
def test_retry_after_and_date_are_bounded_or_absent(headers: dict[str, str]) -> None:
    """Whatever a vendor writes there, nobody waits longer than two minutes for it."""
    response = Response(503, Headers(headers))
    seconds = retry_after(response, 1_700_000_000.0)
    assert seconds is None or 0 <= seconds <= 120
    date = http_date(response.headers.get("date", ""))
    assert date is None or math.isfinite(date)


@examples(100)
@given(TEXT, TEXT, TEXT)
def test_the_expiry_of_a_signed_url_is_a_finite_moment_or_none(a: str, b: str, c: str) -> None:
    """Odd values of either kind of signature say nothing."""
    fields = (f"Expires={a}", f"X-Amz-Date={b}&X-Amz-Expires={c}", a)
    for url in (*(f"https://s3.example/k?{query}" for query in fields), a):
        expiry = url_expiry(url)
        assert expiry is None or math.isfinite(expiry)


@examples(100)
@given(URLS | TEXT)
def test_an_upload_url_is_absolute_or_refused(url: str) -> None:
    """What is not absolute would go to the API with the key; the message fits into one line."""
    try:
        assert is_absolute(upload_url(url))
    except ProtocolError as error:
        assert error.message.isprintable()  # noqa: PT017 - either is right


@examples(120)
@given(RAW | JSON.map(body_of))
def test_a_reply_is_json_that_can_be_kept_and_shown_or_a_protocol_error(body: bytes) -> None:
    """Half surrogates, depth and NaN: what is taken can be encoded, kept and redacted."""
    try:
        value = Response(200, body=body).json()
    except ProtocolError as error:
        assert error.message.isprintable()  # noqa: PT017
        return
    json.dumps(redact_json(value), ensure_ascii=False).encode()
    Redactor(["secret-value"]).json(value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "\xed\xa0\x80"}',
        '{"id": "\\ud800"}'.encode("utf-16"),
        b'{"id": "\\ud800"}',
    ],
)
def test_half_a_surrogate_never_comes_through(body: bytes) -> None:
    """Neither as an escape nor as bytes nor in another encoding: nothing could store it."""
    assert Response(200, body=body).json() == {"id": "?"}


@pytest.mark.parametrize("depth", [101, 256, 900])
def test_a_reply_that_is_nested_too_deeply_is_refused(depth: int) -> None:
    """It could be parsed, but neither kept nor shown."""
    with pytest.raises(ProtocolError):
        Response(200, body=b"[" * depth + b"]" * depth).json()


def test_a_reply_of_usual_depth_is_taken_however_long_it_is() -> None:
    """A hundred levels are enough for anybody, and a long list is not deep."""
    value = [{"a": [{"b": index}]} for index in range(500)]
    assert Response(200, body=body_of(value)).json() == value


@examples(120)
@given(RAW | JSON.map(body_of), HEADERS, st.integers(300, 599))
def test_a_refusal_is_one_printable_line(body: bytes, headers: dict[str, str], status: int) -> None:
    """An error body of any kind becomes an error of the tree that a terminal can show."""
    error = refusal_of(Response(status, Headers(headers), body))
    assert isinstance(error, LongshoreError)
    assert error.message.isprintable()
    assert printable(error.hint).isprintable()


@examples(150)
@given(TEXT, st.binary(max_size=60), HEADERS)
def test_redaction_takes_any_text(text: str, body: bytes, headers: dict[str, str]) -> None:
    """No text makes it fail, and a secret that is known by value never comes through."""
    redact_text(text)
    redact_headers(headers)
    assert excerpt(body).isprintable()
    assert "s3cr3t-value" not in Redactor(["s3cr3t-value"]).text(f"{text}s3cr3t-value{text}")


@pytest.mark.parametrize(
    "text",
    [
        "a" * 400_000,
        "token" * 80_000,
        '"token' * 60_000,
        "u0026tokena" * 36_000,
        "%26token" * 50_000,
        "bearer " * 57_000,
        "bearer" + " " * 400_000,
        ('"token"' + " " * 1000) * 400,
        "://" * 130_000,
        "://a" + "a" * 400_000,
        "token%3D" * 50_000,
    ],
    ids=lambda text: text[:12].strip(),
)
def test_redaction_takes_no_longer_than_the_text_is_long(text: str) -> None:
    """No pattern goes quadratic: 400 kB that were made for it need no minute."""
    before = time.process_time()
    redact_text(text)
    assert time.process_time() - before < 5.0


def test_the_beginning_of_a_huge_reply_is_shown_at_once() -> None:
    """One line of 32 MiB does not cost their parsing."""
    before = time.process_time()
    assert len(excerpt(b'["' + b"a" * (32 << 20) + b'"]')) <= 201
    assert time.process_time() - before < 1.0


# ------------------------------------------------------------------------------- forms

_TYPES = TEXT | st.sampled_from(["text/plain\r\nX-Evil: 1", 'a/b; c="\n"', "image/\xe4", "x"])


@examples(150)
@given(TEXT, TEXT, TEXT, _TYPES)
def test_no_name_adds_a_field_or_a_header_to_a_form(
    field: str, text: str, filename: str, media_type: str
) -> None:
    """Names and types with quotes, CR and LF stay where they are put."""
    piece = Piece(document="d", offset=0, size=4)
    form = Multipart(((field, text), ("file", File(piece, filename, media_type))))
    encoded = encode(form, "longshore-0123456789abcdef")
    data = b"".join(part if isinstance(part, bytes) else b"%PDF" for part in encoded.segments)
    assert len(data) == encoded.size
    heads = [part.partition(b"\r\n\r\n")[0] for part in data.split(b"--longshore-0123456789abcdef")]
    lines = [line for head in heads[1:3] for line in head.strip(b"\r\n").split(b"\r\n")]
    names = [line.partition(b":")[0] for line in lines]
    assert names == [b"Content-Disposition", b"Content-Disposition", b"Content-Type"]
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    disposition = BytesParser(policy=HTTP).parsebytes(lines[1] + b"\r\n\r\n")
    assert set(disposition["content-disposition"].params) == {"name", "filename"}


@examples(80)
@given(TEXT)
def test_any_name_can_be_shown_and_has_a_media_type(name: str) -> None:
    """Names may hold anything but are printed, stored and typed all the same."""
    shown(name).encode()
    assert printable(shown(name)).isprintable()
    assert "/" in media_type_of(name)


# ------------------------------------------------------------------------------- fault plans

_RULES = st.dictionaries(
    st.sampled_from(["vendor", "method", "path", "nth", "first", "every", "status", "headers",
                     "body", "acted", "drop", "delay", "truncate", "invalid_json", "expired"]),
    LEAVES | JSON,
    max_size=4,
)  # fmt: skip


@examples(120)
@given(st.lists(_RULES, max_size=2).map(body_of) | RAW)
def test_a_fault_plan_is_read_or_refused_with_a_value_error(text: bytes) -> None:
    """The message says which rule is wrong."""
    try:
        Faults.from_json(text.decode("utf-8", "replace"))
    except ValueError as error:
        assert str(error)  # noqa: PT017
