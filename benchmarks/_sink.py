"""The sink: an HTTP server that answers at once and throws the bytes of bodies away.

One thread, one epoll loop, plain HTTP and TLS. Bodies are counted and dropped inside the kernel
(``MSG_TRUNC``), so that the clients are what is measured; with TLS they have to be decrypted, and
the sink may well be the limit: compare CPU per GiB there. What it answers stands in ``_vendors``.
"""

from __future__ import annotations

import heapq
import json
import select
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from time import monotonic

from benchmarks._vendors import Answer, Vendors

__all__ = ["Sink"]

_READ = 256 << 10
_RECORD = 16 << 10
_VOID = memoryview(bytearray(4 << 20))
_CIPHERED = memoryview(bytearray(_READ))
_TCP_CONGESTION = getattr(socket, "TCP_CONGESTION", 13)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection:
    """One keep-alive connection: reads heads, drops bodies, writes answers."""

    def __init__(self, sink: Sink, taken: socket.socket) -> None:
        self.sink = sink
        self.socket = taken
        self.buffer = bytearray()
        self.head: bytes | None = None
        self.missing = 0  # bytes of the body that have not come yet
        self.wanted = False  # the answer depends on the body

    def readable(self) -> bool:
        """Take what came; False when the connection has ended."""
        try:
            if self.missing and not self.wanted:
                count = self.drop(self.missing)
                self.missing -= count
                self.sink.bytes += count
            else:
                data = self.read()
                self.buffer += data
                count = len(data)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        if not count:
            return False
        while self.step():
            pass
        return True

    def step(self) -> bool:
        """Go on with the request as far as the bytes reach; True when there may be another."""
        if self.head is None and not self.begin():
            return False
        body = b""
        if self.wanted:
            if len(self.buffer) < self.missing:
                return False
            body = bytes(self.buffer[: self.missing])
        taken = min(len(self.buffer), self.missing)
        del self.buffer[:taken]
        self.missing -= taken
        self.sink.bytes += taken
        if self.missing:
            return False
        assert self.head is not None
        head, self.head, self.wanted = self.head, None, False
        self.sink.answer(self, head, body)
        return bool(self.buffer)

    def begin(self) -> bool:
        """Read the head, if it is there."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        self.head = bytes(self.buffer[:end])
        del self.buffer[: end + 4]
        lower = self.head.lower()
        at = lower.find(b"\r\ncontent-length:")
        if at >= 0:
            stop = lower.find(b"\r\n", at + 2)
            self.missing = int(lower[at + 17 : stop if stop > 0 else None])
        elif b"\r\ntransfer-encoding:" in lower:
            raise ValueError("the sink takes no chunked bodies: they cannot be dropped unread")
        self.wanted = b"application/json" in lower
        if b"100-continue" in lower:
            self.write(_CONTINUE)
        return True

    def read(self) -> bytes:
        return self.socket.recv(_READ)

    def drop(self, most: int) -> int:
        return self.socket.recv_into(_VOID, min(most, len(_VOID)), socket.MSG_TRUNC)

    def write(self, data: bytes) -> None:
        """Send; answers are small, so that waiting for room is the exception."""
        sent = self.socket.send(data)
        if sent < len(data):
            self.socket.setblocking(True)
            self.socket.sendall(data[sent:])
            self.socket.setblocking(False)


class SecureConnection(Connection):
    """The same with TLS, in batches of many records."""

    def __init__(self, sink: Sink, taken: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(sink, taken)
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.coming, self.going, server_side=True)
        self.open = False

    def readable(self) -> bool:
        """Decrypt all that came."""
        try:
            count = self.socket.recv_into(_CIPHERED)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not count:
            return False
        self.coming.write(_CIPHERED[:count])
        try:
            if not self.open:
                self._shake_hands()
            while self.open and super().readable() and self.coming.pending + self.tls.pending():
                pass
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            return False
        return True

    def _shake_hands(self) -> None:
        try:
            self.tls.do_handshake()
            self.open = True
        finally:
            self._flush()

    def read(self) -> bytes:
        return self.tls.read(_READ)

    def drop(self, most: int) -> int:
        """Decrypt one record after the other, which is all that TLS gives at a time."""
        left = most
        read: Callable[[int, memoryview], int] = self.tls.read  # type: ignore[assignment]
        try:
            while left:
                left -= read(min(left, _RECORD), _VOID)
        except ssl.SSLWantReadError:
            if left == most:
                raise
        return most - left

    def write(self, data: bytes) -> None:
        self.tls.write(data)
        self._flush()

    def _flush(self) -> None:
        if self.going.pending:
            super().write(self.going.read())


class Sink:
    """Serves until its standard input is closed.

    Args:
        certificate: a PEM file with certificate and key, for the second port; None: plain only.
    """

    def __init__(self, certificate: str | None = None) -> None:
        self.bytes = self.requests = 0
        self._asked_at = monotonic()
        self._poll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._late: list[tuple[float, int, Connection, bytes]] = []
        self._numbers = count()
        self._context: ssl.SSLContext | None = None
        self._plain = self._listen()
        self._secure: socket.socket | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
            self._secure = self._listen()
        self.vendors = Vendors()

    def ports(self) -> list[int]:
        """Return the port of plain HTTP, and that of TLS if there is one."""
        return [s.getsockname()[1] for s in (self._plain, self._secure) if s is not None]

    def _listen(self) -> socket.socket:
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited
        with suppress(OSError):  # else as the host has it
            listening.setsockopt(socket.IPPROTO_TCP, _TCP_CONGESTION, b"reno")
        self._poll.register(listening, select.EPOLLIN)
        return listening

    def serve(self) -> None:
        """Answer until standard input ends."""
        doors = {self._plain.fileno(): self._plain}
        if self._secure is not None:
            doors[self._secure.fileno()] = self._secure
        parent = sys.stdin.fileno()
        self._poll.register(parent, select.EPOLLIN)
        while True:
            for number, _ in self._poll.poll(self._timeout()):
                if number == parent:
                    return
                if number in doors:
                    self._accept(doors[number])
                elif not self._connections[number].readable():
                    self._connections.pop(number).socket.close()
            self._send_late()

    def _accept(self, door: socket.socket) -> None:
        taken, _ = door.accept()
        taken.setblocking(False)
        secure = door is self._secure and self._context is not None
        connection = (
            SecureConnection(self, taken, self._context)
            if secure and self._context
            else Connection(self, taken)
        )
        self._connections[taken.fileno()] = connection
        self._poll.register(taken, select.EPOLLIN)

    def answer(self, connection: Connection, head: bytes, body: bytes) -> None:
        """Answer one request, now or after the vendor's delay."""
        self.requests += 1
        answer = self._own(head) or self.vendors.answer(
            head, body, secure=isinstance(connection, SecureConnection)
        )
        if answer.delay:
            due = monotonic() + answer.delay
            heapq.heappush(self._late, (due, next(self._numbers), connection, answer.data))
        else:
            connection.write(answer.data)

    def _own(self, head: bytes) -> Answer | None:
        """Answer `GET /_sink` with what came since it was last asked."""
        if not head.startswith(b"GET /_sink "):
            return None
        now = monotonic()
        told = {
            "bytes": self.bytes,
            "requests": self.requests - 1,
            "seconds": now - self._asked_at,
            **self.vendors.polls(),
        }
        self.bytes = self.requests = 0
        self._asked_at = now
        return Answer.json(told)

    def _timeout(self) -> float | None:
        """Say how long to wait; epoll rounds up to milliseconds, so the last one is not slept."""
        return max(self._late[0][0] - monotonic() - 0.001, 0.0) if self._late else None

    def _send_late(self) -> None:
        for connection, data in self._due():
            try:
                connection.write(data)
            except OSError:
                continue  # it has gone meanwhile

    def _due(self) -> Iterator[tuple[Connection, bytes]]:
        now = monotonic()
        while self._late and self._late[0][0] <= now:
            _, _, connection, data = heapq.heappop(self._late)
            yield connection, data


if __name__ == "__main__":
    sink = Sink(*sys.argv[1:2])
    print(json.dumps(sink.ports()), flush=True)
    sink.serve()
