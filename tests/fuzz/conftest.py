"""A vendor that answers every request with the same bytes, whatever they are."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.cli.conftest import empty_shore

__all__ = ["empty_shore"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)


class HostileVendor(socketserver.ThreadingTCPServer):
    """Answers with ``reply`` and closes the connection.

    Attributes:
        reply: the bytes of the answer.
        heads: of the requests that came.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = b""
        self.heads: list[bytes] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that does not like the answer hangs up."""

    def answers(self, body: bytes, status: int = 200, headers: str = "") -> None:
        """Answer from now on with these."""
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        self.reply = f"{head}{headers}\r\n".encode("latin-1") + body


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        vendor = self.server
        assert isinstance(vendor, HostileVendor)
        head = b""
        while not head.endswith(b"\r\n\r\n") and (line := self.rfile.readline()):
            head += line
        if not head:
            return
        vendor.heads.append(head)
        found = _LENGTH.search(head)
        self.rfile.read(int(found[1]) if found else 0)
        with suppress(OSError):
            self.wfile.write(vendor.reply)


@pytest.fixture(scope="module")
def vendor() -> Iterator[HostileVendor]:
    """One for all examples of a module."""
    with HostileVendor() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
