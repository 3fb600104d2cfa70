"""Cancelling the task that waits for the async client: it stops in good order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from longshore import AsyncClient
from longshore.evaluate import compare_async
from longshore.lifecycle import Outcome
from longshore.migrate import migrate_async, resume_by_route_async, upload_by_route_async
from longshore.provider import Response
from longshore.transfer import Outgoing
from tests.client.conftest import Ear, arguments
from tests.pipeline.support import Vendor


class Slow(Vendor):
    """A vendor whose first answer to a POST comes late, or never."""

    def __init__(self) -> None:
        super().__init__()
        self.has_one = asyncio.Event()
        self.comes = asyncio.Event()

    async def send(self, outgoing: Outgoing) -> Response:
        """Answer, sooner or later."""
        if outgoing.method == "POST":
            self.has_one.set()
            await self.comes.wait()
        return await super().send(outgoing)


async def by_the_task(work: Coroutine[Any, Any, Any], when: asyncio.Event) -> bool:
    """Do a work in a task of its own, and cancel that."""
    task = asyncio.create_task(work)
    await when.wait()
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()


async def by_a_time_out(work: Coroutine[Any, Any, Any], when: asyncio.Event) -> bool:
    """Do a work until its time is up."""
    limit = asyncio.timeout(None)

    async def end() -> None:
        await when.wait()
        limit.reschedule(0.0)

    async def limited() -> None:
        async with limit:
            await work

    ending = asyncio.create_task(end())
    with pytest.raises(TimeoutError):
        await limited()
    await ending
    return limit.expired()


async def by_a_scope(work: Coroutine[Any, Any, Any], when: asyncio.Event) -> bool:
    """Do a work in a scope of anyio, which cancels again and again."""
    async with anyio.create_task_group() as group:

        async def end() -> None:
            await when.wait()
            group.cancel_scope.cancel()

        group.start_soon(end)
        await work
    return group.cancel_scope.cancelled_caught


@pytest.mark.parametrize("cancelled", [by_the_task, by_a_time_out, by_a_scope])
async def test_a_cancelled_step_lets_its_request_end(
    tmp_path: Path, files: Any, cancelled: Any
) -> None:
    """The answer that came is kept: the next call sends nothing twice."""
    vendor = Slow()
    given = arguments(tmp_path, vendor, listener=Ear(vendor.comes.set))
    async with AsyncClient("one", **given) as client:
        upload = await client.start(files(4))
        assert await cancelled(client.send(upload), vendor.has_one)
        upload = await client.complete(await client.send(upload))
    assert (upload.sent, upload.outcome, vendor.count("POST")) == (1, Outcome.RUNNING, 1)


@pytest.mark.parametrize("use", ["route", "migrate", "compare"])
async def test_a_cancelled_use_lets_its_requests_end(
    tmp_path: Path, files: Any, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other functions of the Python API stop in the same way."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "longshore.toml").write_text('[routes.main]\nprimary = "one"\n', "utf-8")
    (path,) = files(4)
    (tmp_path / "list").write_text(str(path), "utf-8")
    vendor = Slow()
    ear = Ear(vendor.comes.set)
    given = arguments(tmp_path, vendor, listener=lambda *told: ear(told[-1]))
    if use == "route":
        work: Any = upload_by_route_async(path, "main", **given)
    elif use == "migrate":
        work = migrate_async("acme", "one", manifest="list", **given)
    else:
        work = compare_async(path, to=["one"], **given)
    assert await by_the_task(work, vendor.has_one)
    given = arguments(tmp_path, vendor)
    if use == "route":
        del given["part_size"]  # those of the upload hold
        outcomes = (await resume_by_route_async(ear.run_id, **given)).outcomes
    else:
        async with AsyncClient("one", **given) as client:
            outcomes = dict((await client.resume(ear.run_id)).outcomes)
    assert (outcomes, vendor.count("POST")) == ({Outcome.SUCCEEDED: 1}, 1)


async def test_after_a_stop_a_cancellation_waits_for_nothing(tmp_path: Path, files: Any) -> None:
    """As a second Ctrl-C: what is in flight is given up."""
    vendor, stop = Slow(), asyncio.Event()
    ear = Ear(lambda: task.cancel())  # noqa: PLW0108 - it comes below
    async with AsyncClient("one", **arguments(tmp_path, vendor, listener=ear)) as client:
        task = asyncio.create_task(client.upload(files(4), stop=stop))
        await vendor.has_one.wait()
        stop.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        report = await client.resume(ear.run_id)
    assert report.outcomes == {Outcome.UNKNOWN: 1}  # nobody can ask this vendor


@pytest.mark.parametrize("end", ["closed", "cancelled", "stopped"])
async def test_a_stop_may_be_shared(tmp_path: Path, files: Any, end: str) -> None:
    """It ends all who share it; what ends one of them by itself does not touch the others."""
    stop, slow, other = asyncio.Event(), Slow(), Slow()
    given = arguments(tmp_path, slow, listener=Ear(slow.comes.set))
    async with AsyncClient("one", **arguments(tmp_path, other)) as client:
        goes_on = asyncio.create_task(client.upload(files(4, 5), stop=stop))
        async with AsyncClient("one", **given) as closed:
            ends = asyncio.create_task(closed.upload(files(4), stop=stop))
            await slow.has_one.wait()
            await other.has_one.wait()
            if end == "cancelled":
                ends.cancel()
                await asyncio.wait([ends])
            elif end == "stopped":
                stop.set()
                await asyncio.wait([ends])
        other.comes.set()
        report = await goes_on
    assert ends.cancelled() if end == "cancelled" else (await ends).interrupted
    assert stop.is_set() == report.interrupted == (end == "stopped")


async def test_a_stop_that_was_set_before(tmp_path: Path, files: Any) -> None:
    """The run is planned, and nothing is sent; it can be resumed."""
    vendor, stop = Vendor(), asyncio.Event()
    stop.set()
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        report = await client.upload(files(4), stop=stop)
        assert (report.interrupted, report.outcomes) == (True, {Outcome.RUNNING: 1})
        assert vendor.log == []
        report = await client.resume(report.run.id)
    assert report.outcomes == {Outcome.SUCCEEDED: 1}


@pytest.mark.parametrize("by_scope", [False, True])
async def test_cancelled_while_it_is_planned_a_run_leaves_nothing_behind(
    tmp_path: Path, files: Any, by_scope: bool
) -> None:
    """Nothing was sent: there is no half planned run to forget."""
    given = arguments(tmp_path, Vendor())
    scope = anyio.CancelScope()

    def id_for_a_document() -> str:
        scope.cancel() if by_scope else task.cancel()
        return "d1"

    async def upload() -> None:
        with scope:  # which cancels again and again
            await client.upload(files(4))

    given["environment"] = replace(given["environment"], new_id=id_for_a_document)
    async with AsyncClient("acme", **given) as client:
        task = asyncio.create_task(upload())
        await asyncio.wait([task])
        assert (scope.cancelled_caught, task.cancelled()) == (by_scope, not by_scope)
        await client._journal.drop_mail([0])  # what was to be written is written
        assert await client._journal.runs() == ()
