"""Ends of a run: whoever waits for a place is told, and what never left is forgotten."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from longshore.documents import Document
from longshore.errors import Forbidden, JournalError
from longshore.journal import ChangeUnit, ClaimJob, FactKind, Write
from longshore.lifecycle import Batch, Outcome, Receipt, Session, Setup, Transfer
from longshore.pipeline import RunStarted, SystemClock, _advance, _executor, execute
from longshore.provider import (
    Answer,
    Flow,
    LostRequest,
    NotDone,
    Raw,
    Request,
    Response,
    Retry,
    Undecided,
)
from longshore.sources import SMALL
from longshore.transfer import Outgoing, retry_with_clock
from tests.pipeline.support import LOST, Acme, Journal, OneRequest, Vendor, hasty, reply
from tests.pipeline.test_executor import run

pytestmark = pytest.mark.usefixtures("short")


async def soon(work: Any) -> Any:
    """Wait for what must not hang, nor wait for the next try of a request: that is 20 s away."""
    return await asyncio.wait_for(work, 15)


# ---------------------------------------------------------------------- the end of a run


class Pairs(Acme):
    """Takes two documents in a batch."""

    per_batch = 2


@pytest.mark.parametrize("word", ["broken", "gone"])
async def test_what_ended_badly_without_a_reason_says_where_to_look(word: str) -> None:
    """Whoever reads the report is not left alone, whichever vendor is silent."""
    world = hasty()
    await world.plan([4])
    world.vendor.always = {"GET /jobs": reply({"state": word})}
    await run(world)
    unit, (document,) = await world.journal.unit("b0000"), await world.documents()
    assert unit.error == document.error
    assert unit.error is not None
    assert unit.error.message == "the vendor gives no reason: its own pages show the job"


@pytest.mark.parametrize(("sizes", "parts"), [([12], [3]), ([8, 4], [2, 1])])
async def test_parts_that_arrived_are_told_of_what_failed_after_them(
    sizes: list[int], parts: list[int]
) -> None:
    """The bytes are counted, and so are the transfers that carried them."""
    world = hasty(Pairs)
    await world.plan(sizes)
    world.vendor.always = {"POST /complete": reply({"detail": "no"}, 422)}
    await run(world)
    documents = await world.documents()
    assert [str(document.outcome) for document in documents] == ["failed"] * len(sizes)
    assert [document.parts for document in documents] == parts


class Counting(Journal):
    """Counts how often the documents are counted."""

    counted = 0

    async def outcomes(self, run_id: str) -> dict[Outcome, int]:
        self.counted += 1
        return await super().outcomes(run_id)


COST = {"counters", "seconds"}


class Locked(Journal):
    """Somebody else has locked it: each commit waits for a while, in vain."""

    locked = False
    costs = waiting = together = 0

    async def commit(self, unit_id: str, epoch: int, writes: Sequence[Write]) -> None:
        if not self.locked:
            return await super().commit(unit_id, epoch, writes)
        cost = [set(w.changes) for w in writes if isinstance(w, ChangeUnit)] == [COST]
        alone = cost and len(writes) == 1
        self.costs += alone
        self.waiting += alone
        self.together = max(self.together, self.waiting)
        await asyncio.sleep(0.01)
        self.waiting -= alone
        raise JournalError("another process keeps it locked")


async def test_a_locked_journal_is_waited_for_once_at_the_end() -> None:
    """Half a minute for each batch in memory would be a quarter of an hour."""
    world = hasty()
    world.journal = journal = Locked()
    await world.plan(*[[8]] * 12, concurrency=12)

    def lock(outgoing: Outgoing) -> None:
        journal.locked |= "/parts/" in outgoing.url

    world.vendor.on_request = lock
    report = await run(world)
    assert isinstance(report.trouble, JournalError)
    assert journal.costs > 1
    assert journal.together == journal.costs


async def test_a_mistake_at_the_end_is_not_kept_silent() -> None:
    """A journal that refuses has told its trouble; what else goes wrong is nobody's to hide."""
    world = hasty()
    await world.plan([4])
    world.vendor.script = {"POST /start": [reply({}, 401)]}

    def mistaken(writes: Sequence[Write]) -> bool:
        if [set(write.changes) for write in writes if isinstance(write, ChangeUnit)] == [COST]:
            raise TypeError("mistaken")
        return False

    world.journal.refuse = mistaken
    with pytest.raises(TypeError, match="mistaken"):
        await run(world)


async def test_a_run_that_is_over_is_counted_twice_only() -> None:
    """Once to see what is left of it, once to say how it ended; there may be a million."""
    world = hasty()
    world.journal = Counting()
    await world.plan([4], [4])
    await run(world)
    world.journal.counted = 0
    report = await run(world)
    assert (report.outcomes, world.journal.counted) == ({Outcome.SUCCEEDED: 2}, 2)
    assert report.run.finished_at is not None


async def test_a_run_that_is_over_ended_when_it_did() -> None:
    """To go on with it once more makes it last no longer."""
    world = hasty()
    await world.plan([4])
    first = await run(world)
    assert (await run(world)).run.finished_at == first.run.finished_at


async def test_a_run_that_goes_on_says_what_was_finished_before() -> None:
    """What shows how far it is needs not begin with nothing."""
    world = hasty()
    await world.plan([4], [4], [4])
    world.vendor.script = {"GET /jobs/job-s2": [reply({"state": "broken"})]}
    world.vendor.always = {"GET /jobs/job-s3": reply({"state": "review"})}
    finished = []
    for _ in range(2):
        await run(world)
        finished += [e.finished for e in world.events if isinstance(e, RunStarted)]
    assert finished == [0, 2]


class Preparing(Acme):
    """Asks twice before the batches."""

    def prepare(self) -> Flow[Setup]:
        yield Request.get("/project")
        yield Request.get("/limits")
        return Setup()


async def test_a_stop_while_the_run_is_prepared_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer may come; what would be asked after it is not, and nobody waits for it."""
    monkeypatch.setattr(_advance, "GRACE", 60.0)
    world, stop = hasty(Preparing), asyncio.Event()
    await world.plan([4])
    world.vendor.on_request = lambda _: stop.set()

    report = await soon(run(world, stop=stop))

    assert report.interrupted
    assert world.vendor.log == ["GET /project"]
    world.vendor.on_request = None
    assert (await run(world)).outcomes == {Outcome.SUCCEEDED: 1}


async def test_a_refusal_that_the_mail_ran_into_ends_the_run() -> None:
    """Nothing more leaves after the account was refused; the others do not wait for ever."""
    world, stop = hasty(), asyncio.Event()
    await world.plan([4], [4], concurrency=1)
    world.vendor.states = ["review"]
    world.vendor.on_request = lambda sent: stop.set() if "/jobs" in sent.url else None
    await run(world, stop=stop)
    await world.journal.post("run", "act", {"unit": "b0000", "action": "approve"})
    world.vendor.script = {"POST /act": [reply({}, 403)]}
    before = len(world.vendor.log)

    report = await soon(run(world))

    assert isinstance(report.trouble, Forbidden)
    assert world.vendor.log[before:] == ["POST /act/job-s1/approve"]


class Aborting(Acme):
    """Gives a session back with a request that may be repeated."""

    def abort(self, session: Session) -> Flow[None]:
        url = f"/sessions/{session.data['id']}"
        yield Request("DELETE", url, step="abort", retry=Retry.IDEMPOTENT)


async def test_a_session_that_may_not_be_given_back_does_not_keep_the_run_from_ending() -> None:
    """The vendor refuses to hear of the first; the second stays in the queue."""
    world = hasty(Aborting)
    await world.plan([4], [4], concurrency=1)
    world.vendor.always = {"PUT /parts": reply({}, 422), "DELETE /sessions": reply({}, 403)}

    report = await soon(run(world))

    assert report.outcomes == {Outcome.FAILED: 2}
    assert world.vendor.count("DELETE /sessions") == 1
    assert len(await world.journal.abandoned("run")) == 2


class Keyed(Acme):
    """A key makes the commit point harmless, for a day."""

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        (piece,) = transfer.pieces
        yield Request(
            "POST",
            f"/parts/{session.data['id']}",
            Raw(piece),
            step="part",
            retry=Retry.KEYED,
            key_header="Key",
        )
        return transfer.receipt("e")


async def test_a_keyed_request_that_got_no_place_leaves_no_intent() -> None:
    """A resume after the vendor forgot the key would take it for lost: unknown, or a question."""
    world, stop = hasty(Keyed), asyncio.Event()
    world.vendor.delay = 0.01
    await world.plan(*[[4]] * 8, concurrency=4)
    world.vendor.on_request = lambda sent: stop.set() if "/parts" in sent.url else None

    await soon(run(world, stop=stop))

    left = world.vendor.count("POST /parts")
    opened = 0
    for number in range(8):
        facts = (await world.journal.facts(f"b{number:04}")).facts
        receipts = sum(fact.kind is FactKind.RECEIPT for fact in facts)
        opened += any(f.kind is FactKind.INTENT and f.flow.startswith("send/") for f in facts)
        left -= receipts
    assert (left, opened) == (0, 0)


# ---------------------------------------------------------------------- what follows a part


class Asking(Acme):
    """Parts go in any order; after a lost answer the vendor is asked, and may not know yet."""

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        (piece,) = transfer.pieces
        url = f"/parts/{session.data['id']}/{transfer.number}"

        def ask(_lost: LostRequest) -> Flow[Answer]:
            reply = yield Request.get("/state")
            return NotDone() if reply.json()["state"] == "gone" else Undecided(9.0, "not yet")

        yield Request("POST", url, Raw(piece), step="part", retry=Retry.ONCE, lost=ask)
        return transfer.receipt("e")


class Slow(Vendor):
    """Each part takes a little longer than the one before it."""

    async def send(self, outgoing: Outgoing) -> Response:
        *_, session, last = outgoing.url.split("/")
        if session == "s1":
            await asyncio.sleep(0.02 * (int(last) - 1))
        return await super().send(outgoing)


async def test_a_part_that_waits_is_not_what_follows_another() -> None:
    """It is asked about when its time has come, not whenever another part has arrived."""
    world = hasty(Asking, poll_interval=0.2, timeout=0.001)
    unsure, gone = reply({"state": "unsure"}), reply({"state": "gone"})
    world.vendor = Slow(script={"POST /parts/s1/1": [LOST], "GET /state": [unsure, gone]})
    await world.plan([24], concurrency=4)
    asked: list[float] = []
    world.vendor.on_request = lambda sent: (
        asked.append(world.clock.now()) if sent.url.endswith("/state") else None
    )

    report = await soon(run(world))

    assert report.outcomes == {Outcome.SUCCEEDED: 1}
    assert asked[1] - asked[0] >= 0.2


# ---------------------------------------------------------------------- digests


async def test_a_digest_that_ends_while_the_job_is_written_down_is_kept() -> None:
    """A large file is not read a second time."""
    world = hasty(OneRequest)
    world.checksum = True
    hashed: list[str] = []
    accepted = asyncio.Event()

    async def digest(document: Document) -> str:
        hashed.append(document.id)
        await accepted.wait()
        return "ab" * 32

    commit = world.journal.commit

    async def slowly(unit_id: str, epoch: int, writes: Sequence[Write]) -> None:
        if any(isinstance(write, ClaimJob) for write in writes):
            accepted.set()
            for _ in range(5):
                await asyncio.sleep(0)
        await commit(unit_id, epoch, writes)

    world.sources.digest = digest  # type: ignore[method-assign]
    world.journal.commit = slowly  # type: ignore[method-assign]
    await world.plan([SMALL + 1])

    assert (await soon(run(world))).outcomes == {Outcome.SUCCEEDED: 1}
    assert hashed == ["d0"]
    assert [record.document.sha256 for record in await world.documents()] == ["ab" * 32]


# ---------------------------------------------------------------------- cancelled


@pytest.mark.parametrize("provider", [OneRequest, Acme])
async def test_what_waits_after_a_429_leaves_no_intent_when_it_is_cancelled(
    provider: type[Acme],
) -> None:
    """The vendor surely did nothing: the documents are not unknown, and nothing is begun anew."""
    world, stop = hasty(provider), asyncio.Event()
    too_many = reply({}, 429, **{"Retry-After": "20"})
    world.vendor.script = {"POST /upload": [too_many], "POST /start": [too_many]}
    world.vendor.on_request = lambda _: stop.set()
    await world.plan([4])

    assert (await soon(run(world, stop=stop))).interrupted
    facts = (await world.journal.facts("b0000")).facts
    assert [fact for fact in facts if fact.kind is FactKind.INTENT] == []

    world.vendor.on_request = None
    assert (await soon(run(world))).outcomes == {Outcome.SUCCEEDED: 1}
    assert (await world.journal.unit("b0000")).attempt == 1


@pytest.mark.parametrize(("route", "status"), [("GET /jobs", 503), ("POST /start", 429)])
async def test_who_only_waits_for_the_next_try_is_not_waited_for(
    route: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause of twenty seconds does not hold up the end, and nothing is in doubt after it."""
    monkeypatch.setattr(_executor, "GRACE", 60.0)
    world, stop = hasty(), asyncio.Event()
    world.vendor.always = {route: reply({}, status, **{"retry-after": "20"})}
    await world.plan([4], concurrency=1)
    patient = replace(
        world.environment(), retries=retry_with_clock(SystemClock()), rng=random.Random(3)
    )
    record = await world.journal.run("run")

    def press(_: object) -> None:
        if world.vendor.count(route) == 1:
            stop.set()

    world.vendor.on_request = press
    await soon(execute(world.journal, world.target(), record, patient, stop=stop))
    facts = (await world.journal.facts("b0000")).facts
    assert [fact.kind for fact in facts if fact.kind is FactKind.INTENT] == []

    world.vendor.always = {}
    assert (await run(world)).outcomes == {Outcome.SUCCEEDED: 1}
