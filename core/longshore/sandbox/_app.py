"""One vendor as an ASGI application on Starlette: from HTTP to a `Call`, from a `Reply` to HTTP.

Bodies above 1 MiB go to temporary files while they come, so memory does not grow with them.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from longshore.provider import Headers
from longshore.sandbox._blob import Blob, Spool
from longshore.sandbox._calls import Call, Reply
from longshore.sandbox._faults import Dropped, Faults
from longshore.sandbox._recorder import Recorder
from longshore.sandbox._vendor import Vendor

IN_MEMORY = 1 << 20
Clock = Callable[[], float]
Transports = dict[object, asyncio.Transport]


class _Body:
    """A request body while it comes: in memory up to 1 MiB, then in a file."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.size = 0

    async def collect(self, stream: AsyncIterator[bytes]) -> Blob:
        memory = bytearray()
        async for chunk in stream:
            memory += chunk
            self.size += len(chunk)
            if self.size > IN_MEMORY:
                return await self._to_file(bytes(memory), stream)
        return Blob(bytes(memory))

    async def _to_file(self, begin: bytes, stream: AsyncIterator[bytes]) -> Blob:
        path = self.spool.new_path()
        try:
            with path.open("wb") as file:
                file.write(begin)
                async for chunk in stream:
                    self.size += len(chunk)
                    file.write(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Blob.spooled(path)


class VendorApp:
    """One vendor as an ASGI application. Calls to it are answered one after the other.

    Attributes:
        transports: connections by the client's address, so that one can be dropped for real.
    """

    def __init__(
        self, recorder: Recorder, clock: Clock, spool: Spool, transports: Transports
    ) -> None:
        self.recorder = recorder
        self.clock = clock
        self.spool = spool
        self.transports = transports
        self.lock = asyncio.Lock()
        self.large = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            reply = await self._reply(request)
        except ClientDisconnect:
            return
        except Dropped as dropped:
            await asyncio.sleep(dropped.delay)
            await self._drop(dropped, scope, receive, send)
        else:
            await asyncio.sleep(reply.delay)
            await self._response(reply)(scope, receive, send)

    async def _reply(self, request: Request) -> Reply:
        """Plan the fault by the head of the call, then take the body, then answer."""
        call = Call(request.method, _url(request), Headers(request.headers.items()))
        fault = self.recorder.plan(call)
        drop = fault.drop if fault else None
        body = _Body(self.spool)
        try:
            if drop == "during":
                await anext(request.stream(), b"")
            elif drop != "before":
                call = replace(call, body=await body.collect(request.stream()))
        except ClientDisconnect:
            self.recorder.incomplete(call, body.size)
            raise
        async with self.lock:
            self.large = self.large or call.body.size > IN_MEMORY
            if not self.large:
                return self.recorder.answer(call, self.clock(), fault)
            # Hashing large bodies, now or in a later call, must not stop the other connections.
            return await asyncio.to_thread(self.recorder.answer, call, self.clock(), fault)

    def _response(self, reply: Reply) -> Response:
        headers = {"date": formatdate(self.clock(), usegmt=True), **reply.headers}
        return Response(reply.body, status_code=reply.status, headers=headers)

    async def _drop(self, dropped: Dropped, scope: Scope, receive: Receive, send: Send) -> None:
        transport = self.transports.get(tuple(scope["client"] or ()))
        if transport is None:
            raise dropped
        if dropped.partial is not None:
            await self._send_part(dropped.partial, send)
            transport.close()
        else:
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _send_part(self, partial: Reply, send: Send) -> None:
        response = self._response(partial)
        start = {"type": "http.response.start", "status": response.status_code}
        await send({**start, "headers": response.raw_headers})
        await send({"type": "http.response.body", "body": partial.body, "more_body": True})

    async def state(self) -> dict[str, Any]:
        """Return the inspection view between two calls."""
        async with self.lock:
            return await asyncio.to_thread(self.recorder.state, self.clock())


def _url(request: Request) -> str:
    """Return the URL as the client wrote it: signatures are over the raw path and query."""
    scope = request.scope
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    host = request.headers.get("host", "localhost")
    return f"{scope['scheme']}://{host}{path}" + (f"?{query}" if query else "")


def asgi_app(
    vendor: Vendor | Recorder,
    *,
    faults: Faults | None = None,
    clock: Clock = time.time,
) -> ASGIApp:
    """Return one vendor as an ASGI application that answers at `vendor.base_url`.

    For transports that call ASGI applications in process, e.g. under the vendor's real host
    name. There is no connection to drop there: `Dropped` is raised instead.

    Args:
        vendor: the vendor, or a recorder around it (which then holds the faults).
        faults: the fault plan.
        clock: gives Unix seconds.
    """
    recorder = vendor if isinstance(vendor, Recorder) else Recorder(vendor, faults)
    return VendorApp(recorder, clock, Spool(), {})
