"""TLS by ``ssl.MemoryBIO``: many records leave in one write, and any thread may do it.

The same session works on the event loop and, while its connection is lent, in a worker thread.
"""

from __future__ import annotations

import ssl

__all__ = ["Tls"]

_RECORDS = 256 << 10
"""Bytes that are encrypted at once: 16 records, one write."""


class Tls:
    """The encryption of one connection, without its network.

    Attributes:
        ready: the handshake is over.
        over: nothing more comes.
        ended: so the other side said; else what came last is broken.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._session = context.wrap_bio(self._in, self._out, server_hostname=host)
        self.ready = False
        self.over = False
        self.ended = False

    def handshake(self, data: bytes | memoryview = b"") -> None:
        """Go on with the handshake; ``ready`` when it is over.

        Raises:
            ssl.SSLError: it failed.
        """
        self._in.write(data)
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.ready = True

    def pending(self) -> bytes:
        """Return what has to leave."""
        return self._out.read()

    def encrypt(self, data: bytes | memoryview) -> bytes:
        """Turn content into what has to leave."""
        view = memoryview(data)
        while view:
            view = view[self._session.write(view[:_RECORDS]) :]
        return self._out.read()

    def decrypt(self, data: bytes | memoryview) -> bytes:
        """Turn what came into content.

        Raises:
            ssl.SSLError: it is broken; where content came before it, only ``over`` tells.
        """
        self._in.write(data)
        parts: list[bytes] = []
        try:
            while part := self._session.read(1 << 16):
                parts.append(part)
            self.over = self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            if not parts:
                raise
            self.over = True
        return b"".join(parts)
