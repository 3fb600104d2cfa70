"""Serving the application with uvicorn. No access log: the addresses hold the tokens."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["run"]

_AT_ONCE = 200
"""Connections; more are answered with 503."""

_LONGEST = 15.0
"""Seconds after which a connection is closed, as soon as it has no delivery to answer."""


class _Connection(H11Protocol):
    """Keeps no place for whoever is silent, or sends the head of a request in drips."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._end = self.loop.call_later(_LONGEST, self.shutdown)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """Opens what it needs, before uvicorn would make a traceback of it; tells when it listens."""

    def __init__(
        self, app: Starlette, opens: Callable[[], Awaitable[object]], ready: Callable[[], None]
    ) -> None:
        super().__init__(_config(app))
        self._opens = opens
        self._ready = ready

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._opens()
        await super().serve(sockets=sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if not self.started:
            return
        try:
            self._ready()
        except BaseException:  # such as that nobody reads what it prints
            await self.shutdown(sockets=sockets)
            raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets=sockets)
        if self.force_exit:  # by a second signal: uvicorn leaves the journal open, with a traceback
            await self.lifespan.shutdown()


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,  # its warnings go where Longshore's go
        loop="asyncio",
        http=_Connection,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        limit_concurrency=_AT_ONCE,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
    )


def run(
    app: Starlette,
    *,
    host: str,
    port: int,
    opens: Callable[[], Awaitable[object]],
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM; see ``longshore.webhooks.serve``."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        bound, number = listener.getsockname()[:2]
        url = f"http://[{bound}]:{number}" if ":" in bound else f"http://{bound}:{number}"
        with _ended_by_signals():
            _Server(app, opens, lambda: ready(url)).run(sockets=[listener])


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Come to an orderly end: uvicorn raises the signal that stopped it once more, when it is done.

    A supervisor stops with SIGTERM, which would end the process there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
