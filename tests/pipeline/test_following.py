"""Steps that follow one another at once, and what becomes durable when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from longshore.errors import JournalError
from longshore.journal import ChangeDocument, FactKind, PutFact, Write
from longshore.lifecycle import Batch, Job, Outcome, Receipt, Session, Transfer
from longshore.pipeline import Step, take
from longshore.provider import Flow, Raw, Remedy, Request, Retry
from tests.pipeline.support import Acme, OneRequest, World, hasty, reply
from tests.pipeline.test_executor import run

pytestmark = pytest.mark.asyncio


class Asking(Acme):
    """Completes by two requests that may both be repeated: none of them has an intent."""

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        id = session.data["id"]
        yield Request.get(f"/sessions/{id}")
        reply = yield Request("PUT", f"/complete/{id}")
        return Job(id=reply.json()["id"])


def written(world: World) -> list[set[str]]:
    """Return the kinds of facts of each commit."""
    return [
        {str(write.fact.kind) for write in commit if isinstance(write, PutFact)}
        for commit in world.journal.commits
    ]


async def test_a_document_in_one_request_costs_three_commits() -> None:
    """Digest, session and intent; receipt and job; the status."""
    world = hasty(OneRequest)
    world.checksum = True
    await world.plan([4], [4], concurrency=1)
    assert (await run(world)).outcomes == {Outcome.SUCCEEDED: 2}
    first = [commit for commit in world.journal.commits if _digests(commit)]
    assert len(first) == 2
    kinds = [kinds & {"session", "intent", "receipt", "job", "status"} for kinds in written(world)]
    kinds = [kind for kind in kinds if kind]
    expected = [{"session", "intent"}, {"receipt", "job"}, {"status"}] * 2
    assert sorted(map(sorted, kinds)) == sorted(map(sorted, expected))


def _digests(commit: tuple[Write, ...]) -> list[Write]:
    return [w for w in commit if isinstance(w, ChangeDocument) and "document" in w.changes]


@pytest.mark.parametrize("provider", [Acme, Asking])
async def test_the_last_receipt_is_durable_before_anything_else_leaves(
    provider: type[Acme],
) -> None:
    """Whatever the next request is: one that has an intent, or one that needs none."""
    world = hasty(provider)
    await world.plan([8], concurrency=2)
    receipts: list[int] = []

    def look(outgoing: Any) -> None:
        if "/parts/" not in outgoing.url and "/start" not in outgoing.url:
            facts = world.journal._facts["b0000"]
            receipts.append(sum(key[0] is FactKind.RECEIPT for key in facts))

    world.vendor.on_request = look
    assert (await run(world)).exit_code == 0
    assert receipts[0] == 2
    assert world.vendor.count("PUT /parts") == 2


class Appending(Acme):
    """Parts go in order, and none may be sent twice."""

    ordered = True
    lost = Remedy.HOLD

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        (piece,) = transfer.pieces
        url = f"/parts/{session.data['id']}/{transfer.number}"
        reply = yield Request(
            "POST", url, Raw(piece), step="append", retry=Retry.ONCE, lost=self.lost
        )
        return transfer.receipt(reply.headers.get("etag", "e"))


class Restarting(Appending):
    """After a lost answer the session is begun afresh."""

    lost = Remedy.RESTART


@pytest.mark.parametrize("provider", [Appending, Restarting])
async def test_a_receipt_shares_its_commit_with_the_intent_of_the_next_part(
    provider: type[Acme],
) -> None:
    """A document of five parts that must not be repeated: one commit between two of them."""
    world = hasty(provider)
    await world.plan([20], concurrency=1)
    assert (await run(world)).outcomes == {Outcome.SUCCEEDED: 1}
    kinds = [kinds & {"receipt", "intent"} for kinds in written(world)]
    assert kinds.count({"receipt", "intent"}) == 5
    assert [world.vendor.count(f"POST /parts/s1/{number}") for number in range(1, 6)] == [1] * 5


async def test_a_chain_of_parts_lets_others_have_their_turn() -> None:
    """Small documents are there long before a large one is."""
    world = hasty(Appending)
    await world.plan([400], [4], [4], [4], concurrency=1)
    assert (await run(world)).outcomes == {Outcome.SUCCEEDED: 4}
    small = max(i for i, line in enumerate(world.vendor.log) if line == "POST /complete/s4")
    large = [i for i, line in enumerate(world.vendor.log) if line.startswith("POST /parts/s1/")]
    assert sum(i > small for i in large) > 50


async def test_nothing_follows_once_the_run_is_to_end() -> None:
    """The receipt is durable all the same, and the part is not sent again."""
    world, stop = hasty(), asyncio.Event()
    await world.plan([4], concurrency=1)

    def interrupt(outgoing: Any) -> None:
        if "/parts/" in outgoing.url:
            stop.set()

    world.vendor.on_request = interrupt
    await run(world, stop=stop)
    assert world.vendor.count("POST /complete") == 0
    assert {"receipt"} in written(world)
    assert (await run(world)).exit_code == 0
    assert (world.vendor.count("PUT /parts"), world.vendor.count("POST /start")) == (1, 1)


async def test_a_batch_that_failed_is_concluded_before_others_go_on() -> None:
    """An account's trouble that comes later does not make it be tried again."""
    world = hasty()
    await world.plan(*[[4]] * 9, concurrency=2)
    world.vendor.script = {"PUT /parts/s2": [reply({}, 422)], "POST /complete/s4": [reply({}, 401)]}
    assert (await run(world)).exit_code == 2
    assert (await world.outcomes()).count("failed") == 1


async def test_what_is_deferred_survives_writes_that_overlap_and_one_that_is_refused() -> None:
    """Each deferred write becomes durable once, in its order, with the first that succeeds."""
    world = hasty()
    await world.plan([4, 4], concurrency=1)
    engine = await world.engine()
    unit = await take(engine, "b0000")
    first, second = (ChangeDocument(id, {"word": "seen"}) for id in ("d0", "d1"))
    unit.defer([first])
    world.journal.refuse = lambda _writes: True
    with pytest.raises(JournalError):
        await unit.write(world.journal, [unit.cost()])
    world.journal.refuse = None
    gate = asyncio.Event()
    commit = world.journal.commit

    async def slow(unit_id: str, epoch: int, writes: Any) -> None:
        await gate.wait()
        await commit(unit_id, epoch, writes)

    world.journal.commit = slow  # type: ignore[method-assign]
    writing = [asyncio.create_task(unit.write(world.journal, [unit.cost()])) for _ in range(2)]
    await asyncio.sleep(0)
    unit.defer([second])
    gate.set()
    await asyncio.gather(*writing)
    await unit.write(world.journal, [])
    assert [w for c in world.journal.commits for w in c if w in (first, second)] == [first, second]
    assert [record.word for record in await world.documents()] == ["seen", "seen"]


async def test_a_slow_disk_holds_the_sending_up() -> None:
    """Parts that arrived and are not durable yet would be sent again after a crash."""
    world = hasty()
    await world.plan([4 * 200], concurrency=2)
    commit, gate = world.journal.commit, asyncio.Event()

    async def slow(unit_id: str, epoch: int, writes: Any) -> None:
        if any(isinstance(w, PutFact) and w.fact.kind is FactKind.RECEIPT for w in writes):
            await gate.wait()
        await commit(unit_id, epoch, writes)

    world.journal.commit = slow  # type: ignore[method-assign]
    running = asyncio.create_task(run(world))
    while world.vendor.count("PUT") < 32:  # noqa: ASYNC110 - however slow the machine is
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)  # long enough for others to leave, if they could
    assert world.vendor.count("PUT") <= 40
    gate.set()
    assert (await running).outcomes == {Outcome.SUCCEEDED: 1}


async def test_a_scheduler_that_says_nothing_gets_one_step_at_a_time() -> None:
    """A worker of one's own decides itself what comes next."""
    from longshore.pipeline import run_step

    world = hasty(OneRequest)
    await world.plan([4], concurrency=1)
    engine = await world.engine()
    unit = await take(engine, "b0000")
    await run_step(engine, unit, Step("start"))
    assert (unit.session is None, world.vendor.log) == (False, [])
    assert written(world) == [{"session"}]
