"""A large body, sent by a worker thread: file regions by ``sendfile``, or in batches with TLS.

The socket does not block. One ``poll`` before each write waits for room and for what the other
side has to say: a refusal ends the sending, however much is left.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock

import httpcore

from longshore.documents import Piece
from longshore.transfer._body import CHUNK, Body, descriptor, ended_early, region
from longshore.transfer._fast_reply import SLOWEST, Malformed, Reply
from longshore.transfer._fast_tls import Tls
from longshore.transfer._fast_wire import cut

__all__ = ["Errand", "Upload"]

_BATCH = 256 << 10
_MORE = getattr(socket, "MSG_MORE", 0)
_TELL_EVERY = 0.1
_LONGEST = 1e6  # seconds; poll() takes no more than some 2e9 ms
_NETWORK = frozenset(
    {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTUNREACH,
     errno.ENETUNREACH, errno.ENETDOWN, errno.ECONNABORTED, errno.ESHUTDOWN}
)  # fmt: skip


class _Refused(Exception):
    """The answer is there; nothing more needs to leave."""


class Upload:
    """One request whose body is large.

    Args:
        sock: of the connection, lent to this thread; does not block.
        tls: of the same connection.
        body: what is sent.
        reply: filled with what comes.
        times: ``write``: seconds without any progress; ``read``: without an answer.
        tell: told how many bytes of documents left, now and then, in this thread.

    Attributes:
        untold: bytes of documents that left since then.
    """

    def __init__(
        self,
        sock: socket.socket,
        tls: Tls | None,
        body: Body,
        reply: Reply,
        *,
        times: dict[str, float],
        tell: Callable[[int], object],
    ) -> None:
        self._sock = sock
        self._tls = tls
        self._body = body
        self._reply = reply
        patience = {name: int(min(times[name], _LONGEST) * 1000) for name in ("read", "write")}
        self._patience = {name: max(seconds, 1) for name, seconds in patience.items()}
        self._tell = tell
        self._told_at = time.monotonic()
        self._broken = False
        self.untold = 0
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN | select.POLLOUT)

    def run(self, head: bytes) -> None:
        """Send the request and receive its reply.

        Raises:
            httpcore.WriteTimeout, ReadTimeout, WriteError, RemoteProtocolError: as their names say.
            SourceChanged, SourceUnreadable: the file is not what it was.
            ProtocolError: the reply is too large.
        """
        try:
            self._carry(head)
        except Malformed as error:
            raise httpcore.RemoteProtocolError(str(error)) from error
        except OSError as error:  # of the network: those of files have become others
            self._receive_left(error)

    def _carry(self, head: bytes) -> None:
        try:
            self._send(head)
        except _Refused:
            self._receive_rest()
            self._reply.keep = False
        else:
            self._receive_rest()

    def _send(self, head: bytes) -> None:
        """Send it all; bytes before a region leave together with it."""
        waiting = head
        for segment in self._body.outgoing.body.segments:
            if isinstance(segment, bytes):
                waiting += segment
            elif segment.size:
                self._write(waiting, _MORE)
                waiting = b""
                self._region(segment)
        self._write(waiting)

    def _region(self, piece: Piece) -> None:
        fd = descriptor(self._body.outgoing.sources[piece.document])
        if fd is not None and self._tls is None:
            piece = self._sendfile(fd, piece)
        chunk = CHUNK if fd is None else _BATCH
        for data in region(self._body.outgoing, piece, chunk):
            self._write(data)
            self._count(len(data))

    def _sendfile(self, fd: int, piece: Piece) -> Piece:
        """Send a region without looking at it; returns what could not be sent this way."""
        out, offset, end = self._sock.fileno(), piece.offset, piece.end
        while offset < end:
            self._room()
            try:
                sent = os.sendfile(out, fd, offset, end - offset)
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno in _NETWORK:
                    raise
                break  # a file that only read() can handle, or that read() says is broken
            if not sent:
                raise ended_early(piece.skip(offset - piece.offset))
            offset += sent
            self._count(sent)
        return piece.skip(offset - piece.offset)

    def _write(self, data: bytes, flags: int = 0) -> None:
        view = memoryview(data)
        while view:
            batch = view[:_BATCH] if self._tls else view
            view = view[len(batch) :]
            rest = memoryview(self._tls.encrypt(batch)) if self._tls else batch
            while rest:
                self._room()
                try:
                    rest = rest[self._sock.send(rest, flags) :]
                except BlockingIOError:
                    continue

    def _room(self) -> None:
        """Wait until more can leave, and read what comes meanwhile."""
        while True:
            events = self._poll.poll(self._patience["write"])
            if not events:
                raise httpcore.WriteTimeout("timed out")
            if events[0][1] & ~select.POLLOUT:  # something came, or the end
                self._receive()
                gone = self._reply.done and events[0][1] & select.POLLHUP  # and takes no more
                if self._reply.refused or gone:
                    raise _Refused
                if self._reply.done:  # a success that came early: all the rest is still wanted
                    self._poll.modify(self._sock, select.POLLOUT)
            if events[0][1] & select.POLLOUT:
                return

    def _receive_rest(self) -> None:
        self._poll.modify(self._sock, select.POLLIN)
        last = time.monotonic() + SLOWEST * self._patience["read"] / 1000
        while not self._reply.done:
            if time.monotonic() > last or not self._poll.poll(self._patience["read"]):
                raise httpcore.ReadTimeout("timed out")
            self._receive()

    def _receive_left(self, error: OSError) -> None:
        """The connection broke: an answer that came before may still lie there."""
        self._broken = True
        try:
            while not self._reply.done:
                self._receive()
        except (OSError, Malformed, httpcore.RemoteProtocolError):
            if isinstance(error, ssl.SSLError):
                raise httpcore.RemoteProtocolError(str(error)) from error
            raise httpcore.WriteError(str(error)) from error
        self._reply.keep = False

    def _receive(self) -> None:
        data = self._sock.recv(1 << 16)
        content = self._tls.decrypt(data) if self._tls and data else data
        self._reply.feed(content)
        if not data or (self._tls and self._tls.over):
            ended = self._tls.ended if self._tls else not self._broken
            self._reply.eof(sure=ended)
            if not self._reply.done:
                raise cut(self._reply)

    def _count(self, sent: int) -> None:
        """Tell now and then: telling wakes the event loop."""
        self.untold += sent
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY:
            self._tell(self.untold)
            self.untold, self._told_at = 0, now


class Errand:
    """A call in a thread; cancelling who waits for it does not end it.

    ``run_in_executor`` with ``shield`` would do the same with four futures in place of one.

    Attributes:
        ended: when the call is over, with what it raised.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._over = False
        self._claimed = Lock()
        self.ended: asyncio.Future[None] = loop.create_future()

    def claim(self) -> bool:
        """Return True to the first who asks: whoever makes the call, or gives it up."""
        return self._claimed.acquire(blocking=False)

    def run(self, call: Callable[[bytes], None], head: bytes) -> None:
        """Make the call, unless it was given up; runs in the thread."""
        if not self.claim():
            return
        try:
            call(head)
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            self._tell(error)
        else:
            self._tell(None)

    async def over(self) -> None:
        """Wait for the end after a cancellation, however often there is another."""
        while not self._over:
            self.ended = self._loop.create_future()
            with suppress(asyncio.CancelledError, Exception):
                await self.ended

    def _tell(self, error: Exception | None) -> None:
        with suppress(RuntimeError):  # the event loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._end, error)

    def _end(self, error: Exception | None) -> None:
        self._over = True
        if self.ended.done():  # cancelled
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)
