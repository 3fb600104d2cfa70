"""What a hostile vendor, file or user may write: values that parsers tend to trip over."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

__all__ = ["HEADERS", "JSON", "RAW", "TEXT", "URLS", "body_of", "examples", "mutated"]

F = TypeVar("F", bound=Callable[..., Any])

MORE = int(os.environ.get("LONGSHORE_TEST_FUZZ", "0"))
"""How many times as many examples as ``make test`` takes; 0 takes the same ones each time."""


_UNCHECKED = [
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
    HealthCheck.function_scoped_fixture,
]


def examples(count: int, *, slow: bool = False) -> Callable[[F], F]:
    """Set how many examples a property gets: the same ones in ``make test``, new ones beyond.

    A failing example of a slow property is shown as it was found: making it smaller takes minutes.
    """
    phases = [Phase.explicit, Phase.generate, *([] if slow else [Phase.shrink])]
    return settings(
        max_examples=count * max(MORE, 1),
        derandomize=not MORE,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=_UNCHECKED,
    )


URLS = st.sampled_from([
    "", "/", "//evil.example/x", "https:/evil.example", "https:evil.example", "evil.example",
    "@evil.example/", ".evil.example/", ":80@evil.example/", "\\\\evil.example\\x",
    "https://evil.example/x", "HTTPS://evil.example", "http://evil.example/x", "//",
    "https://user:word@evil.example/", "https://good.example\\@evil.example/", "https://@/x",
    "https://[::1]:1/x", "https://[::1/x", "https://[fe80::1%25eth0]/",
    "https://evil.example:99999",
    "https://evil.example:x/", "https://evil.example/\r\nX-Evil: 1", " https://evil.example/",
    "ht\ntps://evil.example/", "https://evil.example/\x00", "https://\u0665.example/",
    "https://ev\u0131l.example/", "https://xn--a/", f"https://{'a' * 70}.example/", "https://.../",
    "file:///etc/passwd", "file://localhost/etc/passwd", "javascript://%0aalert(1)", "ftp://a/b",
    "data:,x", "gopher://evil.example/", "https://169.254.169.254/latest", "https://0x7f.1/",
    "/x?u=https://evil.example", "?https://", "https://?", "https://#", "https:///etc/passwd",
    "https://evil.example/?X-Amz-Date=20200101T000000Z&X-Amz-Expires=" + "9" * 400,
    "https://evil.example/?Expires=-1", "https://evil.example/?expires=1e9&expires=\u0665",
    "https://evil.example/?x-amz-date=99991231T235959Z&x-amz-expires=99999999999",
    "https://evil.example/" + "x" * 20_000,
])  # fmt: skip

WORDS = st.sampled_from([
    "", " ", "\x00", "\r\n", "\x1b[2J\x1b]0;owned\x07", "\ud800", "\udfff\ud800", "\u202egnp.exe",
    "\u2028", "\x85", "\x9b31m", "..", "../../etc/passwd", "/etc/passwd", "a/b", "%2e%2e", "%",
    "'; DROP TABLE runs; --", "${HOME}", "$(id)", "`id`", "{0}", "%s%n", "[bold]x[/bold]", "NaN",
    "inf", "-1", "0", "1e999", "9" * 5000, "\u0661\u0662", "true", "null", "file:/etc/passwd",
    "env:HOME", "keyring:a/b", "x" * 10_000, "pending", "failed", "completed", "SUCCESS", "ERROR",
    "direct_put", "multipart", "2020-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "20200101T000000Z", "\ufeff", "e\u0301", "\U0001f600",
])  # fmt: skip

TEXT = WORDS | URLS | st.text(max_size=20)

_NUMBERS = st.sampled_from([
    0, 1, -1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 10**400, 0.5, -0.0, 1e308, -1e308,
    5e-324, float("inf"), float("-inf"), float("nan"),
])  # fmt: skip

LEAVES = st.none() | st.booleans() | _NUMBERS | st.integers() | st.floats() | TEXT

_NAMES = st.sampled_from([
    "id", "status", "data", "payload", "job", "jobs", "tasks", "files", "urls", "uploads", "error",
    "message", "detail", "code", "name", "project", "projects", "__class__", "", "\x00", "\ud800",
]) | st.text(max_size=5)  # fmt: skip


def _nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"error": value}
    return value


DEEP = st.sampled_from([_nested(depth) for depth in (3, 60, 130, 240, 260, 400)])

JSON = st.recursive(
    LEAVES | DEEP,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=8,
)

RAW = st.sampled_from([
    b"", b"null", b"[]", b"{}", b"17", b'"x"', b"{", b'{"id":', b"\xff\xfe", b"\xef\xbb\xbf{}",
    b"[" * 100_000, b"{" * 100_000, b'{"a":' * 100_000, b"[" * 900 + b"]" * 900, b"\x1f\x8b\x08",
    b'{"id": "\xff"}', b'{"id": "\xed\xa0\x80"}', '{"id": "\\ud800"}'.encode("utf-16"),
    b'{"id": 1, "id": 2, "id": {"id": []}}', b"9" * 5000, b'{"n": ' + b"9" * 5000 + b"}",
    b"NaN", b"-Infinity", b"1e999", b'{"\\u0000": "\\u0000"}', b"\x00" * 100,
    b"<!doctype html><title>\x1b[2J</title>", b"\x80\x04\x95.", b"--- !!python/object:os.system x",
]) | st.binary(max_size=40)  # fmt: skip

_HEADER_TEXT = st.sampled_from([
    "", "0", "-1", "5", "1e9", "inf", "-inf", "nan", "1_0", "\u0665", "9" * 400, "soon", ",", ";",
    "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT",
    "Wed, 31 Dec 1969 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 99999 23:59:59 GMT", "Mon, 99 Foo 2020 99:99:99",
    "1 Jan 99999999999999 1:1:1 GMT", "Mon, 01 Jan 2020 00:00:00 +9999999999999999999",
    "Mon, 01 Jan 2020 00:00:00 -2359", "Mon, 01 Jan 0000 00:00:00 +0000", "2020-01-01T00:00:00Z",
    "https://evil.example/", "file:///etc/passwd", '"etag"', "W/", "\x1b[2J", "x" * 5000,
])  # fmt: skip

HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Retry-After",
            "Date",
            "ETag",
            "Location",
            "Content-Type",
            "Set-Cookie",
            "WWW-Authenticate",
        ]
    ),
    _HEADER_TEXT | st.text(st.characters(codec="latin-1"), max_size=12),
    max_size=4,
)


def body_of(value: Any) -> bytes:
    """Write a value as JSON, NaN and half surrogates included."""
    return json.dumps(value).encode()


def mutated(draw: Callable[[st.SearchStrategy[Any]], Any], value: Any) -> Any:
    """Return a JSON value with something else in one place."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 5)):
        copy: Any = dict(value) if isinstance(value, dict) else list(value)
        place = draw(st.sampled_from(sorted(copy) if isinstance(copy, dict) else range(len(copy))))
        what = draw(st.integers(0, 9))
        if what == 0:
            del copy[place]
        elif what == 1 and isinstance(copy, list):
            copy += [copy[place]] * draw(st.sampled_from([1, 3, 200]))
        else:
            copy[place] = mutated(draw, copy[place])
        return copy
    return draw(TEXT if isinstance(value, str) and draw(st.booleans()) else JSON)
