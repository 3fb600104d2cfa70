"""What a request carries: segments that are read while they are sent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor
from typing import TypeVar

import httpx

from longshore.documents import Piece
from longshore.errors import SourceChanged, SourceUnreadable
from longshore.transfer._port import Outgoing, Source

__all__ = ["CHUNK", "Body", "descriptor", "ended_early", "region"]

T = TypeVar("T")

CHUNK = 1 << 20
SMALL = 64 << 10
"""Bytes of a body that leaves at once, from the event loop."""

_NOWAIT = getattr(os, "RWF_NOWAIT", None)  # Linux: read what is in the page cache, or nothing


class Body(httpx.AsyncByteStream):
    """A body for any transport: iterated, it gives bytes; the fast path looks inside.

    Args:
        outgoing: names the segments and the open documents.
        readers: threads that wait for disks.
    """

    def __init__(self, outgoing: Outgoing, readers: Executor) -> None:
        self.outgoing = outgoing
        self._readers = readers

    @property
    def throttled(self) -> bool:
        """Each slice waits for its turn, so the body can only be iterated."""
        return self.outgoing.throttle is not None and bool(self.outgoing.body.pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Read the body in chunks of about 1 MiB; may be done more than once."""
        if not self.outgoing.body.pieces:
            yield self._joined()
            return
        chunks, left = _chunks(self.outgoing), self.outgoing.body.size
        # No thread is asked for behind the last chunk: all has left by then, and may act.
        while left and (chunk := await self._in_thread(lambda: next(chunks, None))):
            data, of_files = chunk
            left -= len(data)
            if of_files and self.outgoing.throttle is not None:
                await self.outgoing.throttle(of_files)
            yield data
            if of_files:
                self.outgoing.progress(of_files)

    def give_up(self) -> None:
        """Wake whoever waits in a thread for a document; a local file stays as it is."""
        for source in self.outgoing.sources.values():
            close = getattr(source, "close", None)
            if close is not None and descriptor(source) is None:
                close()

    async def small(self, head: bytes) -> bytes | None:
        """Return all of it, behind its head, when it is small; None when it is not.

        Raises:
            SourceChanged, SourceUnreadable: see ``region``.
        """
        if self.outgoing.body.size > SMALL:
            return None
        data = self._cached(head)
        if data is None:
            data = head + await self._in_thread(self._joined)
        return data

    def _in_thread(self, read: Callable[[], T]) -> Awaitable[T]:
        try:
            return asyncio.get_running_loop().run_in_executor(self._readers, read)
        except RuntimeError as error:  # no more threads on this machine: it never leaves as a whole
            raise httpx.ConnectError(str(error)) from error

    def _joined(self) -> bytes:
        return b"".join(data for data, _ in _chunks(self.outgoing))

    def _cached(self, head: bytes) -> bytes | None:
        """Read small regions without a thread, if that needs no waiting for a disk."""
        parts: list[bytes | bytearray] = [head]
        for segment in self.outgoing.body.segments:
            if isinstance(segment, bytes):
                parts.append(segment)
                continue
            if not segment.size:
                continue
            fd = descriptor(self.outgoing.sources[segment.document])
            if fd is None or _NOWAIT is None:
                return None
            data = bytearray(segment.size)
            try:
                if os.preadv(fd, [data], segment.offset, _NOWAIT) < segment.size:
                    return None
            except OSError:  # not cached, or a file system that cannot tell
                return None
            parts.append(data)
        return b"".join(parts)


def descriptor(source: Source) -> int | None:
    """Return the descriptor of a document that is a local file."""
    fileno = getattr(source, "fileno", None)
    return fileno() if fileno is not None else None


def _chunks(outgoing: Outgoing) -> Iterator[tuple[bytes, int]]:
    """Yield the body in chunks of about 1 MiB, with the number of bytes that come from files.

    Short segments travel together, so that a small form is one write.
    """
    parts: list[bytes] = []
    size = of_files = 0
    for segment in outgoing.body.segments:
        for data in (segment,) if isinstance(segment, bytes) else region(outgoing, segment):
            parts.append(data)
            size += len(data)
            of_files += len(data) if isinstance(segment, Piece) else 0
            if size >= CHUNK:
                yield b"".join(parts), of_files
                parts, size, of_files = [], 0, 0
    if size:
        yield b"".join(parts), of_files


def region(outgoing: Outgoing, piece: Piece, chunk: int = CHUNK) -> Iterator[bytes]:
    """Read a region of a document piece by piece.

    Its last bytes are given out only when the source, if it can, has proved that they are those
    that were planned.

    Raises:
        SourceChanged: the file ended early, or is another one.
        SourceUnreadable: the disk failed.
    """
    source = outgoing.sources[piece.document] if piece.size else None
    prove = getattr(source, "prove", None)
    while source is not None and piece.size:
        try:
            data = source.read(piece.offset, min(piece.size, chunk))
        except OSError as error:
            raise SourceUnreadable(
                f"the file cannot be read any more: {error.strerror}", document=piece.document
            ) from error
        if not data:
            raise ended_early(piece)
        if prove is not None and len(data) == piece.size:
            prove()
        yield data
        piece = piece.skip(len(data))


def ended_early(piece: Piece) -> SourceChanged:
    """Make the error for a file that is shorter than planned; ``piece`` is what is missing."""
    return SourceChanged(
        f"the file ended {piece.size:,} bytes early while it was sent",
        document=piece.document,
        hint="upload it again when it is no longer being written",
    )
