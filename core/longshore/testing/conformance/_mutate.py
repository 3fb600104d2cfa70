"""Replies that came out wrong: what a vendor may send one day."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from longshore.provider import Headers, Response

__all__ = [
    "BODIES", "Path", "at", "json_of", "other_type", "paths", "replaced", "with_body",
    "with_unknown", "with_word", "without",
]  # fmt: skip

Path: TypeAlias = tuple[str | int, ...]

_UNKNOWN = "longshoreUnknown"
_HTML = b"<!doctype html><html><body><h1>Bad Gateway</h1>\n<p>nginx</p></body></html>"


def _deep(_body: bytes) -> bytes:
    return b"[" * 100_000 + b"]" * 100_000


def _surrogates(body: bytes) -> bytes:
    """Put half a surrogate into every text."""

    def broken(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: broken(item) for name, item in value.items()}
        if isinstance(value, list):
            return [broken(item) for item in value]
        return value + "\ud800" if isinstance(value, str) else value

    return json.dumps(broken(json.loads(body))).encode()


BODIES: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "html": lambda _: _HTML,
    "truncated": lambda body: body[: len(body) // 2],
    "null": lambda _: b"null",
    "a list": lambda _: b"[]",
    "a number": lambda _: b"17",
    "an empty object": lambda _: b"{}",
    "no utf-8": lambda _: b'{"id": "\xff\xfe"}',
    "too deep": _deep,
    "half surrogates": _surrogates,
}
"""How a reply can be replaced."""


def with_body(reply: Response, body: bytes) -> Response:
    """Return a reply with another body."""
    headers = {name: value for name, value in reply.headers.items() if name != "content-length"}
    return replace(reply, body=body, headers=Headers(headers))


def json_of(reply: Response) -> Any:
    """Return a reply's JSON object or list; None when it has none."""
    try:
        value = json.loads(reply.body)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Give the place of every field, those of the first entry of a list only."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield (*at, name)
            yield from paths(item, (*at, name))
    elif isinstance(value, list) and value:
        yield from paths(value[0], (*at, 0))


def replaced(value: Any, path: Path, new: Any) -> Any:
    """Return a JSON value with something else in one place."""
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def without(value: Any, path: Path) -> Any:
    """Return a JSON value that lacks one field."""
    *place, last = path
    holder = at(value, tuple(place))
    return replaced(value, tuple(place), {k: v for k, v in holder.items() if k != last})


def at(value: Any, path: Path) -> Any:
    """Return what stands in one place."""
    for part in path:
        value = value[part]
    return value


def with_unknown(value: Any, maps: frozenset[str]) -> Any:
    """Return a JSON value with fields that nobody knows, in every record."""
    if isinstance(value, list):
        return [with_unknown(item, maps) for item in value]
    if not isinstance(value, dict):
        return value
    known = {k: v if k in maps else with_unknown(v, maps) for k, v in value.items()}
    return {_UNKNOWN: "x", **known, f"{_UNKNOWN}Object": {"a": [1]}, f"{_UNKNOWN}Null": None}


def other_type(value: Any) -> Any:
    """Return a value of a type that nobody expects in its place."""
    return {"unexpected": [value]} if isinstance(value, str | int | float) else 17


def with_word(value: Any, word: str, new: str) -> Any:
    """Put another word wherever exactly this one stands."""
    if isinstance(value, list):
        return [with_word(item, word, new) for item in value]
    if isinstance(value, dict):
        return {name: with_word(item, word, new) for name, item in value.items()}
    return new if value == word else value
