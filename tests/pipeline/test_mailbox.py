"""The mailbox: a message stays until what it asks for is durable, and asks for it once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from longshore.errors import Forbidden, JournalError, LongshoreError, SessionLost, Unauthorized
from longshore.journal import ChangeUnit, Message, Write
from longshore.lifecycle import (
    Action,
    Batch,
    Job,
    Outcome,
    Receipt,
    Session,
    State,
    Status,
    Transfer,
)
from longshore.pipeline import Notice
from longshore.pipeline._asked import alone
from longshore.pipeline._mailbox import Mailbox
from longshore.provider import Flow, Raw, Remedy, Request, Response
from longshore.transfer import Outgoing
from tests.pipeline.support import LOST, Acme, Journal, OneRequest, Vendor, World, hasty, reply
from tests.pipeline.test_cancel_one import Lasting
from tests.pipeline.test_executor import run

pytestmark = pytest.mark.usefixtures("short")


async def soon(work: Any) -> Any:
    """Wait for what must not take long."""
    return await asyncio.wait_for(work, 20)


class Slow(Vendor):
    """Lets parts wait for the answers that a test decides on."""

    slow_at = "/parts"

    def __init__(self) -> None:
        super().__init__()
        self.slow = True
        self.parts: list[asyncio.Future[Response]] = []
        self.waiting = asyncio.Condition()

    async def send(self, outgoing: Outgoing) -> Response:
        if self.slow and self.slow_at in outgoing.url:
            self.parts.append(asyncio.get_running_loop().create_future())
            async with self.waiting:
                self.waiting.notify_all()
            return await self.parts[-1]
        return await super().send(outgoing)

    async def wait_for(self, parts: int) -> None:
        """Wait until so many parts wait for an answer."""
        async with self.waiting:
            await self.waiting.wait_for(lambda: len(self.parts) >= parts)


class Read(Journal):
    """Tells when its mail has been read, and dealt with, so often."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.read = asyncio.Condition()

    async def mail(self, run_id: str) -> tuple[Message, ...]:
        async with self.read:
            self.reads += 1
            self.read.notify_all()
        return await super().mail(run_id)

    async def ask(self, verb: str, times: int = 1, **body: str) -> None:
        """Leave a message, and wait until it has been read and dealt with."""
        await self.post("run", verb, dict(body))
        enough = self.reads + times + 1
        async with self.read:
            await self.read.wait_for(lambda: self.reads >= enough)


def world_of(provider: type[Any] = Acme) -> tuple[World, Slow, Read]:
    world = hasty(provider)
    vendor, journal = Slow(), Read()
    world.vendor, world.journal = vendor, journal
    return world, vendor, journal


def cancelled(writes: Sequence[Write]) -> bool:
    changes = [write.changes for write in writes if isinstance(write, ChangeUnit)]
    return any(change.get("outcome") is Outcome.CANCELLED for change in changes)


@pytest.mark.parametrize("end", ["interrupted", "killed", "refused", "disk full"])
async def test_a_run_that_ends_before_its_batches_are_cancelled_is_cancelled_at_resume(
    end: str,
) -> None:
    """Each has a part on its way: it is cancelled when that has ended, or by the next process."""
    world, vendor, journal = world_of()
    await world.plan([4], [4])
    stop = asyncio.Event()
    first = asyncio.create_task(run(world, stop=stop))
    await soon(vendor.wait_for(2))
    await soon(journal.ask("cancel"))

    if end == "interrupted":
        stop.set()
    elif end == "killed":
        first.cancel()
    elif end == "refused":
        vendor.parts[0].set_result(reply({}, 401))
    else:
        journal.refuse = cancelled
        vendor.parts[0].set_result(reply({}))
    await soon(asyncio.wait([first]))
    assert (await world.outcomes())[1] == "running"

    journal.refuse, vendor.slow = None, False
    assert (await soon(run(world))).outcomes == {Outcome.CANCELLED: 2}
    assert world.vendor.count("POST /complete") == 0
    assert await journal.mail("run") == ()


@pytest.mark.parametrize(
    ("route", "answer", "then"),
    [
        ("/start", reply({"id": "s9"}), ["DELETE /sessions/s9"]),
        ("/start", LOST, []),
        ("/complete", reply({"id": "j1"}), ["POST /cancel/j1"]),
        ("/complete", LOST, ["GET /sessions/s1", "POST /complete/s1", "POST /cancel/job-s1"]),
    ],
)
async def test_a_batch_that_may_have_a_job_is_cancelled_when_that_is_known(
    route: str, answer: Response | Exception, then: list[str]
) -> None:
    """Nobody has to ask once more, and nothing else is begun for it."""
    world, vendor, journal = world_of()
    vendor.slow_at = route
    await world.plan([4])
    carried = asyncio.create_task(run(world))
    await soon(vendor.wait_for(1))
    before = len(vendor.log)
    await soon(journal.ask("cancel", times=2))
    assert [message.verb for message in await journal.mail("run")] == ["cancel"]

    vendor.slow = False
    if isinstance(answer, Response):
        vendor.parts[0].set_result(answer)
    else:
        vendor.parts[0].set_exception(answer)
    assert (await soon(carried)).outcomes == {Outcome.CANCELLED: 1}
    assert vendor.log[before:] == then
    assert await journal.mail("run") == ()
    assert not [event for event in world.events if isinstance(event, Notice)]


@pytest.mark.parametrize("end", ["interrupted", "killed"])
async def test_what_may_have_a_job_as_its_process_ends_is_cancelled_at_resume(end: str) -> None:
    """The message stays until it is known."""
    world, vendor, journal = world_of()
    vendor.slow_at = "/complete"
    await world.plan([4])
    stop = asyncio.Event()
    first = asyncio.create_task(run(world, stop=stop))
    await soon(vendor.wait_for(1))
    await soon(journal.ask("cancel"))
    vendor.slow = False
    if end == "killed":
        first.cancel()
    else:
        stop.set()
        vendor.parts[0].set_exception(LOST)
    await soon(asyncio.wait([first]))
    assert await world.outcomes() == ["running"]

    assert (await soon(run(world))).outcomes == {Outcome.CANCELLED: 1}
    assert vendor.log[-1] == "POST /cancel/job-s1"
    assert await journal.mail("run") == ()
    told = [event.text for event in world.events if isinstance(event, Notice)]
    assert not [text for text in told if "not cancelled" in text]


class OnceParts(Acme):
    """Each part may be sent once; one that is lost is sent in a fresh session."""

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        (piece,) = transfer.pieces
        yield Request.put(f"/parts/{transfer.id}", Raw(piece), lost=Remedy.RESTART)
        return transfer.receipt("e")


async def test_of_a_batch_that_is_not_wanted_no_other_part_leaves() -> None:
    """Those that are on their way may end."""
    world, vendor, journal = world_of(OnceParts)
    await world.plan([16], concurrency=2)
    carried = asyncio.create_task(run(world))
    await soon(vendor.wait_for(2))
    await soon(journal.ask("cancel"))
    vendor.slow = False
    for part in vendor.parts:
        part.set_result(reply({}))
        await asyncio.sleep(0.02)
    assert (await soon(carried)).outcomes == {Outcome.CANCELLED: 1}
    assert vendor.log == ["POST /start", "DELETE /sessions/s1"]


async def test_a_batch_that_is_unknown_in_the_end_says_why_it_is_not_cancelled() -> None:
    """Nobody can tell whether there is a job; the message has been dealt with."""
    world, vendor, journal = world_of(OneRequest)
    vendor.slow_at = "/upload"
    await world.plan([4])
    carried = asyncio.create_task(run(world))
    await soon(vendor.wait_for(1))
    await soon(journal.ask("cancel"))
    vendor.parts[0].set_exception(LOST)
    assert (await soon(carried)).outcomes == {Outcome.UNKNOWN: 1}
    (told,) = [event.text for event in world.events if isinstance(event, Notice)]
    assert told.startswith("batch b0000 is not cancelled: the answer to POST 'upload' was lost")
    assert await journal.mail("run") == ()


async def test_what_is_read_again_and_again_is_asked_once() -> None:
    """While a batch is in the middle of a step the message stays; others are told of it once."""
    world, vendor, journal = world_of(Lasting)
    vendor.states, vendor.slow = ["busy"], False
    await world.plan([4], wait=False)
    await run(world)
    vendor.slow = True
    await journal.enqueue(*await another(world))
    stop = asyncio.Event()
    second = asyncio.create_task(run(world, stop=stop))
    await soon(vendor.wait_for(1))
    await soon(journal.ask("cancel", times=4))

    assert [message.verb for message in await journal.mail("run")] == ["cancel"]
    stop.set()
    await soon(second)
    told = [event.text for event in world.events if isinstance(event, Notice)]
    assert [text for text in told if "no way to cancel" in text] == [
        "job job-s1: the vendor offers no way to cancel it"
    ]


async def another(world: World) -> Any:
    """Another batch for a run, which has nothing of its own yet."""
    other = hasty()
    await other.plan([4], [4])
    document = (await other.documents())[1].changed({"place": 1})
    return [await other.journal.unit("b0001")], [document]


async def test_an_action_that_the_account_was_refused_is_done_by_the_next_resume() -> None:
    """The message stays; when it is done it goes."""
    world = hasty()
    await world.plan([4])
    world.vendor.states = ["review", "done"]
    await run(world)
    await world.journal.post("run", "act", {"unit": "b0000", "action": "approve"})
    world.vendor.script = {"POST /act": [reply({}, 403)]}

    assert isinstance((await soon(run(world))).trouble, Forbidden)
    assert len(await world.journal.mail("run")) == 1
    assert (await soon(run(world))).outcomes == {Outcome.SUCCEEDED: 1}
    assert await world.journal.mail("run") == ()


class Reviewed(Acme):
    """After an action the job wants the same once more: of another page, perhaps."""

    def act(self, job: Job, action: Action) -> Flow[Status]:
        yield Request.post(f"/act/{job.id}/{action.name}", step="act")
        return Status(state=State.NEEDS_ACTION, word="review", actions=(Action(name="approve"),))


async def test_an_action_that_is_done_while_the_run_ends_is_not_done_again() -> None:
    """Its answer comes after the interruption, and its message goes."""
    world, stop, looked = hasty(Reviewed), asyncio.Event(), asyncio.Event()
    await world.plan([4], [4], concurrency=1)
    review, busy = reply({"state": "review"}), reply({"state": "busy"})
    world.vendor.always = {"GET /jobs/job-s1": review, "GET /jobs/job-s2": busy}

    def watch(outgoing: Outgoing) -> None:
        if world.vendor.count("GET /jobs/job-s1") == 2:
            looked.set()
        if "/act" in outgoing.url:
            stop.set()

    world.vendor.on_request = watch
    first = asyncio.create_task(run(world, stop=stop))
    await soon(looked.wait())
    await world.journal.post("run", "act", {"unit": "b0000", "action": "approve"})
    assert (await soon(first)).interrupted
    assert await world.journal.mail("run") == ()

    world.vendor.always = {"GET /jobs/job-s1": review}
    await soon(run(world))
    assert world.vendor.count("POST /act") == 1


async def test_a_message_that_the_journal_fails_stays() -> None:
    """In the middle of a cancel the disk is full: it is read again, and finds the rest."""
    world = hasty()
    await world.plan([4], [4], [4])
    await world.journal.post("run", "cancel", {})
    engine = await world.engine()
    mailbox = Mailbox(engine, alone(engine))
    full = [False, True, False, False]
    world.journal.refuse = lambda writes: cancelled(writes) and full.pop(0)

    with pytest.raises(JournalError):
        assert [unit_id async for unit_id in mailbox.read()] == []
    assert await world.outcomes() == ["cancelled", "running", "running"]
    assert len(await world.journal.mail("run")) == 1

    assert [unit_id async for unit_id in mailbox.read()] == ["b0001", "b0002"]
    assert await world.outcomes() == ["cancelled", "cancelled", "cancelled"]
    assert await world.journal.mail("run") == ()


async def test_a_cancellation_that_comes_as_the_reading_ends_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second Ctrl-C right after the first, whose work waits for the reader to end."""
    world, may_end = hasty(), asyncio.Event()
    await world.plan([4])
    engine = await world.engine()
    mailbox = Mailbox(engine, alone(engine))

    async def mail(_run_id: str) -> Sequence[Message]:
        await may_end.wait()
        return ()

    async def read() -> None:
        await mailbox.deal(print)
        ending.cancel()

    monkeypatch.setattr(world.journal, "mail", mail)
    reading = asyncio.create_task(read())
    ending = asyncio.create_task(mailbox.end(5.0))
    for _ in range(3):
        await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await ending
    await reading


# ---------------------------------------------------------------------------------- wakes


async def test_a_wake_that_comes_late_does_not_ask_about_a_job_that_is_over() -> None:
    """The vendor has forgotten it: a 404 would make an unknown outcome of a success."""
    world = hasty()
    stop, both = asyncio.Event(), {"b0000": "succeeded", "b0001": "running"}
    await world.plan([4], [4], concurrency=1)
    world.vendor.always = {"GET /jobs/job-s2": reply({"state": "busy"})}
    world.vendor.on_request = lambda _: (
        stop.set() if world.vendor.log[-2:] == ["GET /jobs/job-s2"] * 2 else None
    )
    await soon(run(world, stop=stop))
    assert {id: (await world.journal.unit(id)).outcome for id in both} == both
    await world.journal.post("run", "wake", {"unit": "b0000"})
    world.vendor.always = {"GET /jobs/job-s1": reply({}, 404)}

    assert (await soon(run(world))).outcomes == {Outcome.SUCCEEDED: 2}
    assert world.vendor.count("GET /jobs/job-s1") == 1
    assert (await world.journal.unit("b0000")).settled


async def test_a_wake_while_the_end_of_a_job_is_written_down_changes_nothing() -> None:
    """The job is over, though this process does not know it yet."""
    world = hasty()
    journal = world.journal = Read()
    commit = journal.commit

    async def woken(unit_id: str, epoch: int, writes: Sequence[Write]) -> None:
        await commit(unit_id, epoch, writes)
        if any(isinstance(w, ChangeUnit) and w.changes.get("word") == "done" for w in writes):
            await journal.ask("wake", unit="b0000")

    journal.commit = woken  # type: ignore[method-assign]
    await world.plan([4])

    assert (await soon(run(world))).outcomes == {Outcome.SUCCEEDED: 1}
    assert world.vendor.count("GET /jobs") == 1
    assert (await journal.unit("b0000")).settled


async def test_requests_that_are_cut_off_by_a_stop_are_counted() -> None:
    """What left, left: also when nobody waits for its answer any more."""
    world, vendor, _ = world_of()
    await world.plan([8], [8])
    stop = asyncio.Event()
    running = asyncio.create_task(run(world, stop=stop))
    await soon(vendor.wait_for(4))
    stop.set()
    report = await soon(running)
    assert (vendor.count("POST /start"), len(vendor.parts)) == (2, 4)
    assert report.totals.requests == 6


class Gone(Acme):
    """Its sessions can be lost."""

    def refusal(self, response: Response) -> LongshoreError | None:
        return SessionLost("the session is gone") if response.status == 410 else None


async def test_a_cancel_counts_for_more_than_a_fresh_session() -> None:
    """One part says that the session is lost, then comes the cancel, then the other part ends."""
    world, vendor, journal = world_of(Gone)
    await world.plan([8])
    running = asyncio.create_task(run(world))
    await soon(vendor.wait_for(2))
    vendor.parts[0].set_result(reply({}, 410))
    await soon(journal.ask("cancel", times=3))
    vendor.slow = False
    vendor.parts[1].set_result(reply({}))
    report = await soon(running)
    assert report.outcomes == {Outcome.CANCELLED: 1}
    assert (vendor.count("POST /start"), vendor.count("POST /complete")) == (1, 0)
    assert await journal.mail("run") == ()


@pytest.mark.parametrize("first", [True, False])
async def test_a_refused_account_ends_a_run_that_cancels_many(first: bool) -> None:
    """One request tells; the others are not sent, and nothing waits for them: not for ever."""
    world = hasty()
    await world.plan([4], [4], [4], wait=False)
    await run(world)
    await world.journal.post("run", "cancel", {})
    refusal = reply({}, 401)
    if first:
        world.vendor.always = {"POST /cancel": refusal}
    else:
        world.vendor.script = {"POST /cancel": [reply({}), refusal]}
    report = await soon(run(world))
    assert isinstance(report.trouble, Unauthorized)
    assert world.vendor.count("POST /cancel") == (1 if first else 2)
    world.vendor.always = {}
    assert (await soon(run(world))).outcomes == {Outcome.CANCELLED: 3}
    assert await world.journal.mail("run") == ()
