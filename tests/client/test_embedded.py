"""Clients inside other programs: closed beside their work, shared, forked, left to the end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from longshore import AsyncClient, Client
from longshore.errors import UsageError
from longshore.journal import open_journal
from longshore.lifecycle import Outcome
from longshore.pipeline import Event, JobAccepted
from tests.client.conftest import Ear, arguments
from tests.client.test_cancelled import Slow
from tests.pipeline.support import Acme, Vendor


async def test_a_client_that_is_closed_lets_requests_end(tmp_path: Path, files: Any) -> None:
    """A service ends while a request of its works: the answer is kept, and the run goes on later.

    To close the journal under it would lose the answer: nobody can ask this vendor.
    """
    vendor = Slow()
    given = arguments(tmp_path, vendor, listener=Ear(vendor.comes.set))
    async with AsyncClient("one", **given) as client:
        upload = asyncio.create_task(client.upload(files(4)))
        await vendor.has_one.wait()
    report = await upload
    assert (report.interrupted, report.trouble) == (True, None)
    async with AsyncClient("one", **arguments(tmp_path, vendor)) as client:
        report = await client.resume(report.run.id)
    assert (report.outcomes, vendor.count("POST")) == ({Outcome.SUCCEEDED: 1}, 1)


async def test_a_client_that_is_closed_does_not_wait_for_a_silent_vendor(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the run asks before its batches may end, too, but has no longer than they have."""
    monkeypatch.setattr("longshore.pipeline._advance.GRACE", 0.01)
    monkeypatch.setattr(Acme, "prepares", True)
    vendor = Vendor(delay=3600.0)
    async with asyncio.timeout(20.0):
        async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
            upload = asyncio.create_task(client.upload(files(4)))
            await vendor.busy.wait()
        report = await upload
    assert (report.interrupted, vendor.log) == (True, ["GET /project"])


async def test_a_step_of_a_client_that_is_closed_says_so(tmp_path: Path, files: Any) -> None:
    """It came only half way: no handle that pretends more."""
    vendor = Slow()
    given = arguments(tmp_path, vendor, listener=Ear(vendor.comes.set))
    async with AsyncClient("one", **given) as client:
        sending = asyncio.create_task(client.send(await client.start(files(4))))
        await vendor.has_one.wait()
    with pytest.raises(UsageError, match="not open"):
        await sending


async def test_a_client_that_is_closed_while_it_plans_leaves_nothing_behind(
    tmp_path: Path, files: Any
) -> None:
    """Nothing was sent: whoever waits for it is told, and the journal knows no half planned run."""
    given = arguments(tmp_path, Vendor())
    plans = asyncio.Event()

    def id_of_a_run() -> str:
        plans.set()
        return "a-run"

    given["environment"] = replace(given["environment"], new_run_id=id_of_a_run)
    for begin in (AsyncClient.upload, AsyncClient.start):
        plans.clear()
        async with AsyncClient("acme", **given) as client:
            planning = asyncio.create_task(begin(client, files(4)))
            await plans.wait()
        with pytest.raises(UsageError, match="not open any more"):
            await planning
        async with AsyncClient("acme", **given) as client:
            assert await client._journal.runs() == ()


async def test_a_poll_of_a_client_that_is_closed_ends(tmp_path: Path, files: Any) -> None:
    """It waits for its moment, or for the vendor: closing does not."""
    vendor = Vendor()
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        upload = await client.complete(await client.send(await client.start(files(4))))
        vendor.delay = 3600.0
        vendor.busy.clear()
        polling = asyncio.create_task(client.poll(upload))
        await vendor.busy.wait()
    with pytest.raises(UsageError, match="not open any more"):
        await polling


def slow_store(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> tuple[threading.Event, threading.Event]:
    """Have a store with one document that tells of it when the second event is set."""
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
    memory().pipe(path, b"%PDF")
    asked, comes, known = threading.Event(), threading.Event(), memory.info

    def info(fs: Any, path: str) -> Any:
        asked.set()
        assert comes.wait(5.0), "the loop stood still"
        return known(fs, path)

    monkeypatch.setattr(memory, "info", info)
    return asked, comes


async def test_a_store_is_asked_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While documents are looked up in it, everything else of the program goes on."""
    asked, comes = slow_store(monkeypatch, "/beside/a.pdf")
    async with AsyncClient("acme", **arguments(tmp_path, Vendor())) as client:
        starting = asyncio.create_task(client.start("memory://beside/a.pdf"))
        await asyncio.to_thread(asked.wait)
        comes.set()
        upload = await starting
        asked.clear()
        comes.clear()
        cancelled = asyncio.create_task(client.upload("memory://beside/a.pdf"))
        await asyncio.to_thread(asked.wait)
        cancelled.cancel()
        comes.set()
        await asyncio.wait([cancelled])
        assert cancelled.cancelled()
        assert [run.id for run in await client._journal.runs()] == [upload.run_id]


async def test_a_store_that_nobody_waits_for_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled twice, a plan goes on in its thread; a later ``resume`` is not to send it."""
    asked, comes = slow_store(monkeypatch, "/forsaken/a.pdf")
    async with AsyncClient("acme", **arguments(tmp_path, Vendor())) as client:
        planning = asyncio.create_task(client.upload("memory://forsaken/a.pdf"))
        await asyncio.to_thread(asked.wait)
        for _ in range(2):
            planning.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([planning], timeout=20.0)
        assert planning.cancelled(), "it waited for the store"
        asyncio.get_running_loop().call_later(0.01, comes.set)
    async with open_journal(tmp_path / "journal.db") as again:
        assert not await again.runs()


async def test_closing_under_a_cancellation_leaves_no_thread(tmp_path: Path) -> None:
    """As where a framework cancels a request that has a client of its own."""
    before = set(threading.enumerate())
    with anyio.CancelScope() as scope:
        async with AsyncClient("acme", **arguments(tmp_path, Vendor())):
            scope.cancel()
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=20.0)
    assert set(threading.enumerate()) <= before


async def test_a_client_is_open_once_at_a_time(tmp_path: Path, files: Any) -> None:
    """Whoever left the inner block would close the journal under the outer one."""
    client = AsyncClient("acme", **arguments(tmp_path, Vendor()))
    async with client:
        with pytest.raises(UsageError, match="open already"):
            await client.__aenter__()
        assert (await client.upload(files(4))).exit_code == 0
    sync = Client("acme", **arguments(tmp_path, Vendor()))
    with sync:
        with pytest.raises(UsageError, match="open already"):
            sync.__enter__()
        assert sync.upload(files(4)).exit_code == 0
    with sync:
        assert sync.upload(files(4)).exit_code == 0


async def test_a_client_belongs_to_the_loop_it_was_opened_on(tmp_path: Path, files: Any) -> None:
    """Elsewhere it could not be told to stop, and whoever closes it would wait for ever."""
    async with AsyncClient("acme", **arguments(tmp_path, Vendor())) as client:

        def elsewhere() -> None:
            asyncio.run(client.upload(files(4)))

        with pytest.raises(UsageError, match="opened on another event loop"):
            await asyncio.to_thread(elsewhere)
        assert (await client.upload(files(4))).exit_code == 0


def test_a_listener_that_calls_its_client_is_told(
    tmp_path: Path, files: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is called on the loop that would have to do it: to wait there would wait for ever."""

    def listen(event: Event) -> None:
        if isinstance(event, JobAccepted):
            client.upload(files(4))

    with Client("acme", **arguments(tmp_path, Vendor(), listener=listen)) as client:
        report = client.upload(files(4))
    assert report.exit_code == 0
    assert "a listener cannot call the client that waits for it" in caplog.text


def test_an_async_listener_is_refused(tmp_path: Path) -> None:
    """Nothing would hear anything: an event is not awaited."""

    async def listen(_event: Event) -> None:
        """Hear nothing."""

    class Listens:
        async def __call__(self, _event: Event) -> None:
            """Hear nothing."""

    for listener in (listen, partial(listen), Listens()):
        with pytest.raises(UsageError, match="nobody awaits"):
            Client("acme", **arguments(tmp_path, Vendor(), listener=listener))


def run_program(code: str, folder: Path) -> str:
    """Run a program of somebody else's; a hang is a failure."""
    environ = {**os.environ, "LONGSHORE_GEOLENS_BASE_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env={**environ, "LONGSHORE_GEOLENS_API_KEY": "key-123456"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


OPEN = """
import asyncio, atexit, os, sys, warnings
from longshore import AsyncClient, Client, LongshoreError

def tell(work):
    try:
        print(work(), flush=True)
    except LongshoreError as error:
        print(error.kind, error.message, flush=True)

def make(journal="journal.db"):
    return Client("geolens", journal=journal)

client = make()
client.__enter__()
"""  # and is never closed

FORK = """
with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of threads beside it
    child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
"""

no_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


@pytest.mark.process
@no_fork
@pytest.mark.parametrize("end", ["", "    client.__exit__(None, None, None)", "    del client"])
def test_a_forked_process_does_not_wait_for_the_thread_of_its_parent(
    tmp_path: Path, end: str
) -> None:
    """A server that opens a client and then forks its workers: they say so, and they can end."""
    code = f"{OPEN}{FORK}    tell(lambda: client.resume('r'))\n{end}\n"
    code += "tell(lambda: client.resume('r')) if child else None"
    first, second = run_program(code, tmp_path).splitlines()
    assert (first, second) == ("usage the client is not open", "run_not_found no run 'r'")


@pytest.mark.process
@no_fork
def test_a_journal_that_was_open_at_the_fork_is_refused_in_the_child(tmp_path: Path) -> None:
    """SQLite would believe to hold the parent's locks, and lose what this process writes."""
    use = "lambda: make({!r}).__enter__() and 'opened'"
    code = f"{OPEN}{FORK}    tell({use.format('journal.db')})\n    tell({use.format('other.db')})"
    refused, opened = run_program(code, tmp_path).splitlines()
    assert refused.startswith("journal the journal ")
    assert refused.endswith("journal.db was open when this process was forked")
    assert opened == "opened"


@pytest.mark.process
@no_fork
def test_an_async_client_of_the_parent_says_so(tmp_path: Path) -> None:
    """Nor does a journal whose threads are the parent's let anybody wait for ever."""
    code = f"""{OPEN}
loop = asyncio.new_event_loop()
other = AsyncClient("geolens", journal="other.db")
loop.run_until_complete(other.__aenter__())
{FORK}
    tell(lambda: loop.run_until_complete(other.resume("r")))
    tell(lambda: asyncio.run(other.resume("r")))
    asyncio.run(other.__aexit__(None, None, None))
loop.close()
"""
    told = run_program(code, tmp_path)
    assert "was opened before this process was forked" in told
    assert "opened on another event loop" in told


@pytest.mark.process
@pytest.mark.parametrize("asked", [True, False])
def test_a_client_that_is_left_open_ends_with_its_program(tmp_path: Path, asked: bool) -> None:
    """Neither is it waited for, nor does it need threads, of which no more can be started then."""
    end = "atexit.register(lambda: print(client.__exit__(None, None, None)))" if asked else ""
    assert run_program(f"{OPEN}\n{end}", tmp_path) == ("None\n" if asked else "")
