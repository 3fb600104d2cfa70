"""The Python API: the pipeline and the four steps, over a vendor in memory."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tenacity

from longshore import AsyncClient, Client
from longshore.errors import ConfigurationError, RunNotFound, Unauthorized, UsageError
from longshore.lifecycle import Outcome
from longshore.pipeline import DocumentFinished, Event
from tests.client.conftest import FLOOR, arguments
from tests.pipeline.support import Vendor, VirtualClock, reply


async def test_upload_carries_everything(tmp_path: Path, files: Any) -> None:
    """The whole pipeline in one call, with a line per document."""
    vendor, events = Vendor(), list[Event]()
    async with AsyncClient("acme", **arguments(tmp_path, vendor, listener=events.append)) as client:
        report = await client.upload(files(10, 4, 0))
        records = [record async for record in client.documents(report.run.id)]
    assert (report.exit_code, report.outcomes) == (0, {Outcome.SUCCEEDED: 3})
    assert [record.document.name for record in records] == ["doc0.pdf", "doc1.pdf", "doc2.pdf"]
    assert [record.parts for record in records] == [3, 1, 1]
    assert sum(isinstance(event, DocumentFinished) for event in events) == 3


async def test_nothing_to_carry_is_a_usage_error(tmp_path: Path) -> None:
    """An empty list of paths leaves no run behind."""
    async with AsyncClient("acme", **arguments(tmp_path, Vendor())) as client:
        with pytest.raises(UsageError, match="nothing to carry"):
            await client.upload([])
        assert await client._journal.runs() == ()


async def test_the_four_steps_do_one_thing_each(tmp_path: Path, files: Any) -> None:
    """start, send, complete and poll go no further than they say, through the one journal."""
    vendor = Vendor(states=["busy", "done"])
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        upload = await client.start(files(10))
        assert (upload.transfers, upload.sent, upload.job) == (3, 0, None)
        assert (vendor.count("POST /start"), vendor.count("PUT")) == (1, 0)
        upload = await client.send(upload)
        assert (upload.sent, vendor.count("PUT"), vendor.count("POST /complete")) == (3, 3, 0)
        upload = await client.complete(upload)
        assert upload.job is not None
        assert (upload.job.id, vendor.count("GET /jobs")) == ("job-s1", 0)
        assert upload.documents[0].document.sha256 is not None
        upload = await client.poll(upload)
        assert (upload.outcome, vendor.count("GET /jobs")) == (Outcome.RUNNING, 1)
        upload = await client.wait(upload)
    assert upload.outcome is Outcome.SUCCEEDED
    assert vendor.count("POST /start") == vendor.count("POST /complete") == 1


async def test_a_job_that_takes_too_long_is_polled_no_sooner_either(
    tmp_path: Path, files: Any
) -> None:
    """The vendor's floor holds for `wait` also when `poll_timeout` has passed."""
    vendor, clock, times = Vendor(states=[*["busy"] * 5, "done"]), VirtualClock(), list[float]()
    vendor.on_request = lambda _: times.append(clock.now())
    given = arguments(tmp_path, vendor)
    given["environment"] = replace(given["environment"], clock=clock)
    given["settings"] = {"poll_timeout": "1"}
    async with AsyncClient("patient", **given) as client:
        upload = await client.complete(await client.send(await client.start(files(4))))
        times.clear()
        upload = await client.wait(upload)
    pauses = [after - before for before, after in pairwise(times)]
    assert (upload.outcome, len(pauses)) == (Outcome.SUCCEEDED, 5)
    assert min(pauses) == FLOOR


async def test_a_wait_that_is_long_enough_says_so(tmp_path: Path, files: Any) -> None:
    """As a time-out, with the job in its words; the job can be waited for again."""
    vendor = Vendor(states=["busy", "busy", "done"])
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        upload = await client.complete(await client.send(await client.start(files(4))))
        with pytest.raises(TimeoutError, match="job job-s1 is still running") as caught:
            await client.wait(upload, at_most=0.0)
        assert isinstance(caught.value, tenacity.RetryError)
        assert (await client.wait(upload)).outcome is Outcome.SUCCEEDED


async def test_documents_of_a_run_by_the_beginning_of_its_id(tmp_path: Path, files: Any) -> None:
    """As with every run: the beginning of its id will do, and one that is not there is an error."""
    async with AsyncClient("acme", **arguments(tmp_path, Vendor())) as client:
        report = await client.upload(files(4))
        records = [record async for record in client.documents(report.run.id[:5])]
        assert [record.document.name for record in records] == ["doc0.pdf"]
        with pytest.raises(RunNotFound):
            await anext(client.documents("nowhere"))


async def test_a_run_is_finished_by_its_last_poll(tmp_path: Path, files: Any) -> None:
    """What the four steps carried to its end is no unfinished run: ``resume`` has no work there."""
    vendor = Vendor(states=["busy", "done"])
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        upload = await client.complete(await client.send(await client.start(files(20))))
        finished = []
        for _ in range(2):
            upload = await client.poll(upload)
            finished.append((await client._journal.run(upload.run_id)).finished_at is not None)
    assert (finished, upload.outcome) == ([False, True], Outcome.SUCCEEDED)


async def test_steps_can_be_taken_by_another_process(tmp_path: Path, files: Any) -> None:
    """A batch handle and the journal are all that a later process needs."""
    vendor = Vendor()
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        upload = await client.start(files(10))
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        upload = await client.complete(upload)
        report = await client.resume(upload.run_id)
    assert report.exit_code == 0
    assert set(vendor.arrived.values()) == {1}


async def test_start_takes_one_batch(tmp_path: Path, files: Any) -> None:
    """More documents than fit one batch are for upload()."""
    async with AsyncClient("acme", **arguments(tmp_path, Vendor())) as client:
        with pytest.raises(UsageError, match="2 batches"):
            await client.start(files(4, 4))
        assert await client._journal.runs() == ()


@pytest.mark.parametrize("provider", ["acme", "one"])
async def test_the_steps_of_one_transfer_do_one_thing_each(
    tmp_path: Path, files: Any, provider: str
) -> None:
    """Nor does a session of a single transfer, or its last one, go further than it was told."""
    vendor = Vendor()
    async with AsyncClient(provider, **arguments(tmp_path, vendor)) as client:
        upload = await client.start(files(4))
        assert (upload.sent, upload.job, vendor.count("P")) == (
            0,
            None,
            vendor.count("POST /start"),
        )
        upload = await client.send(upload)
        assert (upload.sent, upload.job, vendor.count("POST /complete")) == (1, None, 0)
        upload = await client.complete(upload)
        assert upload.job is not None


async def test_poll_before_complete_is_a_usage_error(tmp_path: Path, files: Any) -> None:
    """There is no job yet to ask about."""
    async with AsyncClient("acme", **arguments(tmp_path, Vendor())) as client:
        upload = await client.start(files(4))
        with pytest.raises(UsageError, match="no job"):
            await client.poll(upload)


async def test_account_trouble_is_raised_by_a_step(tmp_path: Path, files: Any) -> None:
    """The four steps raise; the batch stays where it is."""
    vendor = Vendor(script={"PUT": [reply({}, 401)]})
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        upload = await client.start(files(4))
        with pytest.raises(Unauthorized):
            await client.send(upload)
        assert (await client.send(upload)).sent == 1


async def test_resume_with_the_settings_of_the_upload(tmp_path: Path, files: Any) -> None:
    """The same client can go on with its run, settings that may not change included."""
    vendor = Vendor(script={"POST /complete": [reply({}, 401)]})
    settings = {"mode": "special", "api_key": "key-abcdef"}
    async with AsyncClient("acme", **arguments(tmp_path, vendor, settings=settings)) as client:
        report = await client.upload(files(4))
        assert report.exit_code == 2
        assert (await client.resume(report.run.id)).exit_code == 0


async def test_whoever_resumes_says_whether_to_wait(tmp_path: Path, files: Any) -> None:
    """What was begun without is followed to its end by a client that waits, and by no other."""
    vendor = Vendor(states=["busy", "done"])
    async with AsyncClient("acme", **arguments(tmp_path, vendor, wait=False)) as client:
        report = await client.upload(files(4))
        again = await client.resume(report.run.id)
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        followed = await client.resume(report.run.id)
        assert await client.unfinished() == []
    outcomes = [one.outcomes for one in (report, again, followed)]
    assert outcomes == [{Outcome.RUNNING: 1}, {Outcome.RUNNING: 1}, {Outcome.SUCCEEDED: 1}]
    assert set(vendor.arrived.values()) == {1}


async def test_resume_with_other_settings_is_refused(tmp_path: Path, files: Any) -> None:
    """What the run does may not change half way."""
    vendor = Vendor(script={"POST /complete": [reply({}, 401)]})
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        report = await client.upload(files(4))
    other = arguments(tmp_path, vendor, settings={"mode": "other"})
    async with AsyncClient("acme", **other) as client:
        with pytest.raises(ConfigurationError, match="mode"):
            await client.resume(report.run.id)


async def test_what_is_not_over_can_be_found_after_a_crash(tmp_path: Path, files: Any) -> None:
    """Nobody was left who knew the run's id; what other uses began is theirs to go on with."""
    vendor, stop = Vendor(), asyncio.Event()
    stop.set()
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        paths = files(4, 4)
        await client.upload(paths[0])
        one, other, third = [(await client.upload(paths, stop=stop)).run.id for _ in range(3)]
        await client._journal.change_run(other, notes={"use": "compare"})
        await client._journal.change_run(third, planned=False)
    async with AsyncClient("one", **arguments(tmp_path, vendor)) as client:
        assert await client.unfinished() == []
    with Client("acme", **arguments(tmp_path, vendor)) as sync:
        assert [run.id for run in sync.unfinished()] == [one]
        assert sync.resume(one).exit_code == 0
        assert sync.unfinished() == []


async def test_a_run_whose_plan_is_not_whole_is_not_resumed(tmp_path: Path, files: Any) -> None:
    """Half a plan would be half of the documents, and all well."""
    async with AsyncClient("acme", **arguments(tmp_path, Vendor())) as client:
        report = await client.upload(files(4))
        await client._journal.change_run(report.run.id, planned=False)
        with pytest.raises(UsageError, match="before its plan was whole"):
            await client.resume(report.run.id)


async def test_a_client_that_is_not_open_says_so(tmp_path: Path, files: Any) -> None:
    """Outside of its `with` block a client is of no use, and says why."""
    client = AsyncClient("acme", **arguments(tmp_path, Vendor()))
    with pytest.raises(UsageError, match="not open"):
        await client.upload(files(4))
    sync = Client("acme", **arguments(tmp_path, Vendor()))
    with pytest.raises(UsageError, match="not open"):
        sync.upload(files(4))


def test_the_sync_client_walks_the_four_steps(tmp_path: Path, files: Any) -> None:
    """The same steps without an event loop; the client can be opened again."""
    vendor = Vendor()
    client = Client("acme", **arguments(tmp_path, vendor))
    with client:
        upload = client.complete(client.send(client.start(files(10))))
    with client:
        upload = client.wait(client.poll(upload), at_most=5.0)
        names = [record.document.name for record in client.documents(upload.run_id)]
    assert (upload.outcome, names) == (Outcome.SUCCEEDED, ["doc0.pdf"])


def test_the_sync_client_finds_runs_by_the_beginning_of_their_id(
    tmp_path: Path, files: Any
) -> None:
    """The same documents, and the same error, without an event loop."""
    with Client("acme", **arguments(tmp_path, Vendor())) as client:
        report = client.upload(files(4))
        names = [record.document.name for record in client.documents(report.run.id[:5])]
        assert names == ["doc0.pdf"]
        with pytest.raises(RunNotFound):
            next(client.documents("nowhere"))


def test_the_sync_client_serves_several_threads(tmp_path: Path, files: Any) -> None:
    """Calls from many threads share the one engine and the one journal."""
    vendor = Vendor()
    paths = files(*[8] * 8)
    with (
        Client("acme", **arguments(tmp_path, vendor)) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        reports = list(pool.map(client.upload, paths))
    assert [report.exit_code for report in reports] == [0] * 8
    assert len({report.run.id for report in reports}) == 8
    assert set(vendor.arrived.values()) == {1}


async def test_stop_ends_an_upload_in_good_order(tmp_path: Path, files: Any) -> None:
    """An event from outside interrupts, and a resume finishes."""
    vendor, stop = Vendor(), asyncio.Event()
    vendor.on_request = lambda _: stop.set()
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        report = await client.upload(files(4, 4), stop=stop)
        assert report.exit_code == 130
        assert (await client.resume(report.run.id)).exit_code == 0


@pytest.mark.parametrize(
    ("option", "said", "hint"),
    [
        ({"concurency": 3}, "there is no option 'concurency'", "did you mean concurrency?"),
        ({"concurrency": -1}, "concurrency: -1 is too small", ""),
        ({"max_failures": 0}, "max_failures: 0 is too small", ""),
        ({"part_size": "5 parsecs"}, "part_size: '5 parsecs' is not a size", ""),
    ],
)
def test_an_option_that_cannot_be_used_is_told(
    tmp_path: Path, option: dict[str, Any], said: str, hint: str
) -> None:
    """Before anything else is done: with a negative concurrency nothing would ever leave."""
    with pytest.raises(UsageError, match=said) as caught:
        Client("acme", **arguments(tmp_path, Vendor()) | option)
    assert caught.value.hint == hint
