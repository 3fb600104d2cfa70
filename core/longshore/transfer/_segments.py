"""A body as segments: byte strings and file regions; nothing is read, nothing is built up.

The sum of the lengths is the Content-Length. A form of 100 files is some hundred short byte
strings with the files' regions between them, however large the files are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from pydantic import JsonValue
from pydantic_core import to_json

from longshore.documents import Piece
from longshore.provider import Body, Bytes, File, Json, Multipart, Raw

__all__ = ["Encoded", "Segment", "encode"]

Segment: TypeAlias = bytes | Piece

# A media type may come from a manifest: nothing in it may end the line (RFC 6838, RFC 9110).
_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(?: *;[ -~]*)?", re.ASCII)
_ANY = "application/octet-stream"


class Encoded(NamedTuple):
    """A body ready to be sent.

    Attributes:
        content_type: None when there is no body, or when it says nothing about its type.
        segments: in order.
        size: bytes of all segments.
        pieces: the segments that are regions of documents.
    """

    content_type: str | None
    segments: tuple[Segment, ...]
    size: int
    pieces: tuple[Piece, ...] = ()

    @property
    def of_files(self) -> int:
        """Bytes that come from documents."""
        return sum([piece.size for piece in self.pieces])


def encode(body: Body | None, boundary: str) -> Encoded:
    """Encode a body; ``boundary`` separates the fields of a form and must not occur in it."""
    match body:
        case None:
            return Encoded(None, (), 0)
        case Json(value):
            return _sum("application/json", (_json(value),))
        case Raw(piece, media_type):
            return _sum(media_type, (piece,))
        case Bytes(data, media_type):
            return _sum(media_type, (data,))
        case Multipart():
            kind = f"multipart/form-data; boundary={boundary}"
            return _sum(kind, tuple(_form(body, boundary)))
    raise TypeError(f"a request cannot carry {type(body).__name__}")


def _sum(content_type: str | None, segments: tuple[Segment, ...]) -> Encoded:
    pieces = tuple([s for s in segments if isinstance(s, Piece)])
    size = sum([len(s) if isinstance(s, bytes) else s.size for s in segments])
    return Encoded(content_type, segments, size, pieces)


def _form(form: Multipart, boundary: str) -> Iterator[Segment]:
    text = ""  # what stands between two files is one segment
    for name, value in form.fields:
        text += f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'
        if isinstance(value, File):
            kind = value.media_type if _TYPE.fullmatch(value.media_type) else _ANY
            file = f'; filename="{_quoted(value.filename)}"\r\nContent-Type: {kind}'
            yield _utf8(f"{text}{file}\r\n\r\n")
            yield value.piece
            text = "\r\n"
        else:
            text += f"\r\n\r\n{value}\r\n"
    yield _utf8(f"{text}--{boundary}--\r\n")


def _json(value: JsonValue) -> bytes:
    """Write JSON; ``json`` makes a string of every word first, in six times as long."""
    try:
        return to_json(value)
    except ValueError:  # half a surrogate
        return _utf8(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def _utf8(text: str) -> bytes:
    """Encode a text; half a surrogate, which no encoding has, becomes a question mark."""
    return text.encode("utf-8", "replace")


def _quoted(name: str) -> str:
    """Encode a name as browsers do (RFC 7578, section 4.2; WHATWG form submission)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
