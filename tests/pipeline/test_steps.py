"""Steps and verdicts: restarts, vanished files, polls, renewals, and what is written of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from longshore.errors import RequestRefused, Unauthorized, VendorUnavailable
from longshore.journal import FactKind, UnitRecord
from longshore.lifecycle import (
    Accepted,
    Batch,
    DocumentStatus,
    Job,
    Outcome,
    Receipt,
    Session,
    State,
    Status,
    Transfer,
)
from longshore.pipeline import Step, advance, execute, give_back, prepare, run_step, take
from longshore.provider import Flow, Raw, Request
from tests.pipeline.support import LOST, Acme, World, calm, hasty, reply

pytestmark = pytest.mark.asyncio


async def live(world: World, *, rounds: int = 40, unit: str = "b0000") -> UnitRecord:
    """Advance a batch, jumping to when it is due, until it is finished; return its record."""
    engine = await world.engine()
    for _ in range(rounds):
        outcome = await advance(unit, engine=engine)
        if outcome.state in ("finished", "unknown"):
            return await world.journal.unit(unit)
        world.clock.time = max(world.clock.now(), outcome.at)
    raise AssertionError("it does not end")


async def facts(world: World, kind: FactKind) -> list[Any]:
    return [f for f in (await world.journal.facts("b0000")).facts if f.kind is kind]


@pytest.mark.parametrize("others", [0, 1])
async def test_three_restarts_in_a_row_then_failed(others: int) -> None:
    """What loses four answers, alone or while others get theirs, has failed; not in a hurry."""
    world = calm()
    await world.plan([4], *[[4]] * others)
    world.vendor.states = ["busy"]
    engine, began = await world.engine(), world.clock.now()
    for _ in range(others):
        await advance("b0001", engine=engine)
    world.vendor.always = {"POST /start": LOST}
    tried: list[float] = []
    while not (record := await world.journal.unit("b0000")).settled:
        for _ in range(others):
            await advance("b0001", engine=engine)  # its poll is answered
        tried.append(world.clock.now() - began)
        outcome = await advance("b0000", engine=engine)
        record = await world.journal.unit("b0000")
        assert record.settled or (outcome.state, outcome.at) == ("later", record.at)
        world.clock.time = max(world.clock.now(), outcome.at)
    assert (record.outcome, record.attempt, record.restarts) == (Outcome.FAILED, 4, 3)
    assert world.vendor.count("POST /start") == others + 4
    assert tried == [0.0, 1.0, 11.0, 71.0]


async def test_a_fresh_session_waits_as_long_as_the_vendor_asked() -> None:
    """A 503 to what may have acted says when to come back: a fresh session is no way around it."""
    world = calm()
    await world.plan([4])
    busy = reply({}, 503, **{"retry-after": "90"})
    world.vendor.script = {"POST /start": [busy, reply({}, 503), busy]}
    engine, pauses = await world.engine(), []
    for _ in range(3):
        outcome = await advance("b0000", engine=engine)
        pauses.append(outcome.at - world.clock.now())
        world.clock.time = outcome.at
    assert pauses == [90.0, 10.0, 90.0]


async def test_a_vendor_that_answers_nobody_fails_no_batch() -> None:
    """An outage: fresh sessions are tried less and less often, and one of them works."""
    world = calm()
    world.provider.prepares = True  # type: ignore[attr-defined]
    await world.plan([4], [4])
    engine = await world.engine()
    await prepare(engine)
    world.clock.time += 40.0
    world.vendor.script = {"POST /start": [LOST] * 14}
    for unit in ("b0000", "b0001"):
        assert (await advance(unit, engine=engine)).at == world.clock.now() + 1.0
    world.clock.time += 1.0
    pauses: list[float] = []
    for _ in range(6):
        for unit in ("b0000", "b0001"):
            outcome = await advance(unit, engine=engine)
            assert outcome.state == "blocked"
            assert isinstance(engine.trouble, VendorUnavailable)
        pauses.append(outcome.at - world.clock.now())
        world.clock.time = outcome.at
    records = [await live(world, unit=unit) for unit in ("b0000", "b0001")]
    assert pauses == [41.0, 82.0, 164.0, 300.0, 300.0, 300.0]
    assert [(r.outcome, r.restarts, r.attempt) for r in records] == [(Outcome.SUCCEEDED, 0, 8)] * 2


async def test_our_own_crashes_are_not_counted() -> None:
    """A process that dies five times in start still gets its job."""
    world = calm()
    await world.plan([4])

    def crash(_: object) -> None:
        raise KeyboardInterrupt

    world.vendor.on_request = crash
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            await advance("b0000", engine=await world.engine())
    world.vendor.on_request = None
    record = await live(world)
    assert (record.outcome, record.restarts, record.attempt) == (Outcome.SUCCEEDED, 0, 6)
    facts = (await world.journal.facts("b0000")).facts
    assert [f.attempt for f in facts if f.kind is FactKind.ATTEMPT] == [1, 2, 3, 4, 5]


async def test_an_abandoned_session_is_queued_and_secrets_are_dropped() -> None:
    """A failed batch gives its session back, and the journal keeps no secret of it."""
    world = calm()
    await world.plan([4])
    world.vendor.always = {"PUT": reply({}, 422)}
    record = await live(world)
    assert record.outcome is Outcome.FAILED
    assert [a.session["data"] for a in await world.journal.abandoned("run")] == [  # type: ignore[index,call-overload]
        {"id": "s1"}
    ]
    assert (await world.journal.facts("b0000")).facts == ()


async def test_secrets_are_dropped_when_a_batch_succeeds() -> None:
    """With the last poll the session goes; job and status stay."""
    world = calm()
    await world.plan([4])
    await live(world)
    kinds = {fact.kind for fact in (await world.journal.facts("b0000")).facts}
    assert kinds == {FactKind.JOB, FactKind.STATUS}


async def test_a_link_in_a_status_is_kept_without_its_token() -> None:
    """The raw reply stays for as long as the run is known; what opens by itself must not."""
    world = calm()
    await world.plan([4])
    link = "https://storage.example/result?token=a-secret-1&size=3"
    world.vendor.always = {"GET /jobs": reply({"state": "done", "resultUrl": link})}
    await live(world)
    (status,) = await facts(world, FactKind.STATUS)
    assert status.value["raw"] == {
        "state": "done", "resultUrl": "https://storage.example/result?token=REDACTED&size=3",
    }  # fmt: skip


class Three(Acme):
    per_batch = 3


@pytest.mark.parametrize("when", ["before", "between"])
async def test_a_vanished_document_leaves_its_batch(when: str) -> None:
    """The other two go in a fresh attempt; only the vanished one fails."""
    world = calm(Three)
    world.checksum = True
    await world.plan([4, 4, 4])

    def vanish(outgoing: Any) -> None:
        if when == "before" or "/parts/s1/1" in outgoing.url:
            world.sources.missing.add("d1")

    world.vendor.on_request = vanish
    record = await live(world)
    assert record.attempt == 2
    documents = await world.documents()
    assert [str(d.outcome) for d in documents] == ["succeeded", "failed", "succeeded"]
    assert documents[1].error is not None
    assert documents[1].error.kind == "source_missing"
    assert world.vendor.count("POST /complete") == 1
    assert len(await world.journal.abandoned("run")) == 1


async def test_a_file_deleted_after_its_job_was_accepted_fails_nothing() -> None:
    """The vendor has the bytes: only the digest is missing then."""
    world = calm()
    await world.plan([4])
    engine = await world.engine()
    await advance("b0000", engine=engine, until=lambda unit: unit.job is not None)
    world.sources.missing.add("d0")
    world.checksum = True
    record = await live(world)
    assert (record.outcome, record.attempt) == (Outcome.SUCCEEDED, 1)
    assert (await world.documents())[0].document.sha256 is None
    assert world.vendor.count("POST /complete") == 1


async def test_an_unknown_word_is_running_and_the_poll_schedule_grows() -> None:
    """First after two seconds, then the interval, then a tenth of the time that has passed."""
    world = calm()
    await world.plan([4])
    world.vendor.states = ["what-is-this"] * 40 + ["done"]
    times: list[float] = []

    def note(outgoing: Any) -> None:
        if "/jobs/" in outgoing.url:
            times.append(world.clock.now())

    world.vendor.on_request = note
    began = world.clock.now()
    record = await live(world, rounds=60)
    assert record.outcome is Outcome.SUCCEEDED
    pauses = [b - a for a, b in zip([began, *times], times, strict=False)]
    assert pauses[:3] == [2.0, 5.0, 5.0]
    assert pauses[-1] == 30.0
    elapsed = times[20] - began
    assert pauses[21] == pytest.approx(min(30.0, max(5.0, elapsed / 10)))


async def test_a_poll_timeout_leaves_the_job_running() -> None:
    """A job that takes too long is left alone, and a resume asks again."""
    world = calm(poll_timeout=20.0)
    await world.plan([4])
    world.vendor.states = ["busy"]
    record = await live(world)
    assert (record.outcome, record.settled) == (Outcome.RUNNING, True)
    assert "poll_timeout" in record.why
    world.vendor.states = ["done"]
    await world.journal.reopen("run")
    assert (await live(world)).outcome is Outcome.SUCCEEDED


async def test_what_needs_action_is_polled_slowly() -> None:
    """A job that waits for a person is asked about once a minute."""
    world = calm()
    await world.plan([4])
    world.vendor.states = ["review"]
    engine = await world.engine()
    outcome = await advance("b0000", engine=engine)
    world.clock.time = outcome.at
    outcome = await advance("b0000", engine=engine)
    assert outcome.at == world.clock.now() + 60.0
    assert await world.outcomes() == ["needs_action"]


async def test_a_poll_that_cannot_be_read_leaves_the_job_unknown_until_the_next() -> None:
    """The vendor is at work: a 404 or nonsense is no failure, and a resume mends it."""
    world = calm()
    await world.plan([4])
    world.vendor.script = {"GET /jobs": [reply({}, 404)]}
    record = await live(world)
    assert record.outcome is Outcome.UNKNOWN
    await world.journal.reopen("run")
    assert (await live(world)).outcome is Outcome.SUCCEEDED


class Form(Acme):
    """One form of several documents, with receipts per document."""

    per_batch = 3

    def start(self, batch: Batch) -> Flow[Session]:
        yield from ()
        return Session(transfers=(Transfer.whole(batch),), data={"id": "form"})

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        yield Request.put("/parts/form/1", Raw(transfer.pieces[0]))
        ids = [d.id for d in batch.documents]
        return transfer.receipt(
            documents=(
                Accepted(document=ids[0], vendor_id="v0"),
                Accepted(document=ids[1], error="page 3 is torn"),
                Accepted(document=ids[2], vendor_id="v2"),
            )
        )

    def poll(self, job: Job) -> Flow[Status]:
        reply = yield Request.get(f"/jobs/{job.id}")
        done = reply.json()["state"] == "done"
        return Status(
            state=State.PARTIAL if not done else State.SUCCEEDED,
            word=reply.json()["state"],
            documents=(
                DocumentStatus(state=State.SUCCEEDED, word="read", vendor_id="v2"),
                DocumentStatus(
                    state=State.SUCCEEDED if done else State.FAILED,
                    word="bad",
                    vendor_id="v0",
                    error=None if done else "blurred",
                ),
            ),
        )


async def test_documents_are_matched_and_rejected_ones_stay_failed() -> None:
    """Each document has its own end; also after an action on the finished job."""
    world = calm(Form)
    await world.plan([4, 4, 4])
    world.vendor.states = ["mixed", "done"]
    await live(world)
    documents = await world.documents()
    assert [str(d.outcome) for d in documents] == ["failed", "failed", "succeeded"]
    assert [d.error.message if d.error else None for d in documents] == [
        "blurred", "page 3 is torn", None,
    ]  # fmt: skip
    engine = await world.engine()
    unit = await take(engine, "b0000")
    unit.asked.append(Step("act", "retry"))
    await run_step(engine, unit, unit.asked[0])
    assert [str(d.outcome) for d in await world.documents()] == [
        "succeeded", "failed", "succeeded",
    ]  # fmt: skip


class OneByOne(Form):
    """Tells how each document ended, while the job still runs."""

    def poll(self, job: Job) -> Flow[Status]:
        reply = yield Request.get(f"/jobs/{job.id}")
        read = DocumentStatus(state=State.SUCCEEDED, word="read", vendor_id="v2")
        return Status(state=State.RUNNING, word=reply.json()["state"], documents=(read,))


async def test_what_was_told_of_a_document_is_known_though_its_job_is_not() -> None:
    """A poll that cannot be read makes unknown what nobody knows, not what was read before."""
    world = calm(OneByOne)
    await world.plan([4, 4, 4])
    world.vendor.script = {"GET /jobs": [reply({"state": "busy"}), reply({}, 404)]}
    record = await live(world)
    assert record.outcome is Outcome.UNKNOWN
    assert await world.outcomes() == ["unknown", "failed", "succeeded"]


# ------------------------------------------------------------------------------ renewals


class Signed(Acme):
    """URLs that expire by the vendor's clock."""

    expires = 100.0
    at_renewal = 1000.0

    def _signed(self, transfers: Sequence[Transfer], at: float) -> tuple[Transfer, ...]:
        return tuple(t.model_copy(update={"expires_at": at}) for t in transfers)

    def start(self, batch: Batch) -> Flow[Session]:
        session = yield from super().start(batch)
        return session.model_copy(
            update={"transfers": self._signed(session.transfers, self.expires)}
        )

    def renew(
        self, batch: Batch, session: Session, transfers: tuple[Transfer, ...]
    ) -> Flow[tuple[Transfer, ...]]:
        numbers = ",".join(transfer.id for transfer in transfers)
        yield Request("POST", f"/renew/{numbers}")
        return self._signed(transfers, self.at_renewal)


async def test_one_renewal_replaces_all_urls_of_the_document() -> None:
    """The first expired URL renews what is left of its document; receipts stay."""
    world = calm(Signed)
    world.clock.time = 50.0
    await world.plan([16])
    world.vendor.on_request = lambda o: setattr(
        world.clock, "time", 95.0 if "/parts/s1/1" in o.url else world.clock.time
    )
    record = await live(world)
    assert record.outcome is Outcome.SUCCEEDED
    assert [line for line in world.vendor.log if "renew" in line] == ["POST /renew/2,3,4"]
    assert set(world.vendor.arrived.values()) == {1}


async def test_expiry_is_judged_by_the_vendors_clock() -> None:
    """A clock that is an hour slow does not send to URLs that are expired there."""
    world = calm(Signed)
    world.clock.time = 784_111_777.0 - 3600.0
    world.vendor.always = {"POST /start": reply({"id": "s1"}, date="Sun, 06 Nov 1994 08:49:37 GMT")}
    provider = world.provider
    assert isinstance(provider, Signed)
    provider.expires = 784_111_777.0 + 5.0
    provider.at_renewal = 784_111_777.0 + 500.0
    await world.plan([4])
    engine = await world.engine()
    await advance(
        "b0000", engine=engine, until=lambda unit: not unit.missing and bool(unit.receipts)
    )
    assert world.vendor.count("POST /renew") == 1


async def test_a_fresh_url_that_is_refused_at_once_is_not_renewed_for_ever() -> None:
    """Three renewals without a part, three sessions: then it failed."""
    world = calm(Signed)
    provider = world.provider
    assert isinstance(provider, Signed)
    provider.expires = provider.at_renewal = 1.0
    await world.plan([4])
    record = await live(world)
    assert record.outcome is Outcome.FAILED
    assert world.vendor.count("POST /renew") == 12
    assert world.vendor.count("POST /start") == 4


class Leaving(Acme):
    """Its ``start`` fails after the session was begun, and could not give it back itself."""

    def start(self, batch: Batch) -> Flow[Session]:
        session = yield from super().start(batch)
        error = RequestRefused("no place for it")
        error.abandon = session
        raise error


async def test_what_a_failed_start_leaves_is_given_back_from_the_queue() -> None:
    """The error names the session; the abort is durable, and tried again until it is heard."""
    world = hasty(Leaving)
    await world.plan([4], concurrency=1)
    world.vendor.always = {"DELETE /sessions": reply({}, 422)}
    environment, target = world.environment(), world.target()
    report = await execute(world.journal, target, await world.journal.run("run"), environment)
    assert report.outcomes == {Outcome.FAILED: 1}
    (entry,) = await world.journal.abandoned("run")
    assert (Session.model_validate(entry.session).data, entry.tries) == ({"id": "s1"}, 1)
    world.vendor.always.clear()
    assert await give_back(await world.engine(), entry)
    assert await world.journal.abandoned("run") == ()
    assert world.vendor.count("DELETE /sessions/s1") == 2


async def test_an_abort_that_is_given_up_is_not_called_given_back() -> None:
    """Ten refusals or 500s end it; a key that does not work is none, and costs no try."""
    world = calm(Leaving)
    await world.plan([4])
    await live(world)
    world.vendor.always = {"DELETE /sessions": reply({}, 401)}
    (entry,) = await world.journal.abandoned("run")
    with pytest.raises(Unauthorized):
        await give_back(await world.engine(), entry)
    assert await world.journal.abandoned("run") == (entry,)
    world.vendor.always = {"DELETE /sessions": reply({}, 422)}
    told = [await give_back(await world.engine(), entry)]
    world.vendor.always = {"DELETE /sessions": reply({}, 500)}
    while entries := await world.journal.abandoned("run"):
        told.append(await give_back(await world.engine(), entries[0]))
    assert told == [False] * 10
