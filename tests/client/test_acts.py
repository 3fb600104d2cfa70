"""What jobs offer, from Python: it is listed, and done; here or by whoever has the run."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

from longshore import AsyncClient
from longshore.errors import BatchError, Unauthorized, UsageError, VendorUnavailable
from longshore.journal import open_journal
from longshore.lifecycle import Outcome
from longshore.pipeline import Event, Polled, SystemClock
from longshore.pipeline._hold import PATIENCE, PAUSE
from longshore.transfer import NotSent
from tests.client.conftest import Review, arguments, mail, notices
from tests.pipeline.support import reply

pytestmark = pytest.mark.usefixtures("short")


async def test_what_a_job_offers_is_done(tmp_path: Path, files: Any) -> None:
    """Listed with its document; afterwards the batch can be waited for as after `complete`."""
    vendor = Review()
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        report = await client.upload(files(4))
        assert (report.exit_code, report.outcomes) == (3, {Outcome.NEEDS_ACTION: 1})
        (offer,) = await client.actions()
        assert await client.actions(report.run.id[:5]) == [offer]
        assert (offer.run_id, offer.job_id, offer.target) == (report.run.id, "job-s1", "acme")
        assert (offer.outcome, offer.word) == (Outcome.NEEDS_ACTION, "review")
        assert [record.document.name for record in offer.documents] == ["doc0.pdf"]
        (action,) = offer.actions
        assert (str(action), offer.about(action)) == ("approve", None)
        upload = await client.act(offer.job_id, action)
        assert upload is not None
        assert (upload.outcome, upload.batch_id) == (Outcome.SUCCEEDED, offer.batch_id)
        assert (await client.wait(upload)).outcome is Outcome.SUCCEEDED
        assert (await client.actions(), await client.unfinished()) == ([], [])
    assert vendor.approved == 1


@pytest.mark.parametrize(
    ("job", "action", "told"),
    [
        ("job-s1", "retry", "job job-s1 does not offer retry: it is review; approve, cancel"),
        ("job-s1", "approve:", "'approve:' does not say what it is about; complete:ID"),
        ("job-s9", "approve", "the journal knows no job 'job-s9' at acme; longshore actions"),
        ("one/job-s1", "approve", "the journal knows no job 'one/job-s1' at acme; "),
    ],
)
async def test_what_is_not_offered_is_refused_before_anything_is_sent(
    tmp_path: Path, files: Any, job: str, action: str, told: str
) -> None:
    """Also of a run that somebody executes: they are not asked in vain."""
    vendor, (said, _, hint) = Review(), told.partition("; ")
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        run_id = (await client.upload(files(4))).run.id
        vendor.log.clear()
        with pytest.raises(UsageError, match=said) as caught:
            await client.act(job, action)
        assert hint in caught.value.hint
        async with open_journal(tmp_path / "journal.db") as journal, journal.lock_run(run_id):
            with pytest.raises(UsageError, match=said):
                await client.act(job, action)
    assert (vendor.log, await mail(tmp_path, run_id)) == ([], [])


async def test_an_action_that_is_not_done_is_raised(tmp_path: Path, files: Any) -> None:
    """Refused, or nobody knows: the caller must not believe it; it can be asked for again."""
    vendor = Review()
    vendor.script = {"POST /act": [reply({"detail": "not now"}, 409), reply({}, 401)]}
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        await client.upload(files(4))
        with pytest.raises(BatchError, match=r"act approve: .*409"):
            await client.act("job-s1", "approve")
        with pytest.raises(Unauthorized):
            await client.act("job-s1", "approve")
        assert len(await client.actions()) == 1
        upload = await client.act("job-s1", "approve")
    assert upload is not None
    assert upload.outcome is Outcome.SUCCEEDED


async def test_whoever_executes_a_run_does_what_is_asked(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`act` does not wait for it; the upload that goes on tells what came of it."""
    monkeypatch.setattr("longshore.pipeline._hold.PATIENCE", 0.0)
    vendor, waits = Review(), asyncio.Event()

    def listen(event: Event) -> None:
        if isinstance(event, Polled) and event.outcome is Outcome.NEEDS_ACTION:
            waits.set()

    given = arguments(tmp_path, vendor, listener=listen)
    async with asyncio.timeout(20.0), AsyncClient("acme", **given) as client:
        uploading = asyncio.create_task(client.upload(files(4, 4)))
        await waits.wait()
        assert await client.act("job-s1", "approve") is None
        report = await uploading
    assert (report.outcomes, vendor.approved) == ({Outcome.SUCCEEDED: 2}, 1)
    assert await mail(tmp_path, report.run.id) == []


async def test_two_who_act_at_once_do_not_ask_nobody(tmp_path: Path, files: Any) -> None:
    """Both have the run for a moment only: left in its mailbox, the second would not be read."""
    vendor = Review()
    given = arguments(tmp_path, vendor)
    async with asyncio.timeout(20.0), AsyncClient("acme", **given) as client:
        report = await client.upload(files(4))
        vendor.may_answer.clear()
        first = asyncio.create_task(client.act("job-s1", "approve"))
        await vendor.asked.wait()

        class Patience(SystemClock):
            """Whoever waits, waits for the first."""

            async def sleep(self, seconds: float) -> None:
                vendor.may_answer.set()
                await first

        given["environment"] = replace(given["environment"], clock=Patience())
        async with AsyncClient("acme", **given) as another:
            with pytest.raises(UsageError, match="does not offer cancel: it is done"):
                await another.act("job-s1", "cancel")
        assert await first is not None
    assert await mail(tmp_path, report.run.id) == []


async def test_many_act_at_once_on_one_run(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the others, however long the vendor takes: nobody reads a mailbox."""
    monkeypatch.setattr("longshore.pipeline._hold.PATIENCE", PATIENCE)
    monkeypatch.setattr("longshore.pipeline._hold.PAUSE", PAUSE)
    vendor, slept = Review(), 0.0
    vendor.all_wait = True

    class Slow(SystemClock):
        """The vendor answers after some seconds; from then on one waits for another."""

        async def sleep(self, seconds: float) -> None:
            nonlocal slept
            slept += seconds
            await asyncio.sleep(0.0)
            if slept > 5.0:
                vendor.may_answer.set()
                left = [task for task in acting if not task.done()]
                await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)

    given = arguments(tmp_path, vendor)
    given["environment"] = replace(given["environment"], clock=Slow())
    async with asyncio.timeout(20.0), AsyncClient("acme", **given) as client:
        report = await client.upload(files(4, 4, 4))
        assert report.outcomes == {Outcome.NEEDS_ACTION: 3}
        vendor.may_answer.clear()
        acts = [client.act(offer.job_id, "approve") for offer in await client.actions()]
        acting = [asyncio.create_task(act) for act in acts]
        assert None not in await asyncio.gather(*acting)
    assert vendor.approved == 3
    assert await mail(tmp_path, report.run.id) == []


async def test_an_action_that_was_left_to_somebody_is_done_once(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They ended before they did it; asked again it is done here, and not again by `resume`."""
    monkeypatch.setattr("longshore.pipeline._hold.PATIENCE", 0.0)
    vendor, events = Review(), list[Event]()
    async with AsyncClient("acme", **arguments(tmp_path, vendor, listener=events.append)) as client:
        run_id = (await client.upload(files(4))).run.id
        async with open_journal(tmp_path / "journal.db") as journal, journal.lock_run(run_id):
            assert await client.act("job-s1", "approve") is None
            assert await client.act("job-s1", "approve") is None
        assert await mail(tmp_path, run_id) == ["act"]
        assert await client.act("job-s1", "approve") is not None
        await client.resume(run_id)
    assert (vendor.approved, notices(events)) == (1, [])


async def test_an_action_that_cannot_reach_the_vendor_is_raised(tmp_path: Path, files: Any) -> None:
    """Nothing of it is left to be done; it can be asked for again."""
    vendor = Review()
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        run_id = (await client.upload(files(4))).run.id
        vendor.always = {"": NotSent("connection refused")}
        with pytest.raises(VendorUnavailable):
            await client.act("job-s1", "approve")
        vendor.always = {}
        assert await mail(tmp_path, run_id) == []
        upload = await client.act("job-s1", "approve")
    assert upload is not None
    assert upload.outcome is Outcome.SUCCEEDED


async def test_the_answer_to_a_cancelled_action_is_kept(tmp_path: Path, files: Any) -> None:
    """A request of a service times out: what the vendor did for it is not done again."""
    vendor = Review()
    async with asyncio.timeout(20.0), AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        report = await client.upload(files(4))
        vendor.may_answer.clear()
        acting = asyncio.create_task(client.act("job-s1", "approve"))
        await vendor.asked.wait()
        acting.cancel()
        asyncio.get_running_loop().call_soon(vendor.may_answer.set)
        await asyncio.wait([acting])
        assert acting.cancelled()
        records = [record async for record in client.documents(report.run.id)]
        assert [record.outcome for record in records] == [Outcome.SUCCEEDED]
        assert (vendor.approved, await client.actions()) == (1, [])


async def test_a_client_that_is_closed_lets_an_action_end(tmp_path: Path, files: Any) -> None:
    """As with everything that it does."""
    vendor = Review()
    async with asyncio.timeout(20.0):
        async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
            await client.upload(files(4))
            vendor.may_answer.clear()
            acting = asyncio.create_task(client.act("job-s1", "approve"))
            await vendor.asked.wait()
            asyncio.get_running_loop().call_soon(vendor.may_answer.set)
        upload = await acting
    assert upload is not None
    assert upload.outcome is Outcome.SUCCEEDED


async def test_a_client_that_is_closed_does_not_wait_for_a_silent_vendor(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its action has as long as any request then; the caller is told."""
    monkeypatch.setattr("longshore.client._bound.GRACE", 0.01)
    vendor = Review()
    async with asyncio.timeout(20.0):
        async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
            await client.upload(files(4))
            vendor.may_answer.clear()
            acting = asyncio.create_task(client.act("job-s1", "approve"))
            await vendor.asked.wait()
        with pytest.raises(UsageError, match="not open any more"):
            await acting


async def test_a_job_is_that_of_the_clients_target(tmp_path: Path, files: Any) -> None:
    """Two vendors count from one: the same id is not the same job."""
    acme, patient = Review(), Review()
    async with (
        AsyncClient("acme", **arguments(tmp_path, acme)) as one,
        AsyncClient("patient", **arguments(tmp_path, patient)) as other,
    ):
        await one.upload(files(4))
        await other.upload(files(4))
        assert [offer.target for offer in await other.actions()] == ["patient"]
        await other.act("job-s1", "approve")
        assert (acme.approved, patient.approved) == (0, 1)
        await one.act("acme/job-s1", "approve")
        assert (acme.approved, patient.approved) == (1, 1)


class Patience(SystemClock):
    """Tells when somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        self.waits.set()
        await super().sleep(seconds)

    async def begun(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a work that waits for somebody."""
        self.waits.clear()
        doing = asyncio.create_task(work)
        await self.waits.wait()
        return doing


async def test_who_waits_for_somebody_else_can_be_cancelled(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is in flight: a Ctrl-C does not have to wait; nor does the end of the client."""
    monkeypatch.setattr("longshore.pipeline._hold.PATIENCE", inf)
    vendor, clock = Review(), Patience()
    given = arguments(tmp_path, vendor)
    given["environment"] = replace(given["environment"], clock=clock)
    async with asyncio.timeout(20.0), open_journal(tmp_path / "journal.db") as journal:
        async with AsyncClient("acme", **given) as client:
            run_id = (await client.upload(files(4))).run.id
        vendor.log.clear()
        for freed in (False, True):  # while it is cancelled
            async with AsyncClient("acme", **given) as client:
                async with journal.lock_run(run_id):
                    cancelling = await clock.begun(client.cancel(run_id))
                    acting = await clock.begun(client.act("job-s1", "approve"))
                    for task in (cancelling, acting):
                        task.cancel()
                    if not freed:
                        await asyncio.wait([cancelling, acting])
                await asyncio.wait([cancelling, acting])
            assert cancelling.cancelled()
            assert acting.cancelled()
        async with journal.lock_run(run_id):
            async with AsyncClient("acme", **given) as client:
                closed_under = await clock.begun(client.cancel(run_id))
            assert (await closed_under).open == 1
    assert vendor.log == []
    assert await mail(tmp_path, run_id) == ["cancel", "act"]
