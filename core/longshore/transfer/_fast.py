"""The fast path: a small connection pool behind an otherwise unmodified httpx transport.

httpx's own pool looks at every connection at each request, and every byte of a file passes
through Python. This one does neither. What httpx hands it is decided by the identity of the body:
``Body`` is sent its own way, and whatever took its place (a recorder's copy) is iterated.

A machine that lacks what it needs turns it off; so does an httpx whose private parts have other
names. Proxied connections are httpcore's.
"""

from __future__ import annotations

import asyncio
import os
import select
import ssl
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from typing import TypeAlias, cast

import httpcore

from longshore.transfer._body import Body
from longshore.transfer._client import Client
from longshore.transfer._dial import dial
from longshore.transfer._fast_reply import Reply
from longshore.transfer._fast_request import counted, head_of
from longshore.transfer._fast_upload import Errand, Upload
from longshore.transfer._fast_wire import Wire

__all__ = ["FastPool", "Origin", "install"]

Origin: TypeAlias = tuple[bytes, bytes, int]
"""Scheme, host and port."""


def install(
    client: Client,
    *,
    context: ssl.SSLContext,
    keep_alive: float,
    max_reply: int,
    threads: Executor,
) -> FastPool | None:
    """Swap the pool of a client's own transport; None where that cannot be done."""
    if not (hasattr(os, "sendfile") and hasattr(select, "poll") and os.name == "posix"):
        return None
    context.set_alpn_protocols(["http/1.1"])
    return client.with_pool(lambda: FastPool(context, keep_alive, max_reply, threads))


class FastPool:
    """Keeps connections and carries requests over them; never queues, and never retries.

    Args:
        context: for ``https``.
        keep_alive: seconds that an idle connection is kept.
        max_reply: bytes of a reply at most.
        threads: carry large bodies; as many as requests may be in flight.
    """

    def __init__(
        self, context: ssl.SSLContext, keep_alive: float, max_reply: int, threads: Executor
    ) -> None:
        self._context = context
        self._keep_alive = keep_alive
        self._max_reply = max_reply
        self._threads = threads
        self._scratch = memoryview(bytearray(1 << 16))
        self._wires: set[Wire] = set()
        self._idle: dict[Origin, list[Wire]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Carry a request of httpx's transport; the reply is all there when this returns."""
        url, stream = request.url, cast("Body | AsyncIterator[bytes]", request.stream)
        origin = (url.scheme, url.host, url.port or (443 if url.scheme == b"https" else 80))
        times = request.extensions["timeout"]
        reply = await self.carry(
            origin, request.method, url.target, request.headers, stream, times=times
        )
        return httpcore.Response(
            reply.status,
            headers=reply.headers,
            content=bytes(reply.body),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": reply.reason},
        )

    async def carry(
        self,
        origin: Origin,
        method: bytes,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        content: Body | AsyncIterator[bytes],
        *,
        times: dict[str, float],
    ) -> Reply:
        """Carry one request; the reply is all there when this returns.

        Raises:
            httpcore exceptions, as httpx's transport expects them.
            LongshoreError: see ``Body.small``, ``Upload.run`` and ``Reply.feed``.
        """
        head = head_of(method, target, headers)
        self._check_open()
        body = content if type(content) is Body and not content.throttled else None
        small = await body.small(head) if body is not None else None
        reply = Reply(method, self._max_reply)
        wire = self._take(origin) or await self._connect(origin, times["connect"])
        try:
            if small is not None:
                await wire.exchange(small, None, reply, times)
            elif body is not None:
                await self._upload(wire, head, body, reply, times)
            else:
                await wire.exchange(head, counted(headers, content), reply, times)
        except BaseException:
            wire.abort()
            raise
        self._put(origin, wire, keep=reply.keep)
        if body is not None and small is not None and (sent := body.outgoing.body.of_files):
            body.outgoing.progress(sent)
        return reply

    async def aclose(self) -> None:
        """Close all connections; requests that are on their way fail, and new ones too."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for wire in tuple(self._wires):
            wire.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # the event loop closes the sockets

    async def _upload(
        self, wire: Wire, head: bytes, body: Body, reply: Reply, times: dict[str, float]
    ) -> None:
        loop = asyncio.get_running_loop()
        progress = body.outgoing.progress
        try:
            sock = wire.lend()
        except OSError as error:  # no more descriptors: nothing left
            raise httpcore.ConnectError(str(error)) from error
        upload = Upload(
            sock,
            wire.tls,
            body,
            reply,
            times=times,
            tell=lambda count: loop.call_soon_threadsafe(progress, count),
        )
        errand = Errand(loop)
        try:
            self._threads.submit(errand.run, upload.run, head)
        except RuntimeError as error:  # no more threads on this machine; it is queued all the same
            if errand.claim():
                wire.back()
                raise httpcore.ConnectError(str(error)) from error
        try:
            await errand.ended
        except asyncio.CancelledError:
            wire.abort()  # wakes the thread, which still uses socket and file
            body.give_up()
            if not errand.claim():  # else it still waits for a thread, and will not begin
                await errand.over()
            raise
        finally:
            wire.back()
            if upload.untold:
                progress(upload.untold)

    async def _connect(self, origin: Origin, seconds: float) -> Wire:
        scheme, host, port = origin[0], origin[1].decode("ascii"), origin[2]
        try:
            async with asyncio.timeout(seconds):
                wire = await dial(lambda: Wire(self._scratch, self._wires.discard), host, port)
                self._wires.add(wire)
                if scheme == b"https":
                    await wire.secure(self._context, host)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("timed out") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: no name that could be looked up
            raise httpcore.ConnectError(str(error)) from error
        if self._closed:
            wire.abort()
        self._check_open()
        return wire

    def _check_open(self) -> None:
        if self._closed:
            raise httpcore.ConnectError("the transport was closed")

    # -------------------------------------------------------------------- idle connections

    def _take(self, origin: Origin) -> Wire | None:
        idle = self._idle.get(origin, [])
        expired = asyncio.get_running_loop().time() - self._keep_alive
        while idle:
            wire = idle.pop()
            if wire.idle_since > expired and wire.alive():
                return wire
            wire.abort()
        return None

    def _put(self, origin: Origin, wire: Wire, *, keep: bool) -> None:
        if not keep or self._closed:
            wire.abort()
            return
        loop = asyncio.get_running_loop()
        wire.idle_since = loop.time()
        self._idle.setdefault(origin, []).append(wire)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._keep_alive, self._sweep)

    def _sweep(self) -> None:
        """Close what was idle for long, and come back while something is."""
        loop = asyncio.get_running_loop()
        expired = loop.time() - self._keep_alive
        for origin, idle in tuple(self._idle.items()):
            while idle and idle[0].idle_since <= expired:
                idle.pop(0).abort()
            if not idle:
                del self._idle[origin]
        self._sweeper = loop.call_later(self._keep_alive, self._sweep) if self._idle else None
