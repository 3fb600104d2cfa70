"""Serving the application with uvicorn. No access log: the addresses hold the tokens."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

__all__ = ["run"]

_AT_ONCE = 200
"""Connections; more are answered with 503."""


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()


def run(app: Starlette, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; see ``longshore.webhooks.serve``."""
    config = uvicorn.Config(
        app,
        log_config=None,  # its warnings go where Longshore's go
        loop="asyncio",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        limit_concurrency=_AT_ONCE,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
    )
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        bound, number = listener.getsockname()[:2]
        url = f"http://[{bound}]:{number}" if ":" in bound else f"http://{bound}:{number}"
        with _ended_by_signals():
            _Server(config, lambda: ready(url)).run(sockets=[listener])


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
