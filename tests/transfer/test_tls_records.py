"""TLS record by record: what comes in one piece with something else, or instead of a reply."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from longshore.transfer import NotSent
from longshore.transfer._http import HttpTransport
from tests.transfer.local import Local
from tests.transfer.wire import MIB, OK, outgoing

pytestmark = pytest.mark.usefixtures("either_path")

BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BROKEN = b"\x17\x03\x03\x00\x20" + bytes(32)
ALERT = b"\x15\x03\x03\x00\x02\x02\x50"  # in the clear, where only ciphered ones may come


class Records:
    """The server's end of one connection; what it writes leaves when it says so."""

    def __init__(self, taken: socket.socket, context: ssl.SSLContext) -> None:
        self.socket = taken
        self._in, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._in, self.out, server_side=True)
        while not self._shaken():
            taken.sendall(self.out.read())
            self._in.write(taken.recv(MIB))

    def _shaken(self) -> bool:
        with suppress(ssl.SSLWantReadError):
            self.session.do_handshake()
            return True
        return False

    def read(self) -> bytes:
        """Read something."""
        while True:
            try:
                return self.session.read(MIB)
            except ssl.SSLWantReadError:
                self._in.write(self.socket.recv(MIB))

    def send(self, content: bytes, behind: bytes = b"") -> None:
        """Send all that waits, this content and these bytes in one piece."""
        self.session.write(content)
        self.socket.sendall(self.out.read() + behind)


@contextmanager
def by_hand(context: ssl.SSLContext, story: Callable[[Records], None]) -> Iterator[str]:
    """Serve one connection from a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as open_ones:
        listener.settimeout(10)

        def serve() -> None:
            with suppress(OSError):
                taken = open_ones.enter_context(listener.accept()[0])
                taken.settimeout(10)
                story(Records(taken, context))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            open_ones.close()
            thread.join()


@pytest.mark.parametrize("size", [100, MIB])
@pytest.mark.parametrize("behind", [BROKEN, ALERT], ids=["a broken record", "an alert"])
async def test_an_answer_counts_whatever_comes_behind_it(
    local: Local, tls: ssl.SSLContext, size: int, behind: bytes
) -> None:
    """Both came in one piece."""

    def story(peer: Records) -> None:
        taken = 0
        while taken < size:
            taken += len(peer.read())
        peer.send(OK, behind)
        peer.socket.recv(MIB)

    transport = HttpTransport(verify=False)
    with by_hand(tls, story) as url:
        assert (await transport.send(local.sending(url, 0, size))).body == b"ok"
        await transport.aclose()


@pytest.mark.parametrize("size", [100, MIB])
async def test_an_answer_in_one_piece_with_the_handshake_loses_nothing(
    local: Local, tls: ssl.SSLContext, either_path: str, size: int
) -> None:
    """A gateway that has no time says so at once: nothing was sent, or its 503 is read."""
    tls.maximum_version = ssl.TLSVersion.TLSv1_2  # there the server is the last to speak

    def story(peer: Records) -> None:
        peer.send(BUSY)
        peer.socket.shutdown(socket.SHUT_WR)
        while peer.socket.recv(MIB):
            pass

    transport = HttpTransport(verify=False)
    with by_hand(tls, story) as url:
        if either_path == "fast":
            with pytest.raises(NotSent, match="closed instead of secured"):
                await transport.send(local.sending(url, 0, size))
        else:
            assert (await transport.send(local.sending(url, 0, size))).status == 503
    await transport.aclose()


@pytest.mark.parametrize(
    ("version", "typed", "told"),
    [("-tls1_2", b"r\n", b"ClientHello"), ("-tls1_3", b"K\n", b"KeyUpdate")],
    ids=["renegotiation", "key update"],
)
async def test_keys_may_change_while_the_answer_is_waited_for(
    certificate: Path, version: str, typed: bytes, told: bytes
) -> None:
    """The server has new ones, or asks for them and gives no answer before it was answered."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = await asyncio.create_subprocess_exec(
        str(shutil.which("openssl")), "s_server", "-accept", str(port), "-cert", str(certificate),
        "-key", str(certificate), version, "-crlf", "-msg",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None
    transport = HttpTransport(verify=False)
    try:
        async with asyncio.timeout(20):
            await server.stdout.readuntil(b"ACCEPT")
            task = asyncio.create_task(
                transport.send(outgoing(f"https://127.0.0.1:{port}/", "GET"))
            )
            await server.stdout.readuntil(b"identity")
            server.stdin.write(typed)
            await server.stdout.readuntil(told)
            server.stdin.write(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok\n")
            assert (await task).body == b"ok"
    finally:
        server.kill()
        await server.wait()
        await transport.aclose()
