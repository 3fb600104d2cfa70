"""Bodies of requests: described here, put together and streamed by the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue

from longshore.documents import Document, Piece

__all__ = ["Body", "Bytes", "File", "Json", "Multipart", "Raw"]


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON body, sent without spaces and with its keys in the order given."""

    value: JsonValue


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that is a byte range of a document; the driver streams it."""

    piece: Piece
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Bytes:
    """A small body made by the flow itself."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class File:
    """A form field that carries a byte range of a document under a file name."""

    piece: Piece
    filename: str
    media_type: str = "application/octet-stream"

    @classmethod
    def of(cls, document: Document, piece: Piece | None = None) -> File:
        """Carry a document (or one piece of it) under its own name and media type."""
        return cls(piece or document.whole(), document.name, document.media_type)


@dataclass(frozen=True, slots=True)
class Multipart:
    """A ``multipart/form-data`` body; fields go out in the order given."""

    fields: tuple[tuple[str, str | File], ...]


Body: TypeAlias = Json | Raw | Bytes | Multipart
