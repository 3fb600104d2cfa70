"""The local executor: mailbox and several lives."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest

from longshore.errors import AccountError, JournalError
from longshore.lifecycle import Action, Job, Outcome, Status
from longshore.pipeline import Executor, RunOptions, Step, act, run_line, run_step, take
from longshore.provider import Flow
from tests.pipeline.support import LOST, Acme, hasty, reply
from tests.pipeline.test_executor import run, told
from tests.pipeline.test_mailbox import Reviewed

pytestmark = pytest.mark.asyncio


class Retrying(Acme):
    """What failed can be tried again."""

    def poll(self, job: Job) -> Flow[Status]:
        status = yield from super().poll(job)
        return status.changed({"actions": (Action(name="approve"),)})


# -------------------------------------------------------------------------------- mailbox


async def test_cancel_through_the_mailbox() -> None:
    """Running jobs are cancelled at the vendor, what was not begun is cancelled here."""
    world = hasty()
    await world.plan(*[[4]] * 80, concurrency=4)
    world.vendor.states = ["busy"]

    posted = [False]

    def post(outgoing: Any) -> None:
        if "/jobs/" in outgoing.url and not posted[0]:
            posted[0] = True
            asyncio.get_running_loop().create_task(world.journal.post("run", "cancel", {}))

    world.vendor.on_request = post

    async def again() -> None:
        while True:  # what was in the middle of a request is cancelled by asking again
            await asyncio.sleep(0.02)
            if not await world.journal.mail("run"):
                await world.journal.post("run", "cancel", {})

    asking = asyncio.create_task(again())
    report = await asyncio.wait_for(run(world), 30)
    asking.cancel()
    assert report.outcomes == {Outcome.CANCELLED: 80}
    jobs = {line.rpartition("/")[2] for line in world.vendor.log if "POST /cancel" in line}
    made = {line.rpartition("/")[2] for line in world.vendor.log if "POST /complete" in line}
    assert {f"job-{session}" for session in made} == jobs
    assert world.vendor.count("POST /cancel") == len(jobs)


async def test_what_is_cancelled_out_of_memory_stays_out_of_it() -> None:
    """There may be a hundred thousand batches; only one that may have a job is looked after."""
    world = hasty()
    await world.plan(*[[4]] * 5)
    engine = await world.engine()
    lost = await take(engine, "b0002")
    world.vendor.script = {"POST /start": [LOST]}
    await run_step(engine, lost, Step("start"))  # and its process ends
    await world.journal.post("run", "cancel", {})
    executor = Executor(await world.engine(), RunOptions(), asyncio.Event())
    seen: list[list[str]] = []

    def told(unit_id: str) -> None:
        seen.append(list(executor._active.units))
        executor._wake(unit_id)

    await executor._mailbox.deal(told)
    assert seen[-1] == [lost.id]
    await asyncio.wait_for(executor.run(), 10)
    assert await world.outcomes() == ["cancelled"] * 5


async def test_an_action_through_the_mailbox() -> None:
    """What a person asked for is done by the run's executor, or by the next resume."""
    world = hasty()
    await world.plan([4])
    world.vendor.states = ["review", "done"]
    assert (await run(world)).exit_code == 3
    await world.journal.post("run", "act", {"unit": "b0000", "action": "approve"})
    report = await run(world)
    assert (report.exit_code, world.vendor.count("POST /act/job-s1/approve")) == (0, 1)
    assert await world.journal.mail("run") == ()


@pytest.mark.parametrize("mail", [True, False])
async def test_what_was_over_moves_again_and_is_over_later(*, mail: bool) -> None:
    """A failed job that is tried again: killed meanwhile, its run is one that `resume` finds."""
    world = hasty(Retrying)
    await world.plan([4])
    world.vendor.states = ["broken", "done"]
    first = await run(world)
    assert first.run.finished_at is not None
    seen: list[float | None] = []

    def look(outgoing: Any) -> None:
        if "/act/" in outgoing.url:
            seen.append(world.journal._runs["run"].finished_at)

    world.vendor.on_request = look
    if mail:
        await world.journal.post("run", "act", {"unit": "b0000", "action": "approve"})
    else:
        unit, approve = await world.journal.unit("b0000"), Action(name="approve")
        environment = world.environment()
        await act(world.journal, world.target(), unit, approve, environment=environment)
    report = await run(world)
    assert (report.outcomes, seen) == ({Outcome.SUCCEEDED: 1}, [None])
    assert report.run.finished_at is not None
    assert report.run.finished_at > first.run.finished_at


@pytest.mark.parametrize("mail", [True, False])
@pytest.mark.parametrize("status", [402, 422])
async def test_what_was_refused_makes_no_run_last_longer(*, mail: bool, status: int) -> None:
    """Of the job nothing moves, of the run nothing: both ended when they did."""
    world = hasty(Retrying)
    await world.plan([4])
    world.vendor.states = ["broken"]
    first, over = await run(world), await world.journal.unit("b0000")
    world.vendor.script = {"POST /act/job-s1/approve": [reply({}, status)]}
    world.clock._start += 1000.0
    if mail:
        await world.journal.post("run", "act", {"unit": "b0000", "action": "approve"})
        await run(world)
    else:
        unit, approve = await world.journal.unit("b0000"), Action(name="approve")
        with pytest.raises(AccountError) if status == 402 else nullcontext():
            await act(world.journal, world.target(), unit, approve, environment=world.environment())
    assert world.vendor.count("POST /act/job-s1/approve") == 1
    assert (await world.journal.run("run")).finished_at == first.run.finished_at
    assert (await world.journal.unit("b0000")).finished_at == over.finished_at


@pytest.mark.parametrize(("verb", "body"), [("cancel", {}), ("wake", {"unit": "b0000"})])
async def test_mail_that_comes_too_late_makes_no_run_last_longer(
    verb: str, body: dict[str, Any]
) -> None:
    """Nothing of it moves: it ended when it did."""
    world = hasty()
    await world.plan([4])
    first = await run(world)
    await world.journal.post("run", verb, body)
    assert (await run(world)).run.finished_at == first.run.finished_at
    assert await world.journal.mail("run") == ()


async def test_an_action_is_durable_together_with_the_end_of_its_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed right after its commit, it is not done again, though the job offers the same."""

    async def killed(_ids: Sequence[int]) -> None:
        raise JournalError("killed before that")

    world = hasty(Reviewed)
    await world.plan([4])
    world.vendor.states = ["review"]
    await run(world)
    await world.journal.post("run", "act", {"unit": "b0000", "action": "approve"})
    with monkeypatch.context() as patched:
        patched.setattr(world.journal, "drop_mail", killed)
        await run(world)
    assert (world.vendor.count("POST /act"), await world.journal.mail("run")) == (1, ())

    await run(world)
    assert world.vendor.count("POST /act") == 1


async def test_a_wake_asks_at_once_but_not_sooner_than_the_floor() -> None:
    """A webhook brings the next poll forward."""
    world = hasty(poll_interval=None)
    await world.plan([4])
    engine = await world.engine()
    from longshore.pipeline import advance
    from longshore.pipeline._asked import alone
    from longshore.pipeline._mailbox import Mailbox

    await advance("b0000", engine=engine, until=lambda unit: unit.job is not None)
    (unit,) = await world.journal.take("b0000")
    from longshore.journal import ChangeUnit

    later = world.clock.now() + 60.0
    await world.journal.commit("b0000", unit.unit.epoch, [ChangeUnit({"at": later})])
    await world.journal.post("run", "wake", {"unit": "b0000"})
    assert [unit_id async for unit_id in Mailbox(engine, alone(engine)).read()] == ["b0000"]
    assert (await world.journal.unit("b0000")).at <= world.clock.now()


async def test_a_wake_does_not_raise_the_dead() -> None:
    """A batch that failed without a job is not started again by a webhook."""
    world = hasty()
    await world.plan([4], [4])
    world.vendor.script = {"PUT /parts/s1": [reply({}, 422)]}
    await run(world)
    await world.journal.post("run", "wake", {"unit": "b0000"})
    await run(world)
    assert world.vendor.count("POST /start") == 2


async def test_a_message_that_makes_no_sense_does_not_stop_the_mail() -> None:
    """It is dropped with a notice; the run goes on."""
    world = hasty()
    await world.plan([4])
    await world.journal.post("run", "act", {"unit": "nobody", "action": "x"})
    assert (await run(world)).exit_code == 0
    assert await world.journal.mail("run") == ()


# --------------------------------------------------------------------------------- lives


async def test_every_document_is_told_once_in_each_life_of_a_run() -> None:
    """A resume tells of all documents, also of those that an earlier command finished."""
    world = hasty()
    await world.plan(*[[4]] * 9, concurrency=2)
    world.vendor.script = {"POST /complete/s7": [reply({}, 401)], "PUT /parts/s2": [reply({}, 422)]}
    for expected in (2, 1, 1):
        report = await run(world)
        assert report.exit_code == expected
        assert sorted(told(world)) == list(range(9))
        line = run_line(report)
        assert sum(int(str(line[str(o)])) for o in Outcome) == line["documents"] == 9


async def test_told_limits_refuse_before_the_first_byte() -> None:
    """What breaks the limits that the vendor tells in prepare is refused; strict refuses all."""
    from longshore.capabilities import Capabilities, Limits
    from longshore.lifecycle import Setup
    from longshore.provider import Request

    class Telling(Acme):
        def prepare(self) -> Flow[Setup]:
            yield Request.get("/limits")
            own = self.capabilities()
            limits = Limits(bytes_per_document=10)
            told = own.model_copy(update={"limits": limits})
            assert isinstance(told, Capabilities)
            return Setup(capabilities=told)

    for strict, expected in ((False, 1), (True, 2)):
        world = hasty(Telling)
        await world.plan([4], [40], strict=strict)
        report = await run(world)
        assert report.exit_code == expected
        assert report.outcomes[Outcome.REFUSED] == (2 if strict else 1)
        assert world.vendor.count("POST /start") == (0 if strict else 1)
