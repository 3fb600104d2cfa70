"""Answers that come while the body is still on its way.

A server that refuses an upload (an expired URL, a file too large) often answers at once and closes
the connection. With httpcore's own streams the answer then lies unread behind the broken
connection, and a plain refusal looks like a network fault. These streams read while they write.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import httpcore

from longshore.transfer._fast_reply import SLOWEST

__all__ = ["read_while_writing"]

T = TypeVar("T")

_READ = 1 << 16
_SMALL = 1 << 16  # what fits into the kernel's buffer leaves without waiting
_SOCKS = (b"\x05", b"\x01")  # how its answers begin; the second one, that about a password


def read_while_writing(backend: httpcore.AsyncNetworkBackend) -> httpcore.AsyncNetworkBackend:
    """Let the connections that a backend makes notice early answers."""
    return _Backend(backend)


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, timeout)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """Reads in the background from the first large write until the next read."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, connecting: float | None = None) -> None:
        self._inner = inner
        self._connecting = connecting  # seconds
        self._early: asyncio.Task[bytes] | None = None
        self._end: float | None = None  # of the time for an answer, once it is waited for

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._end = None
        if self._early is None and len(buffer) <= _SMALL:
            await self._inner.write(buffer, timeout)
            return
        if self._early is None:
            self._early = _begun(self._inner.read(_READ))
        # What has come is read before the write that may break the connection, and with it go.
        while self._inner.get_extra_info("is_readable") and not self._early.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        self._stop_if_refused()
        writing = _begun(self._inner.write(buffer, timeout))
        try:
            await asyncio.wait({writing, self._early}, return_when=asyncio.FIRST_COMPLETED)
            self._stop_if_refused()
            await writing
        finally:
            writing.cancel()

    def _stop_if_refused(self) -> None:
        """Stop sending (RFC 9110, section 7.5); on a WriteError httpcore reads the answer."""
        early = self._early
        if early is None or not early.done() or early.cancelled() or early.exception():
            return
        head = early.result()[:10]
        if head.startswith(b"HTTP/1.") and head[9:10] in (b"3", b"4", b"5"):
            raise httpcore.WriteError("the answer came before the end of the request")

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if timeout is None and self._early is None:
            return await self._read_of_socks(max_bytes)
        timeout = self._left(timeout)
        if self._early is None:
            return await self._inner.read(max_bytes, timeout)
        try:
            async with asyncio.timeout(timeout):
                data = await asyncio.shield(self._early)
        except TimeoutError as error:
            raise httpcore.ReadTimeout("no answer in time") from error
        except asyncio.CancelledError:
            if self._early.cancelled() and not _is_cancelled():  # the connection was closed
                raise httpcore.ReadError("closed") from None
            raise
        self._early = None
        return data

    async def _read_of_socks(self, max_bytes: int) -> bytes:
        """Read what a SOCKS proxy says before there is a connection: httpcore would wait for ever.

        Raises:
            httpcore.ConnectTimeout: it says nothing.
            httpcore.ConnectError: it closed the connection, or is none; httpcore looks at neither.
        """
        try:
            data = await self._inner.read(max_bytes, self._connecting)
        except httpcore.ReadTimeout as error:
            raise httpcore.ConnectTimeout("the proxy does not answer") from error
        if not data.startswith(_SOCKS):
            raise httpcore.ConnectError("the proxy does not answer as SOCKS 5 does")
        return data

    def _left(self, timeout: float | None) -> float | None:
        """Bound an answer in all: a head that drips, or interim ones, would go on for ever.

        Raises:
            httpcore.ReadTimeout: its time is up.
        """
        if timeout is None:
            return None
        now = asyncio.get_running_loop().time()
        if self._end is None:
            self._end = now + SLOWEST * timeout
        if now >= self._end:
            raise httpcore.ReadTimeout("no answer in time")
        return min(timeout, self._end - now)

    async def aclose(self) -> None:
        if self._early is not None:
            self._early.cancel()
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _begun(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin something that may fail without anybody asking."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def _is_cancelled() -> bool:
    """Tell whether who waits here is, and not only what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
