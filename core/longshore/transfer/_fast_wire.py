"""A connection of the fast path: small requests on the event loop, large ones lent to a thread."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import ssl
from collections.abc import AsyncIterable, Callable
from contextlib import suppress
from typing import Any, cast

import httpcore

from longshore.errors import ProtocolError
from longshore.transfer._fast_reply import SLOWEST, Malformed, Reply
from longshore.transfer._fast_tls import Tls

__all__ = ["Wire", "cut"]

_EARLY = 0.001  # seconds by which a timer may ring before its time


class Wire(asyncio.BufferedProtocol):
    """A connection that carries one request at a time.

    Args:
        scratch: what is received passes through it at once; shared by all connections.
        gone: told when the connection is closed.
    """

    def __init__(self, scratch: memoryview, gone: Callable[[Wire], None]) -> None:
        self._scratch = scratch
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._poll = select.poll()
        self._reply: Reply | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # when it is too late for what is waited for
        self._late: type[Exception] = httpcore.TimeoutException
        self._error: Exception | None = None
        self._full = False
        self._closed = False
        self._lent = False
        self._deaf = False  # the event loop does not look for what comes
        self._twin: socket.socket | None = None
        self.tls: Tls | None = None
        self.idle_since = 0.0

    # ---------------------------------------------------------------- used by the pool

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS.

        Raises:
            OSError: there is no TLS connection; ``ssl.SSLError`` says why.
        """
        self.tls = Tls(context, host)
        try:
            self.tls.handshake()
            self._transport.write(self.tls.pending())
            while not self.tls.ready:
                self._check_open()
                await self._changed()
            self._check_open()
        except BaseException:
            self.abort()
            raise

    def alive(self) -> bool:
        """Whether it may carry another request: an idle connection has nothing to read."""
        return not self._closed and not self._poll.poll(0)

    async def exchange(
        self,
        head: bytes,
        body: AsyncIterable[bytes] | None,
        reply: Reply,
        times: dict[str, float],
    ) -> None:
        """Send a request, what ``body`` gives behind its head, and receive its reply.

        Raises:
            httpcore.WriteTimeout, ReadTimeout, ReadError, RemoteProtocolError: as its names say.
            ProtocolError: the reply is too large.
        """
        self._reply = reply
        self._listen()
        if body is None:
            self._write(head)
        else:
            await self._stream(head, body, times["write"])
        if self._full:
            await self._until_taken(times["write"])
        unsent = self._full
        if not reply.done:  # most come in one go
            await self._wait(times["read"], httpcore.ReadTimeout)
        if not reply.done:
            await self._until_done(reply, times["read"])
        reply.keep = reply.keep and not unsent and not self._closed
        self._reply = None

    def lend(self) -> socket.socket:
        """Leave the connection to a thread, as a socket of its own, until ``back``."""
        self._lent = True
        if not self._deaf:
            self._transport.pause_reading()
            self._deaf = True
        if self._twin is None:  # a descriptor of its own stays valid while the thread uses it
            mine = self._transport.get_extra_info("socket")
            self._twin = socket.socket(mine.family, mine.type, mine.proto, os.dup(mine.fileno()))
        return self._twin

    def back(self) -> None:
        """The thread is done with it."""
        self._lent = False
        if self._closed:
            self._close_twin()
        elif self.tls is not None:  # which may say something at any time
            self._listen()

    def abort(self) -> None:
        """Close at once; what is unsent is dropped, and who waits is woken."""
        self._closed = True
        if self._lent and self._twin is not None:
            with suppress(OSError):  # already broken
                self._twin.shutdown(socket.SHUT_RDWR)
        self._transport.abort()
        self._wake()

    # ------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)
        self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)

    def get_buffer(self, sizehint: int) -> Any:
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        try:
            self._receive(self._scratch[:nbytes])
        except (Malformed, ssl.SSLError, ProtocolError) as error:
            self._error = error
            self.abort()
        self._wake()

    def eof_received(self) -> bool:
        self._closed = True
        if self._reply is not None:
            self._reply.eof(sure=self.tls is None or self.tls.ended)
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._error = self._error or exc
        self._stop_timer()
        if exc is not None and self._reply is not None:
            self._reply.eof(sure=False)
        self._gone(self)
        if not self._lent:
            self._close_twin()
        self._wake()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake()

    # ------------------------------------------------------------------------------ inside

    def _receive(self, data: bytes | memoryview) -> None:
        if self.tls is not None:
            if not self.tls.ready:
                self._shake(data)
                if not self.tls.ready:
                    return
                data = b""  # what came behind the handshake is there already
            data = self.tls.decrypt(data)
            if said := self.tls.pending():  # an answer of its own: keys or certificates again
                self._transport.write(said)
        if self._reply is not None:
            self._reply.feed(data)
        elif data:  # nobody asked
            self.abort()
        if self.tls is not None and self.tls.over:
            self.eof_received()
            self._transport.close()

    def _listen(self) -> None:
        if self._deaf:
            self._transport.resume_reading()
            self._deaf = False

    def _check_open(self) -> None:
        if self._closed:
            raise self._error or ConnectionResetError(
                errno.ECONNRESET, "the connection was closed instead of secured"
            )

    def _shake(self, data: memoryview | bytes) -> None:
        assert self.tls is not None
        try:
            self.tls.handshake(data)
        finally:  # where it failed the other side is told why
            self._transport.write(self.tls.pending())

    def _close_twin(self) -> None:
        if self._twin is not None:
            self._twin.close()

    def _write(self, data: bytes) -> None:
        self._transport.write(self.tls.encrypt(data) if self.tls is not None else data)

    async def _stream(self, head: bytes, body: AsyncIterable[bytes], seconds: float) -> None:
        """Send a body as it comes, until it is refused."""
        assert self._reply is not None
        self._write(head)
        async for chunk in body:
            if self._poll.poll(0):  # perhaps a refusal: twice, for the loop reads after we resume
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            if self._reply.refused or self._closed:
                self._full = True  # nothing more is taken
                return
            self._write(chunk)
            if self._full:
                await self._until_taken(seconds)

    async def _until_taken(self, seconds: float) -> None:
        """Wait as long as something leaves; after a success that came early all the same."""
        assert self._reply is not None
        while self._full and not self._reply.refused:
            if self._closed and self._reply.done:
                return
            left = self._transport.get_write_buffer_size()
            try:
                await self._wait(seconds, httpcore.WriteTimeout)
            except httpcore.WriteTimeout:
                if self._transport.get_write_buffer_size() >= left:
                    raise

    async def _until_done(self, reply: Reply, seconds: float) -> None:
        """Wait for the rest of a reply; one that only drips is none."""
        last = self._loop.time() + SLOWEST * seconds
        while not reply.done:
            left = min(seconds, last - self._loop.time())
            await self._wait(left, httpcore.ReadTimeout)

    def _wait(self, seconds: float, late: type[Exception]) -> asyncio.Future[None]:
        """Wait for the next event; the time is counted from the last one.

        A timer for each request would cost more than writing it: one that was set for an earlier
        wait serves this one too, unless it would ring too late.
        """
        if self._closed:
            raise self._failure()
        self._due, self._late = self._loop.time() + seconds, late
        if self._timer is None or self._timer.when() > self._due:
            self._set_timer()
        return self._changed()

    def _set_timer(self) -> None:
        self._stop_timer()
        self._timer = self._loop.call_at(self._due, self._ring)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._due - self._loop.time() > _EARLY:  # of an earlier wait
            self._set_timer()
        else:
            self._waiter.set_exception(self._late("timed out"))

    def _changed(self) -> asyncio.Future[None]:
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _failure(self) -> Exception:
        match self._error:
            case ProtocolError() as error:
                return error
            case Malformed() | ssl.SSLError() as error:
                return httpcore.RemoteProtocolError(str(error))
            case Exception() as error:
                return httpcore.ReadError(str(error))
            case None:
                return cut(self._reply)


def cut(reply: Reply | None) -> Exception:
    """Make the error for a connection that ended before the reply did."""
    if reply is not None and reply.started:
        return httpcore.RemoteProtocolError("the connection was closed within the answer")
    return httpcore.RemoteProtocolError("Server disconnected without sending a response.")
