"""The shell: vendors on one port of a uvicorn server, each under `/{name}`."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, Self

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router
from uvicorn.protocols.http.h11_impl import H11Protocol

from longshore.sandbox._app import Clock, Transports, VendorApp
from longshore.sandbox._blob import Spool
from longshore.sandbox._faults import Faults
from longshore.sandbox._recorder import Recorder
from longshore.sandbox._vendor import Vendor

_HOST = "127.0.0.1"
"""Whoever reaches a sandbox is believed: nobody else's machine is to."""


class _House:
    """All vendors of one server: `/{name}` each, an index at `/`, all states together."""

    def __init__(self, recorders: Sequence[Recorder], clock: Clock, spool: Spool) -> None:
        self.transports: Transports = {}
        self.apps = {
            recorder.name: VendorApp(recorder, clock, spool, self.transports)
            for recorder in recorders
        }
        mounts = [Mount(f"/{name}", app=app) for name, app in self.apps.items()]
        self.router = Router(
            [Route("/", self._index), Route("/_sandbox/state", self._state), *mounts],
            redirect_slashes=False,
        )

    async def _index(self, _: Request) -> Response:
        urls = {name: app.recorder.vendor.base_url for name, app in self.apps.items()}
        return JSONResponse({"sandboxes": urls})

    async def _state(self, _: Request) -> Response:
        return JSONResponse({name: await app.state() for name, app in self.apps.items()})

    def protocol(self) -> type[H11Protocol]:
        """Return the HTTP protocol that lets a vendor's application find its connection."""
        transports = self.transports

        class Tracked(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                transports[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self.client, None)
                super().connection_lost(exc)

        return Tracked


class _Server(uvicorn.Server):
    """Tells when it listens and in which loop, and when it ends.

    uvicorn raises SIGTERM again after its end: what has to be done must be done before.
    """

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self.ended = ended
        self.ready = ready
        self.loop: asyncio.AbstractEventLoop | None = None
        self._asked = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.loop = asyncio.get_running_loop()
        self.ready()

    async def main_loop(self) -> None:
        """Serve until the end is asked for; uvicorn would look ten times a second."""
        await self.on_tick(0)
        await self._asked.wait()

    def stop(self) -> None:
        """Ask for the end, from any thread."""
        self.should_exit = True
        if self.loop is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self.loop.call_soon_threadsafe(self._asked.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.stop()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets=sockets)
        self.ended()


class RunningSandbox:
    """Vendors on one port; a context manager. Made by `serve`.

    Attributes:
        urls: vendor name -> base URL.
        recorders: vendor name -> recorder.
    """

    def __init__(
        self,
        vendors: Sequence[Vendor],
        *,
        port: int,
        faults: Faults | None,
        clock: Clock,
    ) -> None:
        names = [vendor.name for vendor in vendors]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"expected vendors of different names, got {names}")
        # Bound before the server runs: vendors know their base URL from the first call.
        self._socket = socket.create_server((_HOST, port))
        # asyncio does so only where a socket names its protocol, which these do not. Without it
        # the body of each answer waits for a delayed acknowledgement: 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for vendor in vendors:
            vendor.mount(f"http://{_HOST}:{self._socket.getsockname()[1]}/{vendor.name}")
        self._spool = Spool()
        self.recorders: Mapping[str, Recorder] = {
            vendor.name: Recorder(vendor, faults) for vendor in vendors
        }
        self.urls = {vendor.name: vendor.base_url for vendor in vendors}
        self._house = _House(list(self.recorders.values()), clock, self._spool)
        self._ready = threading.Event()
        self._server = _Server(_config(self._house), self._ready.set, self._spool.close)
        self._thread = threading.Thread(target=self._serve, name="sandbox", daemon=True)

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._ready.set()

    def start(self) -> Self:
        """Begin to serve in a background thread; returns once connections are taken.

        Raises:
            RuntimeError: the server did not start.
        """
        self._thread.start()
        self._ready.wait()
        if not self._server.started:
            self.close()
            raise RuntimeError("the sandbox did not start; see the log")
        return self

    def run(self, ready: Callable[[], None]) -> None:
        """Serve in this thread until SIGINT or SIGTERM; `ready` is called at the start."""
        self._server.ready = ready
        try:
            self._server.run(sockets=[self._socket])
        except KeyboardInterrupt:
            return
        finally:
            self._release()

    def state(self, name: str) -> dict[str, Any]:
        """Return the inspection view of one vendor, consistent between two calls."""
        app, loop = self._house.apps[name], self._server.loop
        if loop is None or not self._thread.is_alive():
            return app.recorder.state(app.clock())
        return asyncio.run_coroutine_threadsafe(app.state(), loop).result()

    def close(self) -> None:
        """Stop serving and remove the spooled bodies. Documents in blobs are gone after it."""
        self._server.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._release()

    def _release(self) -> None:
        self._socket.close()
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _config(house: _House) -> uvicorn.Config:
    return uvicorn.Config(
        house.router,
        http=house.protocol(),
        loop="asyncio",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
    )


def serve(
    vendors: Sequence[Vendor],
    *,
    port: int = 0,
    faults: Faults | None = None,
    clock: Clock = time.time,
) -> RunningSandbox:
    """Serve vendors on one port in a background thread, each under `/{name}`.

    Args:
        vendors: cores with different names; they are moved to their new base URLs.
        port: to bind; 0 is any free one.
        faults: one plan for all; its rules may name a vendor.
        clock: gives Unix seconds; also the `Date` header of replies.

    Raises:
        OSError: the port is taken.
        RuntimeError: the server did not start.
        ValueError: no vendor, or two of one name.
    """
    running = RunningSandbox(vendors, port=port, faults=faults, clock=clock)
    return running.start()


def run_forever(
    vendors: Sequence[Vendor],
    *,
    port: int = 0,
    faults: Faults | None = None,
    ready: Callable[[dict[str, str]], None],
) -> None:
    """Serve in this thread until SIGINT or SIGTERM.

    Args:
        vendors: as `serve` takes them.
        port: to bind; 0 is any free one.
        faults: one plan for all.
        ready: called with name -> base URL once connections are taken.

    Raises:
        OSError: the port is taken.
        ValueError: no vendor, or two of one name.
    """
    running = RunningSandbox(vendors, port=port, faults=faults, clock=time.time)
    running.run(lambda: ready(dict(running.urls)))
