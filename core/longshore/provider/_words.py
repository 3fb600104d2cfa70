"""What a reply says to people, whatever its shape: JSON, a storage's XML, a proxy's web page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pydantic import JsonValue

from longshore.errors import ProtocolError
from longshore.provider._responses import Response
from longshore.redaction import excerpt

__all__ = ["said_by", "words_in"]

_WORDS = (
    "message", "error_description", "detail", "error", "errors", "issues", "msg", "reason",
    "description", "title", "payload", "code",
)  # fmt: skip
_PLACES = ("loc", "path", "field")
_DEEPEST = 4
_MOST_ITEMS = 5
_HEAD = 4096
_STORAGE = re.compile(r"<(Code|Message)>([^<]*)</\1>")
_PAGE = re.compile(r"<(?:title|h1)\b[^>]*>([^<]+)<", re.I)


def words_in(value: JsonValue) -> str:
    """Return the words for people in a vendor's JSON, redacted and in one line.

    They are looked for under the usual names (``message``, ``detail``, ``error``, ``errors``, ...),
    and inside those; where a list says what is wrong with which field, the field is named. What
    has no such name is shown as it is, shortened.

    Args:
        value: the body of an error reply, or the ``error`` of a job.
    """
    words = _search(value, _DEEPEST)
    return excerpt((words or json.dumps(value)).encode(errors="replace")) if value else ""


def said_by(response: Response) -> str:
    """Say in words what an error reply says; "" when its body is empty."""
    try:
        value = response.json()
    except ProtocolError:
        return excerpt((_marked_up(response.text[:_HEAD]) or response.text).encode())
    return words_in(value)


def _search(value: JsonValue, depth: int) -> str:
    if isinstance(value, str):
        return value.strip()
    if not depth or not value:
        return ""
    if isinstance(value, list):
        said = [words for item in value[:_MOST_ITEMS] if (words := _item(item, depth - 1))]
        return "; ".join(dict.fromkeys(said))
    if isinstance(value, dict):
        found = (_search(value.get(name), depth - 1) for name in _WORDS)
        return next(filter(None, found), "")
    return ""


def _item(item: JsonValue, depth: int) -> str:
    """Say one of several errors, with the field that it is about."""
    words = _search(item, depth)
    if not words or not isinstance(item, dict):
        return words
    place = next(filter(None, _places(item)), "")
    return f"{place}: {words}" if place else words


def _places(item: dict[str, JsonValue]) -> Iterator[str]:
    for name in _PLACES:
        place = item.get(name)
        if isinstance(place, list):
            yield ".".join(str(step) for step in place if isinstance(step, str | int))
        elif isinstance(place, str):
            yield place


def _marked_up(text: str) -> str:
    """Read the error of an S3 storage (XML) or the headline of a web page; "" for other text."""
    if not text.lstrip().startswith("<"):
        return ""
    from html import unescape  # 2,000 names of letters: only where they may be needed

    if said := dict(_STORAGE.findall(text)):
        return unescape(": ".join(said[name] for name in ("Code", "Message") if said.get(name)))
    page = _PAGE.search(text)
    return f"a web page, {' '.join(unescape(page[1]).split())!r}" if page else ""
