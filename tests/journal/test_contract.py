"""What every journal does, whatever keeps it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from longshore.documents import Document
from longshore.errors import ClaimTaken, RunInUse, RunNotFound, StaleEpoch
from longshore.journal import (
    Abandoned,
    ChangeDocument,
    ChangeUnit,
    ClaimJob,
    Counters,
    DocumentRecord,
    DropFacts,
    ErrorInfo,
    Fact,
    FactKind,
    Journal,
    MemoryJournal,
    PutFact,
    QueueAbort,
    RunRecord,
    SQLiteJournal,
    UnitRecord,
)
from longshore.lifecycle import Outcome

RUN = RunRecord(id="run1", target="north", provider="sea", account="acme", created_at=10.5)


@pytest.fixture(params=["memory", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    made: Journal = (
        MemoryJournal() if request.param == "memory" else SQLiteJournal(tmp_path / "journal.db")
    )
    await made.create_run(RUN)
    yield made
    await made.close()


def unit(id: str, *, run: str = "run1", at: float = 0.0, settled: bool = False) -> UnitRecord:
    return UnitRecord(id=id, run_id=run, at=at, settled=settled)


def document(id: str, unit_id: str | None = None, *, run: str = "run1") -> DocumentRecord:
    described = Document(id=id, name=f"{id}.pdf", size=7)
    return DocumentRecord(document=described, run_id=run, unit_id=unit_id, path=f"in/{id}.pdf")


def fact(kind: FactKind, flow: str, name: str, value: object = None, attempt: int = 1) -> PutFact:
    return PutFact(Fact(kind, attempt, flow, name, value))  # type: ignore[arg-type]


async def names(journal: Journal, unit_id: str) -> list[str]:
    found = (await journal.facts(unit_id)).facts
    return sorted(f"{fact.kind} {fact.flow} {fact.name}" for fact in found)


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
    """Wildcards and other cases are taken as they are."""
    for id in ("abc", "abd"):
        await journal.create_run(RUN.model_copy(update={"id": id}))

    with pytest.raises(RunNotFound):
        await journal.run(beginning)


async def test_runs_are_listed_oldest_first(journal: Journal) -> None:
    """By creation, not by id."""
    for id, created in (("z", 1.0), ("a", 99.0)):
        await journal.create_run(RUN.model_copy(update={"id": id, "created_at": created}))

    assert [run.id for run in await journal.runs()] == ["z", "run1", "a"]


async def test_a_forgotten_run_leaves_only_its_claims(journal: Journal) -> None:
    """Nothing of it can be read any more, but its jobs stay claimed."""
    await journal.enqueue([unit("b1")], [document("d1", "b1")])
    epoch = (await journal.take("b1")).unit.epoch
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
    first = await journal.take("b1")
    put = fact(FactKind.ANSWER, "start", "create", {"n": 1.0, "list": [None, True]})
    await journal.commit("b1", first.unit.epoch, [put])

    taken = await journal.take("b1")

    assert taken.unit == unit("b1").model_copy(update={"epoch": first.unit.epoch + 1})
    assert taken.documents == (document("d2", "b1"), document("d1", "b1"))
    assert taken.facts == (put.fact,)


async def test_an_old_epoch_writes_nothing(journal: Journal) -> None:
    """Whoever was overtaken is told so, and nothing of its commit is there."""
    await journal.enqueue([unit("b1")], [])
    old = (await journal.take("b1")).unit.epoch
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


async def test_next_due_is_the_earliest_that_is_not_settled(journal: Journal) -> None:
    """None when nothing is left to wait for."""
    await journal.enqueue([unit("a", at=3.25), unit("b", at=2.5), unit("c", settled=True)], [])

    assert await journal.next_due("run1") == 2.5
    assert await journal.next_due("run1", besides=frozenset({"b"})) == 3.25
    assert await journal.next_due("run1", besides=frozenset({"a", "b"})) is None


async def test_batches_without_a_job_can_be_asked_for_alone(journal: Journal) -> None:
    """What has a vendor job needs only polls."""
    await journal.enqueue([unit("a", at=1.0), unit("b", at=2.0)], [])
    await journal.commit("a", 0, [ChangeUnit({"job_id": "j1"})])

    assert await journal.due("run1", 5.0, 10, unsent=True) == ("b",)
    assert await journal.next_due("run1", unsent=True) == 2.0
    assert await journal.due("run1", 5.0, 10) == ("a", "b")


async def test_reopening_looks_again_at_what_is_not_over(journal: Journal) -> None:
    """Batches that need action or are unknown are due at once; finished ones stay."""
    ends = (Outcome.NEEDS_ACTION, Outcome.UNKNOWN, Outcome.SUCCEEDED, Outcome.FAILED)
    await journal.enqueue([unit(outcome) for outcome in ends], [])
    for outcome in ends:
        change = ChangeUnit({"outcome": outcome, "settled": True, "at": 50.0})
        await journal.commit(outcome, 0, [change])

    assert await journal.reopen("run1") == 2
    assert await journal.due("run1", 0.0, 10) == ("needs_action", "unknown")


async def test_batches_are_paged_by_id(journal: Journal) -> None:
    """Each page goes on behind the last id; prepare is on none."""
    await journal.enqueue([unit(id) for id in "dacb"], [])

    pages = [await journal.units("run1", after=after, limit=2) for after in ("", "b", "d")]

    assert [[unit.id for unit in page] for page in pages] == [["a", "b"], ["c", "d"], []]


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


# ---------------------------------------------------------------------- across runs


async def test_rivals_are_documents_with_the_same_step_open(journal: Journal) -> None:
    """Of this account, by an intent of the current attempt, and not one's own."""
    await journal.create_run(RUN.model_copy(update={"id": "run2"}))
    await journal.create_run(RUN.model_copy(update={"id": "run3", "account": "else"}))
    runs = {"me": "run1", "near": "run1", "far": "run2", "foreign": "run3", "old": "run1"}
    for id, run in runs.items():
        await journal.enqueue([unit(id, run=run)], [document(f"d-{id}", id, run=run)])
        await journal.commit(id, 0, [fact(FactKind.INTENT, "complete", "end")])
    await journal.commit("old", 0, [ChangeUnit({"attempt": 2})])

    found = await journal.rivals("acme", "complete", "end", besides="me")

    assert sorted(rival.id for rival in found) == ["d-far", "d-near"]
    assert await journal.rivals("acme", "complete", "start", besides="me") == ()


async def test_who_has_a_receipt_but_no_job_yet_is_a_rival(journal: Journal) -> None:
    """Between the answer to a send and the claim, its job may be taken for ours."""
    await journal.enqueue([unit("me"), unit("near")], [document("d-near", "near")])
    await journal.commit("near", 0, [fact(FactKind.RECEIPT, "", "all")])
    assert [d.id for d in await journal.rivals("acme", "send/all", "post", besides="me")] == [
        "d-near"
    ]

    await journal.commit("near", 0, [ChangeUnit({"job_id": "j1"})])
    assert await journal.rivals("acme", "send/all", "post", besides="me") == ()


async def test_a_job_is_found_by_its_vendor_id(journal: Journal) -> None:
    """In every run, or in those of one target."""
    await journal.create_run(RUN.model_copy(update={"id": "run2", "target": "south"}))
    await journal.enqueue([unit("b1"), unit("b2", run="run2"), unit("b3")], [])
    for id in ("b1", "b2"):
        await journal.commit(id, 0, [ChangeUnit({"job_id": "j1"})])

    assert [found.id for found in await journal.find_job("j1")] == ["b1", "b2"]
    assert [found.id for found in await journal.find_job("j1", target="south")] == ["b2"]
    assert await journal.find_job("j2") == ()


async def test_abandoned_sessions_wait_until_they_are_dropped(journal: Journal) -> None:
    """Failed tries are remembered; a dropped one is gone."""
    await journal.create_run(RUN.model_copy(update={"id": "run2"}))
    await journal.enqueue([unit("b1"), unit("b2", run="run2")], [])
    await journal.commit("b1", 0, [QueueAbort(1, {"upload": "u1"}), QueueAbort(2, None)])
    await journal.commit("b2", 0, [QueueAbort(1, "s")])
    first, second = await journal.abandoned("run1")

    await journal.change_abandoned(first.id, tries=1, at=60.5)
    await journal.drop_abandoned(second.id)

    kept = Abandoned(first.id, "run1", "b1", 1, {"upload": "u1"}, tries=1, at=60.5)
    assert await journal.abandoned("run1") == (kept,)
    assert [entry.run_id for entry in await journal.abandoned()] == ["run1", "run2"]


async def test_mail_waits_until_it_is_dropped(journal: Journal) -> None:
    """Oldest first, for the executor of one run."""
    await journal.create_run(RUN.model_copy(update={"id": "run2"}))
    await journal.post("run1", "act", {"job": "j1", "n": 2})
    await journal.post("run2", "cancel", {})
    await journal.post("run1", "wake", {})

    first, second = await journal.mail("run1")
    await journal.drop_mail([first.id])

    assert (first.run_id, first.verb, first.body) == ("run1", "act", {"job": "j1", "n": 2})
    assert await journal.mail("run1") == (second,)
    assert [message.verb for message in await journal.mail("run2")] == ["cancel"]
