"""What is done to runs from Python: cancelled or sent again, here or by who has them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

from longshore import AsyncClient, Client
from longshore.errors import (
    IncompatibleState,
    RunInUse,
    RunNotFound,
    Unauthorized,
    UsageError,
    VendorUnavailable,
)
from longshore.journal import open_journal
from longshore.lifecycle import Outcome
from longshore.pipeline import DocumentFinished, Event, JobAccepted, SystemClock
from longshore.transfer import NotSent, Outgoing
from tests.client.conftest import FLOOR, Review, arguments, mail, notices
from tests.client.test_embedded import slow_store
from tests.pipeline.support import Vendor, reply

pytestmark = pytest.mark.usefixtures("short")


# -------------------------------------------------------------------------------- cancel


async def test_a_job_is_cancelled_at_the_vendor(tmp_path: Path, files: Any) -> None:
    """Nobody executes the run: it is done here, is told, and the run is over; twice is once."""
    vendor, events = Vendor(states=["busy"]), list[Event]()
    given = arguments(tmp_path, vendor, wait=False, listener=events.append)
    async with AsyncClient("acme", **given) as client:
        run_id = (await client.upload(files(4, 4))).run.id
        events.clear()
        report = await client.cancel(run_id[:5])
        again = await client.cancel(run_id)
        assert await client.unfinished() == []
    assert (report.outcomes, report.open, report.trouble) == ({Outcome.CANCELLED: 2}, 0, None)
    assert report.run.finished_at is not None
    assert again.outcomes == report.outcomes
    assert vendor.count("POST /cancel") == 2
    told = [event.record.outcome for event in events if isinstance(event, DocumentFinished)]
    assert told == [Outcome.CANCELLED] * 2


@pytest.mark.parametrize("other", [False, True])
async def test_whoever_executes_a_run_cancels_it(tmp_path: Path, files: Any, other: bool) -> None:
    """Another task of this client, or of another one: its upload ends, and so tells."""
    vendor, accepted = Vendor(states=["busy"]), asyncio.Event()

    def listen(event: Event) -> None:
        if isinstance(event, JobAccepted):
            accepted.set()

    given = arguments(tmp_path, vendor, listener=listen)
    async with (
        asyncio.timeout(20.0),
        AsyncClient("acme", **given) as client,
        AsyncClient("acme", **given) as another,
    ):
        uploading = asyncio.create_task(client.upload(files(4)))
        await accepted.wait()
        (run,) = await client.unfinished()
        cancelled = await (another if other else client).cancel(run.id)
        uploaded = await uploading
    assert cancelled.outcomes == uploaded.outcomes == {Outcome.CANCELLED: 1}
    assert uploaded.exit_code == cancelled.exit_code == 1
    assert vendor.count("POST /cancel") == 1
    assert await mail(tmp_path, run.id) == []


async def test_a_cancel_comes_between_two_polls(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits step by step has the run now and then, and reads no mail."""
    monkeypatch.setattr("longshore.pipeline._hold.PATIENCE", inf)
    vendor = Vendor(states=["busy"])

    def forget(outgoing: Outgoing) -> None:
        if "/cancel/" in outgoing.url:
            vendor.states = ["gone"]

    vendor.on_request = forget
    async with asyncio.timeout(20.0), AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        upload = await client.complete(await client.send(await client.start(files(4))))
        vendor.busy.clear()
        waiting = asyncio.create_task(client.wait(upload))
        await vendor.busy.wait()
        report = await client.cancel(upload.run_id)
        assert (await waiting).outcome in (Outcome.CANCELLED, Outcome.EXPIRED)
    assert report.outcomes == {Outcome.CANCELLED: 1}
    assert await mail(tmp_path, upload.run_id) == []


async def test_who_waits_is_not_disturbed_by_who_has_the_run(tmp_path: Path, files: Any) -> None:
    """The journal tells meanwhile; it could be somebody's `cancel`, or a poll of the same job."""
    vendor = Vendor()
    async with asyncio.timeout(20.0), AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        upload = await client.complete(await client.send(await client.start(files(4))))
        async with (
            open_journal(tmp_path / "journal.db") as journal,
            journal.lock_run(upload.run_id),
        ):
            with pytest.raises(TimeoutError, match="job job-s1 is still running"):
                await client.wait(upload, at_most=0.0)
        assert (await client.wait(upload)).outcome is Outcome.SUCCEEDED


async def test_a_run_is_free_while_its_vendor_does_not_want_to_be_asked(
    tmp_path: Path, files: Any
) -> None:
    """Such a wait may be longer than whoever wants to cancel the job waits for the run."""
    vendor, pauses = Vendor(states=["busy"]), list[float]()

    class Free(SystemClock):
        """While one waits, somebody else has the run."""

        async def sleep(self, seconds: float) -> None:
            async with (
                open_journal(tmp_path / "journal.db") as journal,
                journal.lock_run(upload.run_id),
            ):
                pauses.append(seconds)
            self.later += seconds

        later = 0.0

        def now(self) -> float:
            return super().now() + self.later

    given = arguments(tmp_path, vendor)
    given["settings"].pop("poll_interval")
    given["environment"] = replace(given["environment"], clock=Free())
    async with AsyncClient("patient", **given) as client:
        upload = await client.complete(await client.send(await client.start(files(4))))
        for _ in range(2):
            assert (await client.poll(upload)).outcome is Outcome.RUNNING
    assert pauses == [pytest.approx(FLOOR, abs=1.0)]


async def test_what_is_not_cancelled_in_time_is_told(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report shows it open; the wish is kept for whoever has the run next."""
    monkeypatch.setattr("longshore.pipeline._hold.PATIENCE", 0.02)
    vendor, events = Vendor(states=["busy"]), list[Event]()
    given = arguments(tmp_path, vendor, wait=False, listener=events.append)
    async with AsyncClient("acme", **given) as client:
        run_id = (await client.upload(files(4))).run.id
        async with open_journal(tmp_path / "journal.db") as journal, journal.lock_run(run_id):
            report = await client.cancel(run_id)
        assert (report.open, vendor.count("POST /cancel")) == (1, 0)
        assert notices(events) == [
            f"whoever executes run {run_id} was asked to cancel it: not done yet"
        ]
        resumed = await client.resume(run_id)
    assert (resumed.outcomes, vendor.count("POST /cancel")) == ({Outcome.CANCELLED: 1}, 1)


async def test_an_account_in_trouble_cancels_nothing(tmp_path: Path, files: Any) -> None:
    """The report says why, as that of an upload does."""
    vendor = Vendor(states=["busy"], script={"POST /cancel": [reply({}, 401)]})
    async with AsyncClient("acme", **arguments(tmp_path, vendor, wait=False)) as client:
        run_id = (await client.upload(files(4))).run.id
        report = await client.cancel(run_id)
        assert (report.open, type(report.trouble), report.exit_code) == (1, Unauthorized, 2)
        assert (await client.cancel(run_id)).outcomes == {Outcome.CANCELLED: 1}


async def test_a_vendor_that_cannot_be_reached_is_not_tried_for_each_batch(
    tmp_path: Path, files: Any
) -> None:
    """Each try takes half a minute; the report says why."""
    vendor, events = Vendor(states=["busy"]), list[Event]()
    given = arguments(tmp_path, vendor, wait=False, listener=events.append)
    async with AsyncClient("acme", **given) as client:
        run_id = (await client.upload(files(4, 4, 4))).run.id
        vendor.always = {"POST /cancel": NotSent("connection refused")}
        vendor.log.clear()
        report = await client.cancel(run_id)
        assert (report.open, type(report.trouble)) == (3, VendorUnavailable)
        assert len({line for line in vendor.log if "/cancel/" in line}) == 1
        assert len(notices(events)) == 1
        vendor.always = {}
        assert (await client.cancel(run_id)).outcomes == {Outcome.CANCELLED: 3}


async def test_a_cancel_that_is_cancelled_begins_no_other_request(
    tmp_path: Path, files: Any
) -> None:
    """The one in flight may end, and its answer is kept."""
    vendor = Vendor(states=["busy"])

    def interrupt(outgoing: Outgoing) -> None:
        if "/cancel/" in outgoing.url:
            cancelling.cancel()

    vendor.on_request = interrupt
    async with AsyncClient("acme", **arguments(tmp_path, vendor, wait=False)) as client:
        run_id = (await client.upload(files(4, 4, 4))).run.id
        cancelling = asyncio.create_task(client.cancel(run_id))
        await asyncio.wait([cancelling])
        assert cancelling.cancelled()
        states = [record.outcome async for record in client.documents(run_id)]
    assert (vendor.count("POST /cancel"), states.count(Outcome.CANCELLED)) == (1, 1)


async def test_what_the_journal_says_is_read_again_after_a_wait(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever had the run may have been another version, and was alive until now."""
    vendor = Vendor(states=["busy"])
    given = arguments(tmp_path, vendor, wait=False)
    async with open_journal(tmp_path / "journal.db") as journal, AsyncExitStack() as held:

        class Upgrade(SystemClock):
            """While one sleeps, the other begins the run afresh, and ends."""

            async def sleep(self, seconds: float) -> None:
                await journal.change_run(run_id, state_version=99)
                await held.aclose()

        given["environment"] = replace(given["environment"], clock=Upgrade())
        async with AsyncClient("acme", **given) as client:
            run_id = (await client.upload(files(4))).run.id
            await held.enter_async_context(journal.lock_run(run_id))
            with pytest.raises(IncompatibleState):
                await client.cancel(run_id)
    assert vendor.count("POST /cancel") == 0


async def test_what_whoever_has_a_run_cannot_cancel_is_told(tmp_path: Path, files: Any) -> None:
    """The reason is told there; who asked has to know that there is one."""
    vendor, events, accepted = Vendor(states=["busy"]), list[Event](), asyncio.Event()
    vendor.always = {"POST /cancel": reply({"detail": "too late"}, 409)}

    def listen(event: Event) -> None:
        if isinstance(event, JobAccepted):
            accepted.set()

    async with (
        asyncio.timeout(20.0),
        AsyncClient("acme", **arguments(tmp_path, vendor, listener=listen)) as client,
        AsyncClient("acme", **arguments(tmp_path, vendor, listener=events.append)) as another,
    ):
        uploading = asyncio.create_task(client.upload(files(4)))
        await accepted.wait()
        (run,) = await client.unfinished()
        assert (await another.cancel(run.id)).open == 1
        vendor.states = ["done"]
        assert (await uploading).outcomes == {Outcome.SUCCEEDED: 1}
    assert notices(events) == [
        f"whoever executes run {run.id} did not cancel all of it, and says why"
    ]


# ------------------------------------------------------------------------------ any of them


async def test_what_is_asked_of_no_run_is_told(tmp_path: Path) -> None:
    """As with every run."""
    async with AsyncClient("acme", **arguments(tmp_path, Vendor())) as client:
        assert await client.actions() == []
        for ask in (client.cancel, client.rerun, client.actions):
            with pytest.raises(RunNotFound):
                await ask("nowhere")


async def test_a_run_of_another_target_is_left_alone(tmp_path: Path, files: Any) -> None:
    """A key that was given to this client is not for another vendor."""
    vendor, stranger = Vendor(states=["busy"]), Vendor()
    given = arguments(tmp_path, stranger, settings={"api_key": "of-patient"})
    async with (
        AsyncClient("acme", **arguments(tmp_path, vendor, wait=False)) as one,
        AsyncClient("patient", **given) as other,
    ):
        run_id = (await one.upload(files(4))).run.id
        upload = await one.start(files(4))
        asks: list[Any] = [other.cancel, other.rerun, other.resume, other.actions]
        for ask in asks:
            with pytest.raises(UsageError, match="is of target 'acme', not of 'patient'"):
                await ask(run_id)
        for step in (other.send, other.poll):
            with pytest.raises(UsageError, match="is of target 'acme'"):
                await step(upload)
    assert stranger.log == []


# --------------------------------------------------------------------------------- rerun


async def test_what_failed_is_sent_again(tmp_path: Path, files: Any) -> None:
    """In a fresh batch, and only that; a second time there is nothing."""
    vendor, events = Vendor(always={"GET /jobs/job-s1": reply({"state": "broken"})}), list[Event]()
    given = arguments(tmp_path, vendor, listener=events.append)
    async with AsyncClient("acme", **given) as client:
        report = await client.upload(files(4, 4))
        assert report.outcomes == {Outcome.FAILED: 1, Outcome.SUCCEEDED: 1}
        again = await client.rerun(report.run.id[:5])
        assert (again.run.id, again.outcomes) == (report.run.id, {Outcome.SUCCEEDED: 2})
        assert (vendor.made, vendor.count("POST /complete"), notices(events)) == (3, 3, [])
        assert (await client.rerun(report.run.id)).outcomes == {Outcome.SUCCEEDED: 2}
    assert notices(events) == [f"nothing of run {report.run.id} can be sent again"]
    assert vendor.made == 3


async def test_a_rerun_that_is_stopped_goes_on_later(tmp_path: Path, files: Any) -> None:
    """What was cancelled goes, too; stopped before it left, it is what `resume` sends."""
    vendor, stop = Vendor(states=["busy"]), asyncio.Event()
    stop.set()
    async with AsyncClient("acme", **arguments(tmp_path, vendor, wait=False)) as client:
        run_id = (await client.upload(files(4))).run.id
        await client.cancel(run_id)
        report = await client.rerun(run_id, stop=stop)
        assert (report.interrupted, report.outcomes) == (True, {Outcome.RUNNING: 1})
        assert [run.id for run in await client.unfinished()] == [run_id]
        assert (await client.resume(run_id)).outcomes == {Outcome.RUNNING: 1}
    assert vendor.made == 2


async def test_a_rerun_asks_a_store_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled meanwhile, it has planned all or nothing, and nobody has the run any more."""
    asked, comes = slow_store(monkeypatch, "/again/a.pdf")
    comes.set()
    vendor = Vendor(always={"GET /jobs/job-s1": reply({"state": "broken"})})
    async with asyncio.timeout(20.0), AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        run_id = (await client.upload("memory://again/a.pdf")).run.id
        asked.clear()
        comes.clear()
        again = asyncio.create_task(client.rerun(run_id))
        await asyncio.to_thread(asked.wait)
        again.cancel()
        comes.set()
        await asyncio.wait([again])
        assert again.cancelled()
        assert [run.id for run in await client.unfinished()] == [run_id]
        assert (await client.resume(run_id)).outcomes == {Outcome.SUCCEEDED: 1}


async def test_what_cannot_be_sent_again_now_says_so(tmp_path: Path, files: Any) -> None:
    """Somebody has the run; or half of its plan is missing."""
    vendor = Vendor(states=["broken"])
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        run_id = (await client.upload(files(4))).run.id
        async with open_journal(tmp_path / "journal.db") as journal:
            async with journal.lock_run(run_id):
                with pytest.raises(RunInUse):
                    await client.rerun(run_id)
            await journal.change_run(run_id, planned=False)
        with pytest.raises(UsageError, match="before its plan was whole"):
            await client.rerun(run_id)
    assert vendor.made == 1


# ---------------------------------------------------------------------- without a loop


def test_the_sync_client_does_the_same(tmp_path: Path, files: Any) -> None:
    """Listed and acted upon, cancelled and sent again, without an event loop."""
    with Client("acme", **arguments(tmp_path, Review())) as client:
        client.upload(files(4))
        (offer,) = client.actions()
        assert offer == client.actions(offer.run_id)[0]
        upload = client.act(offer.job_id, "approve")
        assert upload is not None
        assert client.wait(upload).outcome is Outcome.SUCCEEDED
    vendor = Vendor(states=["busy"])
    with Client("patient", **arguments(tmp_path, vendor, wait=False)) as client:
        run_id = client.upload(files(4)).run.id
        assert client.cancel(run_id).outcomes == {Outcome.CANCELLED: 1}
        assert client.rerun(run_id).outcomes == {Outcome.RUNNING: 1}
    assert vendor.made == 2
