"""The executor on a real event loop, with a vendor that answers within milliseconds."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from longshore.documents import Document
from longshore.errors import (
    JournalError,
    RunInUse,
)
from longshore.journal import ClaimJob, FactKind, PutFact
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    DocumentFinished,
    Executor,
    Next,
    RunFinished,
    RunOptions,
    RunReport,
    execute,
)
from tests.pipeline.support import LOST, OneRequest, World, hasty, reply

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("short")]


async def run(world: World, **more: Any) -> RunReport:
    """Execute the run as one command does."""
    record = await world.journal.run("run")
    world.events.clear()
    return await execute(
        world.journal,
        world.target(),
        record,
        world.environment(),
        listener=world.events.append,
        **more,
    )


def told(world: World) -> list[int]:
    return [e.record.place for e in world.events if isinstance(e, DocumentFinished)]


# ---------------------------------------------------------------------------- scheduling


async def test_many_documents_and_parts_use_the_concurrency_exactly(turns: list[int]) -> None:
    """Never more requests in flight than allowed, and as many as allowed; each part once."""
    world = hasty()
    world.vendor.delay = 0.001
    await world.plan(*[[40]] * 30, concurrency=6)
    report = await run(world)
    assert (report.exit_code, report.outcomes) == (0, {Outcome.SUCCEEDED: 30})
    assert world.vendor.peak == 6
    assert len(world.vendor.arrived) == 300
    assert set(world.vendor.arrived.values()) == {1}
    assert sorted(told(world)) == list(range(30))
    assert report.totals.requests == len(world.vendor.log)
    assert report.totals.bytes_sent == 30 * 40
    assert turns[0] <= 2 * len(world.vendor.log)


async def test_the_window_bounds_what_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many batches there are, and however long their jobs take, few are in memory."""
    world = hasty()
    world.vendor.states = ["busy"] * 3 + ["done"]
    await world.plan(*[[4]] * 150, concurrency=4)
    sizes: list[int] = []
    launch = Executor._launch

    def look(self: Executor) -> None:
        sizes.append(len(self._active.units))
        assert len(self._turns) <= len(self._active.units) + 150
        assert len(set(self._turns._line)) == len(self._turns)
        launch(self)

    monkeypatch.setattr(Executor, "_launch", look)
    report = await run(world)
    assert report.outcomes == {Outcome.SUCCEEDED: 150}
    assert max(sizes) == 32


async def test_jobs_that_take_long_do_not_keep_others_from_being_sent() -> None:
    """More jobs than the window holds can run at the vendor at once."""
    world = hasty()
    await world.plan(*[[4]] * 60, concurrency=4)
    world.vendor.states = ["busy"]

    def all_sent(_: object) -> None:
        if world.vendor.count("POST /complete") == 60:
            world.vendor.states = ["done"]

    world.vendor.on_request = all_sent
    report = await asyncio.wait_for(run(world), 30)
    assert report.outcomes == {Outcome.SUCCEEDED: 60}


async def test_a_large_document_does_not_starve_a_small_one() -> None:
    """Units have their turns one after the other, not part by part of the first."""
    world = hasty()
    world.vendor.delay = 0.0005
    await world.plan([1200], [8], concurrency=2)
    await run(world)
    done = world.vendor.log.index("POST /complete/s2")
    assert done < 40


async def test_jobs_are_polled_while_parts_keep_every_request_busy() -> None:
    """A stream of parts without a pause does not keep a waiting job from being asked about."""
    world = hasty()
    world.vendor.delay = 0.0005
    await world.plan(*[[4]] * 40, [2000], concurrency=2)
    world.vendor.states = ["busy", "done"]
    report = await run(world)
    assert report.exit_code == 0
    last_part = max(n for n, line in enumerate(world.vendor.log) if line.startswith("PUT"))
    polls = [n for n, line in enumerate(world.vendor.log) if line.startswith("GET /jobs")]
    assert sum(n < last_part for n in polls) >= 70


async def test_every_document_is_hashed() -> None:
    """Every line has its digest, with no commit of the journal for it alone."""
    world = hasty()
    world.checksum = True
    await world.plan(*[[4]] * 20)
    await run(world)
    assert all(record.document.sha256 for record in await world.documents())


async def test_waiting_costs_few_turns(turns: list[int]) -> None:
    """A job that takes fifty polls costs about as many turns: nothing spins."""
    world = hasty()
    await world.plan([4])
    world.vendor.states = ["busy"] * 20 + ["done"]
    await run(world)
    assert turns[0] <= 4 * len(world.vendor.log)


async def test_nothing_begins_beyond_what_is_wanted_while_a_digest_is_computed() -> None:
    """A batch that has come as far as wanted sends nothing more, whatever else is going on."""
    world = hasty()
    world.checksum = True
    await world.plan([12])
    computed = asyncio.Event()

    async def slowly(document: Document) -> str:
        await asyncio.sleep(0.05)
        computed.set()
        return "0" * 64

    world.sources.digest = slowly  # type: ignore[method-assign]
    await run(world, until=lambda unit: unit.session is not None)
    assert computed.is_set()
    assert [line for line in world.vendor.log if "/parts/" in line] == []


# -------------------------------------------------------------------------------- ending


async def test_stop_lets_requests_in_flight_end() -> None:
    """Interrupted: what is out is answered, the rest is resumable."""
    world = hasty()
    stop = asyncio.Event()
    world.vendor.delay = 0.01
    await world.plan(*[[8]] * 10, concurrency=4)

    def press(_: object) -> None:
        if len(world.vendor.log) >= 9:
            stop.set()

    world.vendor.on_request = press
    report = await run(world, stop=stop)
    assert (report.exit_code, report.interrupted) == (130, True)
    assert world.vendor.in_flight == 0
    sent = len(world.vendor.log)
    assert sent < 20
    report = await run(world)
    assert report.outcomes == {Outcome.SUCCEEDED: 10}
    assert set(world.vendor.arrived.values()) == {1}


async def test_a_request_that_must_not_get_lost_is_waited_for_longer() -> None:
    """A ONCE request gets its whole time-out at the end; an idempotent one does not."""
    world = hasty(OneRequest, timeout=5.0)
    stop = asyncio.Event()
    world.vendor.delay = 0.1
    await world.plan([4])
    task = asyncio.create_task(run(world, stop=stop))
    await world.vendor.busy.wait()
    stop.set()
    report = await task
    assert report.exit_code == 130
    kinds = {f.kind for f in (await world.journal.facts("b0000")).facts}
    assert FactKind.RECEIPT in kinds
    assert FactKind.INTENT not in kinds


async def test_enough_failures_begin_no_new_batch() -> None:
    """--max-failures ends the run; what was not begun stays resumable."""
    world = hasty()
    await world.plan(*[[4]] * 100, concurrency=1, max_failures=2)
    world.vendor.always = {"POST /start": reply({}, 422)}
    report = await run(world)
    assert report.exit_code == 1
    assert 2 <= report.outcomes[Outcome.FAILED] <= 4  # with those that were under way
    assert report.outcomes[Outcome.RUNNING] == 100 - report.outcomes[Outcome.FAILED]
    assert len(world.vendor.log) == report.outcomes[Outcome.FAILED]


async def test_enough_failures_let_what_was_begun_come_to_its_end() -> None:
    """A session that is open is not left behind."""
    world = hasty()
    await world.plan(*[[4]] * 100, concurrency=1, max_failures=2)
    world.vendor.always = {"PUT": reply({}, 422)}
    report = await run(world)
    assert report.exit_code == 1
    assert report.outcomes[Outcome.FAILED] == world.vendor.count("POST /start")
    assert report.outcomes[Outcome.RUNNING] > 60


async def test_enough_failures_beside_a_job_that_needs_action_end_too() -> None:
    """Nothing that waits for a person keeps a run alive that may not begin anything."""
    world = hasty()
    await world.plan(*[[4]] * 60, concurrency=1, max_failures=1)
    world.vendor.states = ["review"]
    world.vendor.always = {"PUT /parts/s2": reply({}, 422)}
    report = await asyncio.wait_for(run(world), 30)
    assert report.exit_code == 1
    assert report.outcomes[Outcome.NEEDS_ACTION] >= 1


async def test_a_job_given_up_beside_one_that_needs_action_ends() -> None:
    """poll_timeout and needs_action together do not wait for ever."""
    world = hasty(poll_timeout=0.03)
    await world.plan([4], [4])
    world.vendor.always = {"GET /jobs/job-s1": reply({"state": "busy"})}
    world.vendor.states = ["review"]
    report = await asyncio.wait_for(run(world), 30)
    assert report.outcomes == {Outcome.RUNNING: 1, Outcome.NEEDS_ACTION: 1}
    assert report.exit_code == 3


async def test_needs_action_ends_the_wait() -> None:
    """Every document is terminal or needs somebody: the command ends with 3."""
    world = hasty()
    await world.plan([4], [4])
    world.vendor.always = {"GET /jobs/job-s1": reply({"state": "review"})}
    report = await run(world)
    assert (report.exit_code, report.outcomes) == (
        3,
        {Outcome.NEEDS_ACTION: 1, Outcome.SUCCEEDED: 1},
    )


async def test_a_resume_asks_about_what_needed_action_a_moment_ago() -> None:
    """Even if the vendor wants a pause between two questions: it is waited for."""
    world = hasty(poll_interval=0.3)
    world.vendor.states = ["review", "done"]
    await world.plan([4])
    assert (await run(world)).outcomes == {Outcome.NEEDS_ACTION: 1}
    assert (await run(world)).outcomes == {Outcome.SUCCEEDED: 1}


@pytest.mark.parametrize("interval", [0.01, 0.0001], ids=["short", "over before it is looked at"])
async def test_a_run_ends_however_many_jobs_wait_for_somebody(interval: float) -> None:
    """Each is asked about, but that some poll is always due keeps no run from ending."""
    world = hasty(poll_interval=interval)
    await world.plan(*[[4]] * 120, concurrency=4)
    world.vendor.always = {"GET /jobs/": reply({"state": "review"})}
    report = await asyncio.wait_for(run(world), 20)
    assert (report.exit_code, report.outcomes) == (3, {Outcome.NEEDS_ACTION: 120})
    report = await asyncio.wait_for(run(world), 20)
    assert (report.exit_code, report.outcomes) == (3, {Outcome.NEEDS_ACTION: 120})
    polls = Counter(line for line in world.vendor.log if line.startswith("GET /jobs/"))
    assert len(polls) == 120
    assert min(polls.values()) >= 2
    assert sum(polls.values()) <= 120 * 100


async def test_without_waiting_the_run_ends_when_jobs_are_accepted() -> None:
    """--no-wait: running, exit 0, no poll, and the digest is there all the same."""
    world = hasty()
    world.checksum = True
    await world.plan(*[[4]] * 5, wait=False)
    report = await run(world)
    assert (report.exit_code, report.outcomes) == (0, {Outcome.RUNNING: 5})
    assert world.vendor.count("GET /jobs") == 0
    assert sorted(told(world)) == list(range(5))
    records = [e for e in world.events if isinstance(e, DocumentFinished)]
    assert all(e.unit is not None and e.unit.job_id for e in records)
    assert all(e.record.document.sha256 for e in records)


async def test_an_unknown_outcome_is_asked_about_again_at_resume() -> None:
    """A resume of a lost request asks, and waits for the answer if it takes a while."""
    world = hasty()
    await world.plan([4])
    world.vendor.script = {"POST /complete": [LOST]}
    world.vendor.always = {"GET /sessions": reply({"state": "unsure"})}
    report = await run(world)
    assert (report.exit_code, report.outcomes) == (4, {Outcome.UNKNOWN: 1})
    assert world.vendor.count("GET /sessions") == 5
    world.vendor.always = {"GET /sessions": reply({"state": "done", "job": "job-s1"})}
    report = await run(world)
    assert (report.exit_code, report.outcomes) == (0, {Outcome.SUCCEEDED: 1})
    assert world.vendor.count("POST /complete") == 1


async def test_resend_after_unknown_is_followed_to_its_end() -> None:
    """A resumed unknown that starts afresh is not left half way."""
    world = hasty(OneRequest)
    await world.plan([4])
    world.vendor.script = {"POST /upload": [LOST, reply({"id": "again"})]}
    assert (await run(world)).exit_code == 4
    options = {"checksum": False, "on_unknown": "resend"}
    await world.journal.change_run("run", options=options)
    world.vendor.states = ["busy", "busy", "done"]
    report = await run(world)
    assert (report.exit_code, report.outcomes) == (0, {Outcome.SUCCEEDED: 1})


async def test_two_executors_of_one_run_are_refused() -> None:
    """One executor per run."""
    world = hasty()
    world.vendor.delay = 0.01
    await world.plan([4])
    first = asyncio.create_task(run(world))
    await world.vendor.busy.wait()
    with pytest.raises(RunInUse):
        await run(world)
    assert (await first).exit_code == 0


@pytest.mark.parametrize("what", [FactKind.INTENT, FactKind.SESSION, FactKind.RECEIPT, "claim"])
async def test_a_journal_that_refuses_ends_the_run_and_a_resume_heals(what: Any) -> None:
    """A full disk: the run ends with 2, nothing fails, and later everything is carried once."""
    world = hasty()
    await world.plan(*[[8]] * 6, concurrency=3)
    seen = [0]

    def full(writes: Any) -> bool:
        hit = any(isinstance(w, ClaimJob) if what == "claim" else _is(w, what) for w in writes)
        seen[0] += hit
        return hit and seen[0] > 3

    world.journal.refuse = full
    report = await run(world)
    assert isinstance(report.trouble, JournalError)
    assert report.exit_code == 2
    assert set(report.outcomes) <= {Outcome.RUNNING, Outcome.SUCCEEDED}
    assert world.vendor.in_flight == 0
    world.journal.refuse = None
    world.vendor.always = {"GET /sessions": reply({"state": "open"})}
    for n in range(1, 7):
        word = "done" if f"POST /complete/s{n}" in world.vendor.log else "open"
        world.vendor.always[f"GET /sessions/s{n}"] = reply({"state": word, "job": f"job-s{n}"})
    world.vendor.always.pop("GET /sessions")
    report = await run(world)
    assert report.outcomes == {Outcome.SUCCEEDED: 6}
    completes = [line for line in world.vendor.log if line.startswith("POST /complete")]
    assert len(completes) == 6


async def test_a_disk_that_is_full_at_the_very_end_hides_no_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What happened is in the report, and observers are told that the run ends here."""
    world = hasty()
    await world.plan([4])

    async def full(run_id: str, **changes: object) -> None:
        raise JournalError("the disk is full")

    monkeypatch.setattr(world.journal, "change_run", full)
    report = await run(world)
    assert (report.exit_code, report.outcomes) == (2, {Outcome.SUCCEEDED: 1})
    assert "the disk is full" in str(report.trouble)
    assert isinstance(world.events[-1], RunFinished)
    monkeypatch.undo()
    report = await run(world)
    assert (report.exit_code, report.run.finished_at is None) == (0, False)


def _is(write: object, kind: FactKind) -> bool:
    return isinstance(write, PutFact) and write.fact.kind is kind


async def test_jobs_are_asked_about_while_others_are_still_sent() -> None:
    """A job that is over is seen to be over soon, however much there is to send yet."""
    world = hasty()
    world.vendor.states = ["busy", "done"]
    world.vendor.delay = 0.001
    await world.plan(*[[4]] * 120, concurrency=4)
    seen = 0

    def look(line: object) -> None:
        nonlocal seen
        if world.vendor.count("POST /complete") < 100:
            seen = sum(isinstance(event, DocumentFinished) for event in world.events)

    world.vendor.on_request = look
    report = await run(world)
    assert report.outcomes == {Outcome.SUCCEEDED: 120}
    assert seen > 50


async def test_a_batch_that_the_mailbox_holds_does_not_leave_memory() -> None:
    """Else it would be kept as it was, while the journal says that it is due."""
    world = hasty()
    await world.plan([4])
    executor = Executor(await world.engine(), RunOptions(concurrency=4), asyncio.Event())
    await executor._refill()
    unit = executor._active.units["b0000"]
    later = Next("later", unit.record.at, unit.record.why)
    async with executor._active.hold(unit.id):
        executor._set_aside(unit, later)
        assert executor._active.units == {"b0000": unit}
    executor._set_aside(unit, later)
    assert executor._active.units == {}
