"""The ASGI application: takes a delivery, bounded in size and time, and answers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.webhooks._receiver import Receiver

__all__ = ["make"]

_PATIENCE = 10.0
"""Seconds in which a body must have come."""

_NOTHING_STORED = {"Cache-Control": "no-store"}


def make(receiver: Receiver, most: int) -> Starlette:
    """Make the application around a receiver; see ``longshore.webhooks.app``."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await receiver.open()
        try:
            yield
        finally:
            await receiver.aclose()

    async def deliver(request: Request) -> Response:
        if request.method == "POST":
            try:
                async with asyncio.timeout(_PATIENCE):
                    body = await _bounded(request, most)
            except (TimeoutError, ClientDisconnect):
                return Response(status_code=408, headers=_NOTHING_STORED)
            if body is None:
                return Response(status_code=413, headers=_NOTHING_STORED)
            # The last part of the path, so that it may be mounted anywhere.
            token = request.path_params["rest"].rstrip("/").rpartition("/")[2]
            receiver.take(token, request.headers.items(), body)
        return Response(status_code=204, headers=_NOTHING_STORED)

    every_path = Route("/{rest:path}", deliver, methods=["GET", "POST"])
    return Starlette(routes=[every_path], lifespan=lifespan)


async def _bounded(request: Request, most: int) -> bytes | None:
    """Read the body; None when it is too large, as soon as that is known."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > most:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)
