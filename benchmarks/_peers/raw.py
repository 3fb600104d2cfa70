"""The limit: plain sockets and ``sendfile``; with TLS an ``SSLSocket`` and one buffer a thread."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from benchmarks._job import Clock, Job, parts_of

__all__ = ["sendfile"]

_CHUNK = 256 << 10


def sendfile(job: Job, clock: Clock) -> None:
    """PUT every part, one connection for each thread."""
    url = urlsplit(job.url)
    context = ssl.create_default_context(cafile=job.ca) if job.ca else None
    file = os.open(job.file, os.O_RDONLY)
    own, opened = threading.local(), []

    def connection() -> socket.socket:
        if not hasattr(own, "socket"):
            made = socket.create_connection((url.hostname, url.port))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                made = context.wrap_socket(made, server_hostname=url.hostname)
            own.socket = made
            opened.append(made)
            own.buffer = memoryview(bytearray(_CHUNK))
        found: socket.socket = own.socket
        return found

    def put(part: tuple[int, int, int]) -> None:
        number, offset, size = part
        to = connection()
        head = f"PUT /put/0/{number} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        to.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode())
        end = offset + size
        while offset < end:
            if context is None:
                offset += os.sendfile(to.fileno(), file, offset, end - offset)
            else:
                count = os.preadv(file, [own.buffer[: min(_CHUNK, end - offset)]], offset)
                to.sendall(own.buffer[:count])
                offset += count
        if not to.recv(65536).startswith(b"HTTP/1.1 200"):
            raise RuntimeError("the sink did not take a part")

    with ThreadPoolExecutor(job.at_once) as pool, clock:
        list(pool.map(put, parts_of(job)))
    for made in opened:
        made.close()
