"""A real file, open, for tests of one exchange."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from longshore.documents import Piece, SourceFile
from longshore.provider import File, Multipart, Raw
from longshore.transfer import Outgoing
from tests.transfer.wire import MIB, outgoing


@cache
def numbers() -> bytes:
    return b"".join(b"%7d\n" % number for number in range(MIB))


@dataclass
class Local:
    """A file of a repeating pattern, open."""

    path: Path
    source: SourceFile
    reads: int = 0

    def sending(
        self, url: str, offset: int, size: int, *, form: bool = False, **more: Any
    ) -> Outgoing:
        piece = Piece(document="d", offset=offset, size=size)
        fields = (("title", "t"), ("a", File(piece, "a.bin")), ("b", File(piece, "b.bin")))
        body = Multipart(fields) if form else Raw(piece)
        return outgoing(url, "PUT", body, sources={"d": self.source}, **more)
