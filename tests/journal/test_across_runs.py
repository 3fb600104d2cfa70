"""The port's behaviour across runs, of every back end."""

from __future__ import annotations

import pytest

from longshore.errors import StaleEpoch
from longshore.journal import (
    Abandoned,
    ChangeUnit,
    Counters,
    DropMail,
    FactKind,
    Journal,
    QueueAbort,
    Write,
)
from tests.journal.records import RUN, document, fact, unit

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


async def test_a_message_can_be_left_once(journal: Journal) -> None:
    """Not while the same waits for the same run; it is told whether it was left."""
    await journal.create_run(RUN.model_copy(update={"id": "run2"}))
    left = [
        await journal.post(run, verb, {"unit": unit_id}, once=True)
        for run, verb, unit_id in (
            ("run1", "wake", "b1"), ("run1", "wake", "b1"), ("run1", "wake", "b2"),
            ("run1", "act", "b1"), ("run2", "wake", "b1"),
        )
    ]  # fmt: skip
    again = await journal.post("run1", "wake", {"unit": "b1"})
    await journal.drop_mail([message.id for message in await journal.mail("run1")])

    assert left == [True, False, True, True, True]
    assert again
    assert await journal.post("run1", "wake", {"unit": "b1"}, once=True)


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


async def test_a_message_goes_with_the_commit_of_what_it_asked_for(journal: Journal) -> None:
    """With that, or not at all."""
    await journal.enqueue([unit("b1")], [document("d1", "b1")])
    (taken,) = await journal.take("b1")
    for action in ("first", "second"):
        await journal.post("run1", "act", {"unit": "b1", "action": action})
    first, second = await journal.mail("run1")
    writes: list[Write] = [DropMail(first.id), ChangeUnit({"word": "done"})]
    with pytest.raises(StaleEpoch):
        await journal.commit("b1", taken.unit.epoch - 1, writes)
    assert await journal.mail("run1") == (first, second)

    await journal.commit("b1", taken.unit.epoch, writes)
    assert await journal.mail("run1") == (second,)


async def test_bytes_and_costs_are_summed_up(journal: Journal) -> None:
    """Documents without a batch do not count, and other runs' batches cost this one nothing."""
    await journal.create_run(RUN.model_copy(update={"id": "run2"}))
    await journal.enqueue(
        [unit("b1"), unit("b2"), unit("b3", run="run2")],
        [document("a", "b1"), document("b", "b1"), document("c"), document("d", "b3", run="run2")],
    )
    dear = Counters(bytes_sent=7, requests=3, retries=1, troubles={"429": 1})
    for unit_id in ("run1", "b1", "b2", "b3"):
        await journal.commit(unit_id, 0, [ChangeUnit({"counters": dear})])

    assert await journal.size("run1") == 2 * document("a").document.size
    assert await journal.cost("run1") == Counters(
        bytes_sent=21, requests=9, retries=3, troubles={"429": 3}
    )
