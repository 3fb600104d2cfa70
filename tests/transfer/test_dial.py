"""Connecting to a host that has several addresses, on any event loop."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from longshore.transfer import NotSent, _dial
from longshore.transfer._http import HttpTransport
from tests.transfer.wire import answer_all, outgoing, serving

Run = Callable[[Any], Any]

LOOPS: dict[str, Run] = {"asyncio": asyncio.run}
if sys.platform != "win32":
    import uvloop

    LOOPS["uvloop"] = uvloop.run
if sys.version_info >= (3, 12):

    def with_eager_tasks(work: Any) -> Any:
        """Run a work where tasks begin when they are made."""
        with asyncio.Runner() as runner:
            runner.get_loop().set_task_factory(asyncio.eager_task_factory)
            return runner.run(work)

    LOOPS["eager tasks"] = with_eager_tasks


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a work on an event loop."""
    return LOOPS[request.param]


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """Make an address that answers no attempt to connect: nobody takes those that wait there."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """Let every name have these addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.mark.skipif(sys.platform != "linux", reason="another 127.0.0.2, another backlog")
def test_an_address_that_does_not_answer_holds_nobody_up(
    run: Run, silent: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a network has IPv6 in name only: the next address is tried beside it."""

    async def work() -> int:
        async with serving(answer_all) as server:
            port = httpx.URL(server.url).port or 0
            resolve(monkeypatch, silent, ("127.0.0.1", port))
            transport = HttpTransport(connect_timeout=20.0)
            try:
                async with asyncio.timeout(10.0):
                    answer = await transport.send(outgoing(f"http://two.example:{port}/"))
            finally:
                await transport.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return answer.status

    assert run(work()) == 200


def test_the_first_reason_is_told_where_no_address_answers(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two addresses refuse: one reason is enough, whatever the loop."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    resolve(monkeypatch, ("127.0.0.1", port), ("127.0.0.2", port))

    async def work() -> None:
        transport = HttpTransport()
        try:
            await transport.send(outgoing(f"http://two.example:{port}/"))
        finally:
            await transport.aclose()

    with pytest.raises(NotSent, match=r"^two\.example: connection refused$"):
        run(work())


def test_a_reason_that_all_addresses_share_is_told_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where there is no network: not what became of each address."""
    told = "Multiple exceptions: " + ", ".join(f"[Errno 101] Connect {n} failed" for n in "12")

    async def fail(*_: object, **__: object) -> None:
        raise OSError(101, told)

    monkeypatch.setattr(_dial, "start_connection", fail)

    async def work() -> None:
        transport = HttpTransport()
        try:
            await transport.send(outgoing("http://127.0.0.1:1/"))
        finally:
            await transport.aclose()

    with pytest.raises(NotSent, match=rf"^127\.0\.0\.1: {os.strerror(101)}$"):
        run(work())
