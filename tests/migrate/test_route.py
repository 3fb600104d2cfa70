"""A route under trouble: outages, crashes between two runs, shadows that are slow."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from longshore import AsyncClient
from longshore.errors import ConfigurationError, IncompatibleState, UsageError
from longshore.journal import DocumentRecord, RunRecord, open_journal
from longshore.lifecycle import Outcome
from longshore.migrate import (
    Leg,
    RouteRequest,
    arrival_now,
    begin_passage,
    carry_passage,
    find_passage,
    migrate_async,
)
from longshore.pipeline import DocumentFinished, Event, JobAccepted, Notice, begin
from longshore.plugins import load_plugins
from tests.migrate.conftest import Road

SLOW = "subworkflow.walk=IN_PROGRESS:3600,SUCCESS"


def outage_of(tries: int) -> dict[str, Any]:
    """No job is made after the first, for so many tries."""
    times = [*range(2, 2 + tries)]
    return {"path": "*/projects/*/jobs", "method": "POST", "status": 503, "nth": times}


@pytest.mark.parametrize("tries", [8, 20])
async def test_an_outage_in_the_middle_hands_over_only_what_was_not_begun(
    road: Road, monkeypatch: pytest.MonkeyPatch, tries: int
) -> None:
    """What may be with the vendor waits for it, as long as it takes; all is carried once."""
    monkeypatch.setattr("longshore.migrate.routes._carry.OUTAGE_PAUSE", 0.01)
    text = 'primary = "plangrep"\nfallback = ["sendai"]\nfallback_after = 0'
    road.build(text, "sendai", plangrep=[outage_of(tries)])
    arrival = await road.upload(road.files(4), concurrency=1, batch_size=1)
    found = await road.carried()
    assert arrival.exit_code == 0
    assert found == {
        "0.pdf": [("plangrep", "succeeded")],
        "1.pdf": [("plangrep", "succeeded")],
        "2.pdf": [("sendai", "succeeded")],
        "3.pdf": [("sendai", "succeeded")],
    }
    assert sum(arrival.outcomes.values()) == 4


async def test_an_unknown_outcome_is_never_handed_over(road: Road) -> None:
    """A lost answer to the one request that matters: the document may be there."""
    road.build(
        'primary = "sendai"\nfallback = ["subworkflow"]\nfallback_after = 0',
        "subworkflow",
        sendai=[{"method": "POST", "drop": "after"}],
    )
    arrival = await road.upload(road.files(1), settings={"sendai:timeout": "0.1"})
    assert await road.carried() == {"0.pdf": [("sendai", "unknown")]}
    assert arrival.exit_code == 4


async def test_a_crash_between_giving_up_and_planning_loses_nothing(road: Road) -> None:
    """What a run gave up and nobody has is found and planned by the next call."""
    road.build('primary = "plangrep"\nfallback = ["sendai"]', "sendai", plangrep=[{"status": 401}])
    with road.killed():
        await road.upload(road.files(2))
    assert await road.carried() == {}
    async with open_journal(road.journal) as journal:
        (run,) = await journal.runs()
        assert run.finished_at is None
        arrival = await road.go_on(journal)
    assert arrival.exit_code == 0
    assert await road.carried() == {
        "0.pdf": [("sendai", "succeeded")],
        "1.pdf": [("sendai", "succeeded")],
    }


async def test_a_hand_over_that_is_cancelled_comes_to_its_end(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a second Ctrl-C: what was given up and nobody has would count as skipped."""
    road.build('primary = "plangrep"\nfallback = ["sendai"]', "sendai", plangrep=[{"status": 401}])
    request = RouteRequest("main", tuple(road.files(2)))
    async with open_journal(road.journal) as journal:
        passage = await begin_passage(journal, request, road.environment)
        carrying = asyncio.create_task(
            carry_passage(journal, passage, request, road.environment)
        )  # fmt: skip

        async def cancelled(*arguments: Any, **more: Any) -> RunRecord:
            carrying.cancel()
            return await begin(*arguments, **more)

        monkeypatch.setattr("longshore.migrate.routes._carry.begin", cancelled)
        with pytest.raises(asyncio.CancelledError):
            await carrying
        arrival = await arrival_now(journal, passage, 0.0)
    assert [leg.run.target for leg in passage.legs] == ["plangrep", "sendai"]
    assert arrival.outcomes == {Outcome.RUNNING: 2}


async def test_a_run_of_a_route_goes_on_with_the_others_only(road: Road) -> None:
    """A client would go on with that run alone, and forget what it gave up for a fallback."""
    road.build('primary = "plangrep"\nfallback = ["sendai"]', "sendai", plangrep=[{"status": 401}])
    with road.killed():
        await road.upload(road.files(2))
    async with AsyncClient("plangrep", journal=road.journal) as client:
        assert await client.unfinished() == []
        async with open_journal(road.journal) as journal:
            (run,) = await journal.runs()
        for go_on in (client.resume, client.rerun):
            with pytest.raises(UsageError, match="goes on as a whole") as caught:
                await go_on(run.id[:5])
            assert caught.value.hint == f"longshore.migrate.resume_by_route({run.id!r})"
    arrival = await road.resume(run.id[:5])
    assert (arrival.exit_code, arrival.outcomes) == (0, {Outcome.SUCCEEDED: 2})
    assert await road.carried() == {
        "0.pdf": [("sendai", "succeeded")],
        "1.pdf": [("sendai", "succeeded")],
    }


async def test_what_failed_by_a_route_is_sent_again(road: Road) -> None:
    """In the same run; and jobs are followed to their end, though the upload did not."""
    road.build('primary = "subworkflow"\nshadow = ["plangrep"]', "subworkflow", "plangrep")
    begun = await road.upload(road.files(1, "fail.pdf"), wait=False)
    run, told = begun.passage.legs[0].run, list[str]()

    def listener(leg: Leg, event: Event) -> None:
        if isinstance(event, DocumentFinished) and leg.role == "main":
            told.append(f"{event.record.document.name} {event.record.outcome}")

    ended = await road.resume(run.id)
    again = await road.resume(run.id, failed=True, listener=listener)
    assert (begun.exit_code, ended.exit_code, again.exit_code) == (0, 1, 1)
    assert sorted(told) == ["0.pdf succeeded", "fail.pdf failed"]
    assert again.reports[run.id].totals.requests > ended.reports[run.id].totals.requests


async def test_a_route_of_another_version_begins_afresh(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If that is asked for; its shadows, too. The listener is told of each run."""
    refused = [{"status": 401, "first": 1}]
    road.build('primary = "plangrep"\nshadow = ["sendai"]', "sendai", plangrep=refused)
    begun, told = await road.upload(road.files(1), wait=False), list[str]()
    for name in ("plangrep", "sendai"):
        monkeypatch.setattr(load_plugins().provider(name), "state_version", 99)

    def listener(leg: Leg, event: Event) -> None:
        if isinstance(event, Notice):
            told.append(event.text)

    run_id = begun.passage.legs[0].run.id
    with pytest.raises(IncompatibleState):
        await road.resume(run_id)
    ended = await road.resume(run_id, on_incompatible="restart", listener=listener)
    assert (ended.exit_code, ended.outcomes) == (0, {Outcome.SUCCEEDED: 1})
    for leg in begun.passage.legs:
        assert any(text.startswith(f"run {leg.run.id} goes on with ") for text in told)


async def test_only_a_run_of_a_route_goes_on_by_it(road: Road) -> None:
    """Any other is gone on with by a client; the hint says how."""
    road.build('primary = "plangrep"', "plangrep")
    async with AsyncClient("plangrep", journal=road.journal, wait=False) as client:
        run = (await client.upload(road.files(1))).run
    with pytest.raises(UsageError, match="is of no upload by a route") as caught:
        await road.resume(run.id)
    assert caught.value.hint == f"Client('plangrep').resume({run.id!r})"


async def test_the_next_fallback_steps_in_for_the_first(road: Road) -> None:
    """Two accounts in trouble: the third target carries it."""
    road.build(
        'primary = "plangrep"\nfallback = ["subworkflow", "sendai"]',
        "sendai",
        plangrep=[{"status": 401}],
        subworkflow=[{"status": 401}],
    )
    arrival = await road.upload(road.files(2))
    assert [(leg.role, leg.run.target) for leg in arrival.passage.legs] == [
        ("main", "plangrep"),
        ("fallback", "subworkflow"),
        ("fallback", "sendai"),
    ]
    assert {str(outcome): count for outcome, count in arrival.outcomes.items()} == {"succeeded": 2}
    assert arrival.exit_code == 0


async def test_a_fallback_gets_nothing_that_it_does_not_take(road: Road) -> None:
    """A document of a type that the first fallback refuses goes to the second."""
    road.build(
        'primary = "plangrep"\nfallback = ["subworkflow", "sendai"]',
        "subworkflow",
        "sendai",
        plangrep=[{"status": 401}],
    )
    await road.upload(road.files(1, "scan.png"), batch_size=1)
    assert await road.carried() == {
        "0.pdf": [("subworkflow", "succeeded")],
        "scan.png": [("sendai", "succeeded")],
    }


async def test_after_a_crash_each_fallback_gets_what_it_takes(road: Road) -> None:
    """What was given up for the second fallback is not planned for the first, which refuses it."""
    road.build(
        'primary = "plangrep"\nfallback = ["subworkflow", "sendai"]',
        "subworkflow",
        "sendai",
        plangrep=[{"status": 401}],
    )
    with road.killed():
        await road.upload(road.files(0, "scan.png"))
    async with open_journal(road.journal) as journal:
        arrival = await road.go_on(journal)
    assert arrival.exit_code == 0
    assert await road.carried() == {"scan.png": [("sendai", "succeeded")]}


async def test_what_is_left_of_an_upload_goes_on_when_a_run_of_it_was_forgotten(road: Road) -> None:
    """It is not taken for a plan that was never whole: of that nothing was sent."""
    road.build('primary = "plangrep"\npercent = {sendai = 50}', "plangrep", "sendai")
    request = RouteRequest("main", paths=tuple(road.files(10)))
    async with open_journal(road.journal) as journal:
        torn = await begin_passage(journal, request, road.environment)
        await journal.forget_run(torn.legs[0].run.id)
        with pytest.raises(UsageError, match="nothing was sent"):
            await find_passage(journal, request, torn.id)
        whole = await begin_passage(journal, request, road.environment)
        await carry_passage(journal, whole, request, road.environment)
        first, second = (leg.run.id for leg in whole.legs)
        await journal.forget_run(first)
        found = await find_passage(journal, request, whole.id)
        arrival = await carry_passage(journal, found, request, road.environment)
    assert [leg.run.id for leg in found.legs] == [second]
    assert arrival.exit_code == 0


async def test_a_fallback_that_is_not_needed_stops_no_resume(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key may be gone since the upload began: the main target takes what is left."""
    road.build('primary = "plangrep"\nfallback = ["sendai"]', "plangrep", "sendai")
    request = RouteRequest("main", paths=tuple(road.files(1)))
    async with open_journal(road.journal) as journal:
        begun = await begin_passage(journal, request, road.environment)
        monkeypatch.delenv("LONGSHORE_SENDAI_API_KEY")
        passage = await find_passage(journal, request, begun.id)
        arrival = await carry_passage(journal, passage, request, road.environment)
    assert arrival.outcomes == {Outcome.SUCCEEDED: 1}


async def test_a_fallback_whose_key_is_gone_is_passed_over(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one steps in; the listener is told why not the first."""
    text = 'primary = "plangrep"\nfallback = ["sendai", "subworkflow"]'
    road.build(text, "sendai", "subworkflow", plangrep=[{"status": 401}])
    with road.killed("longshore.migrate.routes._carry.execute"):
        await road.upload(road.files(2))
    monkeypatch.delenv("LONGSHORE_SENDAI_API_KEY")
    async with open_journal(road.journal) as journal:
        (run,) = await journal.runs()
    told = list[str]()

    def listener(leg: Leg, event: Event) -> None:
        if isinstance(event, Notice):
            told.append(event.text)

    arrival = await road.resume(run.id, listener=listener)
    assert (arrival.exit_code, arrival.outcomes) == (0, {Outcome.SUCCEEDED: 2})
    assert "no documents can go to sendai: no API key for target 'sendai'" in told


async def test_what_was_given_up_and_can_go_nowhere_is_told_before_anything_is_sent(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the other targets' documents would be carried, and then an error tell of none."""
    text = 'primary = "plangrep"\npercent = {subworkflow = 50}\nfallback = ["sendai"]'
    road.build(text, "sendai", "subworkflow", plangrep=[{"status": 401}])
    with road.killed():
        await road.upload(road.files(6), wait=False)
    monkeypatch.delenv("LONGSHORE_SENDAI_API_KEY")
    async with open_journal(road.journal) as journal:
        run = (await journal.runs())[0]
    told = list[Event]()
    with pytest.raises(ConfigurationError, match="no API key for target 'sendai'"):
        await road.resume(run.id, listener=lambda _, event: told.append(event))
    assert told == []


async def test_a_slow_shadow_holds_nobody_up(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its jobs are left to `resume`; its documents are with the vendor all the same."""
    monkeypatch.setattr("longshore.migrate.routes._carry.SHADOW_GRACE", 0.2)
    road.build('primary = "plangrep"\nshadow = ["subworkflow"]', "plangrep")
    road.start("subworkflow", [], SLOW)
    told: list[tuple[str, DocumentRecord]] = []

    def watch(leg: Leg, event: Event) -> None:
        if isinstance(event, DocumentFinished) and leg.role == "main":
            told.append((leg.run.target, event.record))

    arrival = await road.upload(road.files(2), listener=watch)
    (shadow,) = arrival.shadows.values()
    assert arrival.exit_code == 0
    assert [(target, str(record.outcome)) for target, record in told] == [
        ("plangrep", "succeeded"),
    ] * 2
    assert {str(outcome): count for outcome, count in shadow.outcomes.items() if count} == {
        "running": 2
    }


async def test_a_share_of_shadow_traffic_is_stable(road: Road) -> None:
    """``shadow = {B = 40}`` copies the same documents every time."""
    road.build('primary = "plangrep"\nshadow = {sendai = 40}', "plangrep", "sendai")
    names = road.files(10)
    copies: list[Any] = []
    for number in range(2):
        road.journal = road.folder / f"{number}.db"
        await road.upload(names)
        found = await road.carried()
        copies.append({name for name, places in found.items() if len(places) == 2})
    assert copies[0] == copies[1]
    assert 0 < len(copies[0]) < 10


async def test_each_document_of_a_run_is_told_of_once(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what became of it in the end, however often its run had to be executed."""
    monkeypatch.setattr("longshore.migrate.routes._carry.OUTAGE_PAUSE", 0.01)
    monkeypatch.setattr("longshore.migrate.routes._carry.SHADOW_GRACE", 0.2)
    text = (
        'primary = "plangrep"\nfallback = ["sendai"]\nfallback_after = 0\nshadow = ["subworkflow"]'
    )
    road.build(text, "sendai", plangrep=[outage_of(18)])
    road.start("subworkflow", [], SLOW)
    told: list[tuple[str, str, str]] = []

    def watch(leg: Leg, event: Event) -> None:
        if isinstance(event, DocumentFinished):
            record = event.record
            told.append((leg.run.target, record.document.name, str(record.outcome)))

    await road.upload(road.files(3), listener=watch, concurrency=1, batch_size=1)
    assert sorted(told) == [
        ("plangrep", "0.pdf", "succeeded"),
        ("plangrep", "1.pdf", "succeeded"),
        ("plangrep", "2.pdf", "skipped"),
        ("sendai", "2.pdf", "succeeded"),
        ("subworkflow", "0.pdf", "running"),
        ("subworkflow", "1.pdf", "running"),
        ("subworkflow", "2.pdf", "running"),
    ]


async def test_two_passages_never_have_one_id(road: Road) -> None:
    """Ids that are easily typed are drawn twice some day; the second upload is not the first."""
    road.build('primary = "plangrep"', "plangrep")
    drawn = iter(["aaaa", "run1", "aaaa", "bbbb", "run2"])
    environment = replace(road.environment, new_run_id=lambda: next(drawn))
    request = RouteRequest("main", paths=tuple(road.files(1)))
    async with open_journal(road.journal) as journal:
        made = [await begin_passage(journal, request, environment) for _ in range(2)]
        found = await find_passage(journal, request, made[0].id)
    assert [passage.id for passage in made] == ["aaaa", "bbbb"]
    assert [leg.run.id for leg in found.legs] == ["run1"]


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
async def test_what_a_listener_raises_loses_nothing(road: Road, error: type[BaseException]) -> None:
    """An error is logged; only who wants the program to end gets that, in good order."""
    road.build('primary = "plangrep"', "plangrep", "sendai")

    def listener(event: Event) -> None:
        if isinstance(event, JobAccepted):
            raise error

    def route_listener(_leg: Leg, event: Event) -> None:
        listener(event)

    journal = road.journal
    with pytest.raises(error) if error is SystemExit else nullcontext():
        await road.upload(road.files(2), listener=route_listener)
    async with open_journal(journal) as opened:
        (run,) = await opened.runs()
    assert (await road.resume(run.id)).outcomes == {Outcome.SUCCEEDED: 2}
    map = road.folder / "map.jsonl"
    with pytest.raises(error) if error is SystemExit else nullcontext():
        await migrate_async("plangrep", "sendai", map=map, journal=journal, listener=listener)
    migration = await migrate_async("plangrep", "sendai", map=map, journal=journal)
    assert migration.exit_code == 0
    assert len(map.read_text().splitlines()) == 2


async def test_a_file_that_is_named_twice_goes_once(road: Road) -> None:
    """As from the command line; the listener is told, in the first run."""
    road.build('primary = "sendai"', "sendai")
    told: list[str] = []

    def listener(leg: Leg, event: Event) -> None:
        if isinstance(event, Notice):
            told.append(f"{leg.role}: {event.text}")

    (path,) = road.files(1)
    arrival = await road.upload([str(road.folder / "*.pdf"), path], listener=listener)
    assert arrival.outcomes == {Outcome.SUCCEEDED: 1}
    assert told == [f"main: {path} is named more than once; it goes once"]
