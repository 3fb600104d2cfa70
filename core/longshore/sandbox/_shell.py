"""The thin Starlette shell: puts pure vendors on a port and really drops connections.

Bodies above 1 MiB go to temporary files while they come, so memory does not grow with them.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from email.utils import formatdate
from types import TracebackType
from typing import Any, Self, cast

try:
    import uvicorn
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Mount, Route, Router
    from starlette.types import ASGIApp, Receive, Scope, Send
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as error:
    raise ImportError(
        f"sandboxes on a port need the extra: pip install 'longshore[sandbox]' ({error})"
    ) from error

from ._blob import Blob, Spool
from ._calls import Call, Headers, Reply
from ._faults import Dropped, Fault, Faults
from ._recorder import Recorder
from ._vendor import Vendor

IN_MEMORY = 1 << 20
Clock = Callable[[], float]
_Peer = tuple[str, int]
_Abort = Callable[[Scope], None]


class _Body:
    """Collects a body: in memory up to 1 MiB, then in a file."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._memory = bytearray()
        self._path = None
        self.size = 0

    async def collect(self, stream: AsyncIterator[bytes]) -> Blob:
        file = None
        try:
            async for chunk in stream:
                self.size += len(chunk)
                if file is None and self.size > IN_MEMORY:
                    path = self._spool.new_path()
                    file = path.open("wb")
                    file.write(self._memory)
                    self._memory.clear()
                if file is None:
                    self._memory += chunk
                else:
                    file.write(chunk)
        finally:
            if file is not None:
                file.close()
        return Blob(bytes(self._memory)) if file is None else Blob.spooled(path)
