"""A run that is interrupted while its store is down."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import closing, suppress
from typing import Any

import pytest

pytest.importorskip("fsspec")

from fsspec.implementations.memory import MemoryFileSystem

from longshore.journal import MemoryJournal
from longshore.lifecycle import Outcome
from longshore.pipeline import Environment, RunOptions, begin, execute, find_documents
from tests.pipeline.support import AcmeSettings, OneRequest, World, hasty
from tests.sources.test_remote import _Plugins


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be a vendor that reads whole requests, and says that its job is done."""
    with closing(writer), suppress(asyncio.IncompleteReadError):  # the run is stopped meanwhile
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        await reader.readexactly(size)
        body = b'{"id": "j1", "state": "done"}'
        length = b"Content-Length: %d" % len(body)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n%b\r\n\r\n%b" % (length, body))


@pytest.mark.parametrize("path", ["memory://plans/a.pdf", "memory://plans/sub/b.pdf"])
async def test_a_stop_does_not_wait_for_a_store(
    store: Any, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A request that is not whole has done nothing: it is sent again, and nobody need ask."""
    whole, waits = MemoryFileSystem.cat_file, threading.Event()
    down = [True]

    def read(fs: Any, path: str, start: int, end: int) -> Any:
        if down and start + 1 >= (2 << 20 if path.endswith("a.pdf") else 0):
            waits.set()
            raise ConnectionRefusedError
        return whole(fs, path, start, end)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", read)
    monkeypatch.setattr("longshore.pipeline._run.load_plugins", _Plugins)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        settings = AcmeSettings(poll_interval=0.01, base_url=f"http://{host}:{port}")
        world = World(OneRequest(settings), clock=hasty().clock)
        journal, stop = MemoryJournal(), asyncio.Event()
        environment, target = Environment(), world.target()
        options = RunOptions(checksum=False)
        run = await begin(journal, target, find_documents([path]), options, environment)
        running = asyncio.create_task(execute(journal, target, run, environment, stop=stop))
        await asyncio.to_thread(waits.wait)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        stop.set()
        report = await running
        assert (report.interrupted, report.outcomes) == (True, {Outcome.RUNNING: 1})
        assert time.monotonic() - began < 5.0
        down.clear()
        report = await execute(journal, target, await journal.run(run.id), environment)
        assert report.outcomes == {Outcome.SUCCEEDED: 1}
