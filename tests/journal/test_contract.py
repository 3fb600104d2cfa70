"""What every journal does, whatever keeps it."""

from __future__ import annotations

import math

import pytest

from longshore.errors import ClaimTaken, RunInUse, RunNotFound, StaleEpoch
from longshore.journal import (
    ChangeDocument,
    ChangeUnit,
    ClaimJob,
    Counters,
    DropFacts,
    ErrorInfo,
    FactKind,
    Journal,
    QueueAbort,
    UnitRecord,
)
from longshore.lifecycle import Outcome, Session
from tests.journal.records import RUN, document, fact, names, session, unit

# ---------------------------------------------------------------------- runs


async def test_a_run_comes_back_as_it_was_written(journal: Journal) -> None:
    """Settings and options keep their JSON types."""
    written = RUN.model_copy(
        update={"id": "other", "settings": {"a": [1, 2.0, None, "ü"]}, "options": {"b": True}}
    )
    await journal.create_run(written)

    assert await journal.run("other") == written


async def test_a_new_run_has_its_prepare_unit(journal: Journal) -> None:
    """The unit of the run's id is there at once."""
    assert await journal.unit("run1") == UnitRecord(id="run1", run_id="run1", created_at=10.5)


async def test_a_run_changes(journal: Journal) -> None:
    """Changed fields are read back, the others stay."""
    await journal.change_run("run1", planned=True, finished_at=12.25)

    expected = RUN.model_copy(update={"planned": True, "finished_at": 12.25})
    assert await journal.run("run1") == expected


async def test_a_unique_beginning_finds_a_run(journal: Journal) -> None:
    """Nobody types a whole id; an exact id wins over longer ones."""
    for id in ("abc", "abcd", "axyz"):
        await journal.create_run(RUN.model_copy(update={"id": id}))

    assert (await journal.run("ax")).id == "axyz"
    assert (await journal.run("abc")).id == "abc"


@pytest.mark.parametrize("beginning", ["", "ab", "zz", "%", "ab_", "a_c", "RUN"])
async def test_an_ambiguous_or_strange_beginning_finds_none(
    journal: Journal, beginning: str
) -> None:
    """Wildcards and other cases are taken as they are; nothing is the beginning of none.

    Not even where there is one run: `longshore forget "$RUN"` with an empty variable.
    """
    for id in ("abc", "abd") if beginning else ():
        await journal.create_run(RUN.model_copy(update={"id": id}))

    with pytest.raises(RunNotFound):
        await journal.run(beginning)


async def test_runs_are_listed_oldest_first(journal: Journal) -> None:
    """As they were made: not by id, nor by a clock that was set back between two of them."""
    for id, created in (("z", 1.0), ("a", 99.0)):
        await journal.create_run(RUN.model_copy(update={"id": id, "created_at": created}))

    assert [run.id for run in await journal.runs()] == ["run1", "z", "a"]


async def test_a_forgotten_run_leaves_only_its_claims(journal: Journal) -> None:
    """Nothing of it can be read any more, but its jobs stay claimed."""
    await journal.enqueue([unit("b1")], [document("d1", "b1")])
    epoch = (await journal.take("b1"))[0].unit.epoch
    session = fact(FactKind.SESSION, "", "session", {"secret": "s"})
    await journal.commit("b1", epoch, [ClaimJob("acme", "j1", 5.0), QueueAbort(1, {}), session])
    await journal.post("run1", "cancel", {})

    await journal.forget_run("run1")

    assert await journal.runs() == ()
    assert await journal.abandoned() == ()
    assert await journal.mail("run1") == ()
    assert await journal.find_job("j1") == ()
    assert await journal.claims("acme", since=0.0, besides="") == {"j1"}


async def test_a_run_has_one_executor(journal: Journal) -> None:
    """A second one is refused until the first lets go; another run is free."""
    async with journal.lock_run("run1"):
        with pytest.raises(RunInUse, match="run1"):
            await journal.lock_run("run1").__aenter__()
        async with journal.lock_run("run2"):
            pass
    async with journal.lock_run("run1"):
        pass


# ---------------------------------------------------------------------- units and facts


async def test_taking_a_unit_gives_all_that_is_known(journal: Journal) -> None:
    """Its documents in order, its facts, and a higher epoch."""
    await journal.enqueue([unit("b1"), unit("b2")], [document("d2", "b1"), document("d1", "b1")])
    await journal.enqueue([], [document("d3", "b2")])
    (first,) = await journal.take("b1")
    put = fact(FactKind.ANSWER, "start", "create", {"n": 1.0, "list": [None, True]})
    await journal.commit("b1", first.unit.epoch, [put])

    (taken,) = await journal.take("b1")

    assert taken.unit == unit("b1").model_copy(update={"epoch": first.unit.epoch + 1})
    assert taken.documents == (document("d2", "b1"), document("d1", "b1"))
    assert taken.facts == (put.fact,)


async def test_a_batch_that_is_not_there_is_told_from_a_journal_that_fails(
    journal: Journal,
) -> None:
    """Its run was forgotten, perhaps: to ask again would help nobody."""
    with pytest.raises(RunNotFound, match="no batch nobody"):
        await journal.take("nobody")
    with pytest.raises(RunNotFound, match="no batch nobody"):
        await journal.commit("nobody", 0, [])
    for look in (journal.unit, journal.facts):
        with pytest.raises(RunNotFound, match="no batch nobody"):
            await look("nobody")


async def test_an_old_epoch_writes_nothing(journal: Journal) -> None:
    """Whoever was overtaken is told so, and nothing of its commit is there."""
    await journal.enqueue([unit("b1")], [])
    old = (await journal.take("b1"))[0].unit.epoch
    await journal.take("b1")

    with pytest.raises(StaleEpoch):
        await journal.commit("b1", old, [fact(FactKind.INTENT, "start", "create")])

    assert await names(journal, "b1") == []


async def test_a_claimed_job_undoes_the_whole_commit(journal: Journal) -> None:
    """The writes before and after the refused claim are not there."""
    await journal.enqueue([unit("b1"), unit("b2")], [document("d2", "b2")])
    await journal.commit("b1", 0, [ClaimJob("acme", "j1", 5.0)])

    with pytest.raises(ClaimTaken, match="j1"):
        await journal.commit(
            "b2",
            0,
            [
                fact(FactKind.JOB, "", "job", "j1"),
                ChangeUnit({"job_id": "j1"}),
                ClaimJob("acme", "j1", 6.0),
                ChangeDocument("d2", {"word": "done"}),
            ],
        )

    taken = await journal.facts("b2")
    assert (taken.unit, taken.documents, taken.facts) == (unit("b2"), (document("d2", "b2"),), ())


async def test_an_id_that_the_vendor_gives_out_again_passes_over(journal: Journal) -> None:
    """A claim from before a batch was planned cannot be about a job of that batch."""
    await journal.enqueue([unit("b1"), unit("b2")], [document("d2", "b2")])
    await journal.commit("b1", 0, [ClaimJob("acme", "j1", 5.0, 1.0)])

    with pytest.raises(ClaimTaken):
        await journal.commit("b2", 0, [ClaimJob("acme", "j1", 9.0, 5.0)])
    await journal.commit("b2", 0, [ClaimJob("acme", "j1", 9.0, 6.0)])

    assert await journal.claims("acme", since=0.0, besides="b1") == {"j1"}
    assert await journal.claims("acme", since=0.0, besides="b2") == frozenset()


async def test_a_claim_may_be_made_again_by_its_owner(journal: Journal) -> None:
    """A resumed flow claims what it claimed before; another account has other ids."""
    await journal.enqueue([unit("b1"), unit("b2")], [])
    await journal.commit("b1", 0, [ClaimJob("acme", "j1", 5.0)])
    await journal.commit("b1", 0, [ClaimJob("acme", "j1", 9.0), ClaimJob("acme", "j2", 7.0)])
    await journal.commit("b2", 0, [ClaimJob("other", "j1", 5.0)])

    assert await journal.claims("acme", since=6.0, besides="b2") == {"j2"}
    assert await journal.claims("acme", since=5.0, besides="b2") == {"j1", "j2"}
    assert await journal.claims("acme", since=0.0, besides="b1") == frozenset()
    assert await journal.claims("other", since=0.0, besides="b1") == {"j1"}


async def test_a_unit_keeps_every_type_it_was_given(journal: Journal) -> None:
    """Enums, nested records, tuples of floats and infinity come back equal."""
    await journal.enqueue([unit("b1")], [])
    changes = {
        "outcome": Outcome.UNKNOWN,
        "settled": True,
        "at": math.inf,
        "error": ErrorInfo(kind="batch", message="was ist das?", hint="ü"),
        "counters": Counters(bytes_sent=2**40, requests=3),
        "seconds": {"send": 0.1, "poll": 1753000000.1234567},
        "word": None,
        "finished_at": 1753000000.1234567,
    }
    await journal.commit("b1", 0, [ChangeUnit({"word": "x", "seconds": {"queued": 1.0}})])
    await journal.commit("b1", 0, [ChangeUnit(changes)])

    assert await journal.unit("b1") == unit("b1").model_copy(update=changes)


async def test_a_fact_replaces_its_like(journal: Journal) -> None:
    """Kind, attempt, flow and name together tell facts apart."""
    await journal.enqueue([unit("b1")], [])
    first, second = (fact(FactKind.TIMER, "poll", "wait", value) for value in (1, 2))
    other = fact(FactKind.TIMER, "poll", "wait", 3, attempt=2)
    await journal.commit("b1", 0, [first, other, second])

    found = (await journal.facts("b1")).facts
    assert sorted(found, key=lambda fact: fact.attempt) == [second.fact, other.fact]


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 128, 130, 300])
async def test_a_session_comes_back_whole(journal: Journal, count: int) -> None:
    """Its transfers in their order, whatever the session was that it replaces."""
    await journal.enqueue([unit("b1")], [])
    before = [fact(FactKind.SESSION, "", "", session(200), attempt=at) for at in (1, 2)]
    await journal.commit("b1", 0, before)
    await journal.commit("b1", 0, [fact(FactKind.RECEIPT, "", "1"), fact(FactKind.STATUS, "", "")])

    await journal.commit("b1", 0, [fact(FactKind.SESSION, "", "", session(count))])

    found = [f for f in (await journal.facts("b1")).facts if f.kind is FactKind.SESSION]
    assert [(f.attempt, f.flow, f.name) for f in found] == [(1, "", ""), (2, "", "")]
    assert [Session.model_validate(f.value) for f in found] == [session(count), session(200)]
    await journal.commit("b1", 0, [DropFacts((FactKind.SESSION,))])
    assert await names(journal, "b1") == ["receipt  1", "status  "]


@pytest.mark.parametrize(
    ("drop", "left"),
    [
        (DropFacts((FactKind.INTENT,)), ["answer send/1 b", "receipt  1"]),
        (
            DropFacts((FactKind.INTENT, FactKind.ANSWER), "send/1"),
            ["intent SEND/1 a", "intent send/10 a", "intent send_1?x a", "receipt  1"],
        ),
        (
            DropFacts((FactKind.INTENT,), "send/1", "b"),
            [
                "answer send/1 b", "intent SEND/1 a", "intent send/1 a", "intent send/10 a",
                "intent send/1?ask a", "intent send_1?x a", "receipt  1",
            ],
        ),
        (
            DropFacts((FactKind.INTENT, FactKind.RECEIPT), ""),
            [
                "answer send/1 b", "intent SEND/1 a", "intent send/1 a", "intent send/10 a",
                "intent send/1?ask a", "intent send_1?x a",
            ],
        ),
    ],
    ids=["of a kind", "of a flow and its asks", "of a name", "of the empty flow"],
)  # fmt: skip
async def test_facts_are_dropped_by_kind_flow_and_name(
    journal: Journal, drop: DropFacts, left: list[str]
) -> None:
    """An ask belongs to its flow; a flow whose name only begins alike does not."""
    await journal.enqueue([unit("b1"), unit("b2")], [])
    flows = ("send/1", "send/10", "send/1?ask", "SEND/1", "send_1?x")
    puts = [fact(FactKind.INTENT, flow, "a") for flow in flows]
    puts += [fact(FactKind.ANSWER, "send/1", "b"), fact(FactKind.RECEIPT, "", "1")]
    await journal.commit("b1", 0, puts)
    await journal.commit("b2", 0, puts)

    await journal.commit("b1", 0, [drop])

    assert await names(journal, "b1") == sorted(left)
    assert len(await names(journal, "b2")) == len(puts)


# ---------------------------------------------------------------------- what is due


async def test_due_batches_come_oldest_first(journal: Journal) -> None:
    """Without prepare, the settled, the later ones, and other runs' batches."""
    await journal.create_run(RUN.model_copy(update={"id": "run2"}))
    await journal.enqueue(
        [
            unit("late", at=9.0), unit("b", at=2.0), unit("a", at=2.0), unit("first", at=1.0),
            unit("over", at=0.0, settled=True), unit("foreign", run="run2"),
        ],
        [],
    )  # fmt: skip

    assert await journal.due("run1", 2.0, 10) == ("first", "b", "a")
    assert await journal.due("run1", 2.0, 1) == ("first",)
    assert await journal.due("run1", 2.0, 1, besides=frozenset({"first", "b"})) == ("a",)


async def test_what_was_begun_can_be_asked_for_alone(journal: Journal) -> None:
    """What was never begun has no moment of its own, and would always stand in front."""
    await journal.enqueue([unit("fresh", at=0.0), unit("b", at=2.0), unit("a", at=1.0)], [])

    assert await journal.due("run1", 2.0, 10) == ("fresh", "a", "b")
    assert await journal.due("run1", 2.0, 10, begun=True) == ("a", "b")
    assert await journal.due("run1", 1.0, 10, begun=True) == ("a",)


async def test_batches_without_a_job_can_be_asked_for_alone(journal: Journal) -> None:
    """What has a vendor job needs only polls."""
    await journal.enqueue([unit("a", at=1.0), unit("b", at=2.0)], [])
    await journal.commit("a", 0, [ChangeUnit({"job_id": "j1"})])

    assert await journal.due("run1", 5.0, 10, unsent=True) == ("b",)
    assert await journal.due("run1", 5.0, 10) == ("a", "b")


async def test_reopening_looks_again_at_what_is_not_over(journal: Journal) -> None:
    """What needs action, is unknown or was left running is due at once; what is over stays."""
    ends = (
        Outcome.NEEDS_ACTION, Outcome.UNKNOWN, Outcome.RUNNING, Outcome.SUCCEEDED, Outcome.FAILED
    )  # fmt: skip
    await journal.enqueue([unit(outcome) for outcome in ends], [])
    for outcome in ends:
        change = ChangeUnit({"outcome": outcome, "settled": True, "at": 50.0})
        await journal.commit(outcome, 0, [change])

    assert await journal.reopen("run1") == 3
    assert await journal.due("run1", 0.0, 10) == ("needs_action", "unknown", "running")


async def test_reopening_after_the_clock_was_set_back(journal: Journal) -> None:
    """What moves by itself keeps its distance from now, not the time of a clock that was wrong."""
    await journal.enqueue([unit("soon", at=90.0), unit("new"), unit("over", at=90.0)], [])
    await journal.commit("over", 0, [ChangeUnit({"settled": True, "outcome": Outcome.FAILED})])
    await journal.commit("soon", 0, [ChangeUnit({"polled_at": 85.0})])

    assert await journal.reopen("run1", sooner=60.0) == 2
    assert await journal.due("run1", 29.0, 10) == ("new",)
    assert await journal.due("run1", 30.0, 10) == ("new", "soon")
    soon, new = await journal.unit("soon"), await journal.unit("new")
    assert (soon.at, soon.polled_at, new.polled_at) == (30.0, 25.0, 0.0)


async def test_reopening_leaves_what_moves_by_itself(journal: Journal) -> None:
    """A batch keeps the time of its next poll, and ``prepare`` is not asked for again."""
    await journal.enqueue([unit("moves", at=50.0)], [])
    await journal.commit("run1", 0, [ChangeUnit({"settled": True})])

    assert await journal.reopen("run1") == 1
    assert await journal.due("run1", 49.0, 10) == ()
    assert await journal.due("run1", 50.0, 10) == ("moves",)
    assert (await journal.unit("run1")).settled


async def test_a_document_moves_to_another_batch(journal: Journal) -> None:
    """It is sent again with that one; those that stay are still the first one's."""
    await journal.enqueue([unit("b1"), unit("b2")], [document("d1", "b1"), document("d2", "b1")])
    await journal.commit("b2", 0, [ChangeDocument("d1", {"unit_id": "b2"})])

    assert (await journal.facts("b1")).documents == (document("d2", "b1"),)
    assert (await journal.facts("b2")).documents == (document("d1", "b2"),)


async def test_batches_are_paged_by_id(journal: Journal) -> None:
    """Each page goes on behind the last id; prepare is on none."""
    await journal.enqueue([unit(id) for id in "dacb"], [])

    pages = [await journal.units("run1", after=after, limit=2) for after in ("", "b", "d")]

    assert [[unit.id for unit in page] for page in pages] == [["a", "b"], ["c", "d"], []]


async def test_only_batches_with_a_job_that_did_not_succeed_are_amiss(journal: Journal) -> None:
    """Pages of those alone: without a job, or when all is well, nothing is to be done."""
    await journal.enqueue([unit(id) for id in "abcd"], [])
    stands = {"a": Outcome.SUCCEEDED, "b": Outcome.NEEDS_ACTION, "d": Outcome.RUNNING}
    for id, outcome in stands.items():
        await journal.commit(id, 0, [ChangeUnit({"job_id": f"j-{id}", "outcome": outcome})])

    pages = [
        await journal.units("run1", after=after, limit=1, amiss=True) for after in ("", "b", "d")
    ]

    assert [[unit.id for unit in page] for page in pages] == [["b"], ["d"], []]


async def test_a_field_that_is_not_there_cannot_be_changed(journal: Journal) -> None:
    """A misspelt one would be lost, or make a record that nobody can read again."""
    await journal.enqueue([unit("b1")], [document("d1", "b1")])

    for change in (
        journal.change_run("run1", planed=True),
        journal.commit("b1", 0, [ChangeUnit({"setled": True})]),
        journal.commit("b1", 0, [ChangeDocument("d1", {"outcom": Outcome.FAILED})]),
        journal.change_documents("run1", {"d1": {"outcom": Outcome.FAILED}}),
    ):
        with pytest.raises(ValueError, match="Record lacks"):
            await change


# ---------------------------------------------------------------------- documents


async def test_documents_keep_their_place_in_the_run(journal: Journal) -> None:
    """Pages follow the order in which they were planned, over several calls."""
    await journal.create_run(RUN.model_copy(update={"id": "run2"}))
    await journal.enqueue([unit("b1")], [document("z", "b1"), document("y", run="run2")])
    await journal.enqueue([], [document("a"), document("m")])

    assert await journal.documents("run1", limit=2) == (
        (0, document("z", "b1")),
        (1, document("a")),
    )
    assert await journal.documents("run1", after=1) == ((2, document("m")),)
    assert await journal.documents("run2") == ((0, document("y", run="run2")),)


async def test_documents_change_within_and_outside_of_a_unit(journal: Journal) -> None:
    """Nested values are replaced, other documents untouched."""
    await journal.enqueue([unit("b1")], [document("d1", "b1"), document("d2")])
    hashed = document("d1").document.model_copy(update={"sha256": "0" * 64})
    error = ErrorInfo(kind="refused", message="too large")

    await journal.commit("b1", 0, [ChangeDocument("d1", {"document": hashed, "parts": 4})])
    await journal.change_documents("run1", {"d2": {"outcome": Outcome.REFUSED, "error": error}})

    first = document("d1", "b1").model_copy(update={"document": hashed, "parts": 4})
    second = document("d2").model_copy(update={"outcome": Outcome.REFUSED, "error": error})
    assert await journal.documents("run1") == ((0, first), (1, second))


async def test_outcomes_are_counted(journal: Journal) -> None:
    """Every document of the run is counted once, as it stands now."""
    await journal.enqueue([], [document(id) for id in "abc"])
    await journal.change_documents("run1", {"b": {"outcome": Outcome.SUCCEEDED}})

    assert await journal.outcomes("run1") == {Outcome.RUNNING: 2, Outcome.SUCCEEDED: 1}
