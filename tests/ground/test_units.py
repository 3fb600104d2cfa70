"""Sizes, durations and the expiry of signed URLs, as people and vendors write them."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from longshore.transfer._address import address
from longshore.units import (
    ByteSize,
    Seconds,
    format_bytes,
    format_seconds,
    parse_bytes,
    parse_seconds,
)
from longshore.urls import quoted, url_expiry


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        (7, 7),
        ("8MiB", 8 * 2**20),
        (" 8 mib ", 8 * 2**20),
        ("20M", 20_000_000),
        ("20MB", 20_000_000),
        ("1.5k", 1500),
        ("1.001M", 1_001_000),
        ("5TB", 5 * 10**12),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_sizes_are_read_exactly(text: object, size: int) -> None:
    """No byte is lost in a float on the way."""
    assert size == parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30.0), (1.5, 1.5), ("200ms", 0.2), ("5m", 300.0), ("24h", 86_400.0), ("7d", 604_800.0)],
)
def test_durations_are_read(text: object, seconds: float) -> None:
    """A bare number is seconds; `m` is minutes."""
    assert seconds == parse_seconds(text)


@pytest.mark.parametrize(
    "text",
    ["", "M", "-1", "1e9", "5 apples", "8M8", True, -1, -0.5, float("nan"), float("inf"), None],
)
def test_what_is_no_number_is_a_value_error(text: object) -> None:
    """Also what a configuration file can hold as a number: negative, not a number, infinite."""
    for parse in (parse_bytes, parse_seconds):
        with pytest.raises(ValueError, match="is not a"):
            parse(text)


def test_the_field_types_say_what_is_wrong() -> None:
    """A setting with a wrong size is a validation error, never another exception."""
    for kind in (ByteSize, Seconds):
        with pytest.raises(ValidationError, match="is not a"):
            TypeAdapter(kind).validate_python(float("inf"))
    assert TypeAdapter(ByteSize).validate_python("1MiB") == 2**20


@given(st.integers(0, 8 * 10**6), st.sampled_from(["", "b", "k", "M", "GiB", "tib"]))
def test_a_number_is_the_number_of_its_units(count: int, unit: str) -> None:
    """Ten of a unit are ten times one."""
    assert parse_bytes(f"{count}{unit}") == count * parse_bytes(f"1{unit}")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_999, "1.0 MB"),
        (40_000_000, "40.0 MB"),
        (5 * 10**12, "5.0 TB"),
    ],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    """Rounding never writes 1000.0 of a unit."""
    assert text == format_bytes(size)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (59.97, "1 m 00 s"), (125, "2 m 05 s"), (11_400, "3 h 10 m")],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    """Rounding never writes 60 seconds."""
    assert text == format_seconds(seconds)


@pytest.mark.parametrize(
    "id", ["a/b", ".", "..", "../..", "%2e%2e", "a?b#c", "", "\x1b\n", "ü", "..."]
)
def test_an_id_in_a_path_is_one_segment(id: str) -> None:
    """Whatever a vendor calls a job: what leads to it stands around it as it was written."""
    _, path = address(f"https://api.vendor.example/v1/jobs/{quoted(id)}/complete")
    assert path.startswith(b"/v1/jobs/")
    assert path.endswith(b"/complete")
    assert unquote(path.split(b"/")[3]) == id


@pytest.mark.parametrize(
    ("url", "expiry"),
    [
        ("https://s3/k?X-Amz-Date=20260102T030405Z&X-Amz-Expires=600", 1_767_323_045.0 + 600),
        ("https://s3/k?x-amz-date=20260102T030405Z&x-amz-expires=600", 1_767_323_045.0 + 600),
        ("https://s3/k?AWSAccessKeyId=A&Expires=1767323045&Signature=s", 1_767_323_045.0),
        ("https://s3/k", None),
        ("https://s3/k?X-Amz-Date=yesterday&X-Amz-Expires=600", None),
        ("https://s3/k?Expires=nan", None),
        ("https://s3/k?Expires=inf", None),
        ("https://[s3/k?Expires=5", 5.0),  # that it leads nowhere is another matter
    ],
)
def test_signed_urls_tell_when_they_expire(url: str, expiry: float | None) -> None:
    """Both signature versions; what cannot be read is unknown, never an error."""
    assert expiry == url_expiry(url)
