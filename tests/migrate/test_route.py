"""A route under trouble: outages, crashes between two runs, shadows that are slow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from longshore import AsyncClient
from longshore.errors import UsageError
from longshore.journal import DocumentRecord, open_journal
from longshore.lifecycle import Outcome
from longshore.migrate import (
    Leg,
    RouteRequest,
    begin_passage,
    carry_passage,
    find_passage,
    migrate_async,
    passage_of,
    upload_by_route_async,
)
from longshore.pipeline import DocumentFinished, Environment, Event, JobAccepted
from tests.migrate.conftest import carried, files, route

Vendors = Callable[..., None]


@pytest.mark.parametrize("tries", [8, 20])
async def test_an_outage_in_the_middle_hands_over_only_what_was_not_begun(
    tmp_path: Path,
    vendors: Vendors,
    hurried: Environment,
    monkeypatch: pytest.MonkeyPatch,
    tries: int,
) -> None:
    """What may be with the vendor waits for it, as long as it takes; all is carried once."""
    monkeypatch.setattr("longshore.migrate._route.OUTAGE_PAUSE", 0.01)
    route(tmp_path, 'primary = "plangrep"\nfallback = ["sendai"]\nfallback_after = 0')
    times = [*range(2, 2 + tries)]
    outage = {"path": "*/projects/*/jobs", "method": "POST", "status": 503, "nth": times}
    vendors("plangrep", [outage])
    vendors("sendai")
    arrival = await upload_by_route_async(
        files(tmp_path, 4),
        "main",
        journal=tmp_path / "j.db",
        environment=hurried,
        concurrency=1,
        batch_size=1,
    )
    found = await carried(tmp_path / "j.db")
    assert arrival.exit_code == 0
    assert found == {
        "0.pdf": [("plangrep", "succeeded")],
        "1.pdf": [("plangrep", "succeeded")],
        "2.pdf": [("sendai", "succeeded")],
        "3.pdf": [("sendai", "succeeded")],
    }
    assert sum(arrival.outcomes.values()) == 4


async def test_an_unknown_outcome_is_never_handed_over(
    tmp_path: Path, vendors: Vendors, hurried: Environment
) -> None:
    """A lost answer to the one request that matters: the document may be there."""
    route(tmp_path, 'primary = "sendai"\nfallback = ["subworkflow"]\nfallback_after = 0')
    vendors("sendai", [{"method": "POST", "drop": "after"}])
    vendors("subworkflow")
    arrival = await upload_by_route_async(
        files(tmp_path, 1),
        "main",
        settings={"sendai:timeout": "0.1"},
        journal=tmp_path / "j.db",
        environment=hurried,
    )
    assert await carried(tmp_path / "j.db") == {"0.pdf": [("sendai", "unknown")]}
    assert arrival.exit_code == 4


async def test_a_crash_between_giving_up_and_planning_loses_nothing(
    tmp_path: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch, hurried: Environment
) -> None:
    """What a run gave up and nobody has is found and planned by the next call."""
    route(tmp_path, 'primary = "plangrep"\nfallback = ["sendai"]')
    vendors("plangrep", [{"status": 401}])
    vendors("sendai")

    async def crash(*arguments: object, **more: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("longshore.migrate._route.begin", crash)
        with pytest.raises(RuntimeError, match="killed"):
            await upload_by_route_async(
                files(tmp_path, 2), "main", journal=tmp_path / "j.db", environment=hurried
            )
    assert await carried(tmp_path / "j.db") == {}
    async with open_journal(tmp_path / "j.db") as journal:
        (run,) = await journal.runs()
        assert run.finished_at is None
        request = RouteRequest("")
        passage = await find_passage(journal, request, passage_of(run) or "")
        arrival = await carry_passage(journal, passage, request, hurried)
    assert arrival.exit_code == 0
    assert await carried(tmp_path / "j.db") == {
        "0.pdf": [("sendai", "succeeded")],
        "1.pdf": [("sendai", "succeeded")],
    }


async def test_the_next_fallback_steps_in_for_the_first(
    tmp_path: Path, vendors: Vendors, hurried: Environment
) -> None:
    """Two accounts in trouble: the third target carries it."""
    route(tmp_path, 'primary = "plangrep"\nfallback = ["subworkflow", "sendai"]')
    vendors("plangrep", [{"status": 401}])
    vendors("subworkflow", [{"status": 401}])
    vendors("sendai")
    arrival = await upload_by_route_async(
        files(tmp_path, 2), "main", journal=tmp_path / "j.db", environment=hurried
    )
    assert [(leg.role, leg.run.target) for leg in arrival.passage.legs] == [
        ("main", "plangrep"),
        ("fallback", "subworkflow"),
        ("fallback", "sendai"),
    ]
    assert {str(outcome): count for outcome, count in arrival.outcomes.items()} == {"succeeded": 2}
    assert arrival.exit_code == 0


async def test_a_fallback_gets_nothing_that_it_does_not_take(
    tmp_path: Path, vendors: Vendors, hurried: Environment
) -> None:
    """A document of a type that the first fallback refuses goes to the second."""
    route(tmp_path, 'primary = "plangrep"\nfallback = ["subworkflow", "sendai"]')
    vendors("plangrep", [{"status": 401}])
    vendors("subworkflow")
    vendors("sendai")
    (tmp_path / "scan.png").write_bytes(b"png")
    await upload_by_route_async(
        [*files(tmp_path, 1), tmp_path / "scan.png"],
        "main",
        journal=tmp_path / "j.db",
        environment=hurried,
        batch_size=1,
    )
    assert await carried(tmp_path / "j.db") == {
        "0.pdf": [("subworkflow", "succeeded")],
        "scan.png": [("sendai", "succeeded")],
    }


async def test_after_a_crash_each_fallback_gets_what_it_takes(
    tmp_path: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch, hurried: Environment
) -> None:
    """What was given up for the second fallback is not planned for the first, which refuses it."""
    route(tmp_path, 'primary = "plangrep"\nfallback = ["subworkflow", "sendai"]')
    vendors("plangrep", [{"status": 401}])
    vendors("subworkflow")
    vendors("sendai")
    (tmp_path / "scan.png").write_bytes(b"png")

    async def crash(*arguments: object, **more: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("longshore.migrate._route.begin", crash)
        with pytest.raises(RuntimeError, match="killed"):
            await upload_by_route_async(
                tmp_path / "scan.png", "main", journal=tmp_path / "j.db", environment=hurried
            )
    async with open_journal(tmp_path / "j.db") as journal:
        (run,) = await journal.runs()
        request = RouteRequest("")
        passage = await find_passage(journal, request, passage_of(run) or "")
        arrival = await carry_passage(journal, passage, request, hurried)
    assert arrival.exit_code == 0
    assert await carried(tmp_path / "j.db") == {"scan.png": [("sendai", "succeeded")]}


async def test_what_is_left_of_an_upload_goes_on_when_a_run_of_it_was_forgotten(
    tmp_path: Path, vendors: Vendors, hurried: Environment
) -> None:
    """It is not taken for a plan that was never whole: of that nothing was sent."""
    route(tmp_path, 'primary = "plangrep"\npercent = {sendai = 50}')
    vendors("plangrep")
    vendors("sendai")
    request = RouteRequest("main", paths=tuple(files(tmp_path, 10)))
    async with open_journal(tmp_path / "j.db") as journal:
        torn = await begin_passage(journal, request, hurried)
        await journal.forget_run(torn.legs[0].run.id)
        with pytest.raises(UsageError, match="nothing was sent"):
            await find_passage(journal, request, torn.id)
        whole = await begin_passage(journal, request, hurried)
        await carry_passage(journal, whole, request, hurried)
        first, second = (leg.run.id for leg in whole.legs)
        await journal.forget_run(first)
        found = await find_passage(journal, request, whole.id)
        arrival = await carry_passage(journal, found, request, hurried)
    assert [leg.run.id for leg in found.legs] == [second]
    assert arrival.exit_code == 0


async def test_a_fallback_that_is_not_needed_stops_no_resume(
    tmp_path: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch, hurried: Environment
) -> None:
    """Its key may be gone since the upload began: the main target takes what is left."""
    route(tmp_path, 'primary = "plangrep"\nfallback = ["sendai"]')
    vendors("plangrep")
    vendors("sendai")
    request = RouteRequest("main", paths=tuple(files(tmp_path, 1)))
    async with open_journal(tmp_path / "j.db") as journal:
        begun = await begin_passage(journal, request, hurried)
        monkeypatch.delenv("LONGSHORE_SENDAI_API_KEY")
        passage = await find_passage(journal, request, begun.id)
        arrival = await carry_passage(journal, passage, request, hurried)
    assert arrival.outcomes == {Outcome.SUCCEEDED: 1}


async def test_a_slow_shadow_holds_nobody_up(
    tmp_path: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch, hurried: Environment
) -> None:
    """Its jobs are left to `resume`; its documents are with the vendor all the same."""
    monkeypatch.setattr("longshore.migrate._route.SHADOW_GRACE", 0.2)
    route(tmp_path, 'primary = "plangrep"\nshadow = ["subworkflow"]')
    vendors("plangrep")
    vendors("subworkflow", [], "subworkflow.walk=IN_PROGRESS:3600,SUCCESS")
    told: list[tuple[str, DocumentRecord]] = []

    def watch(leg: Leg, event: Event) -> None:
        if isinstance(event, DocumentFinished) and leg.role == "main":
            told.append((leg.run.target, event.record))

    arrival = await upload_by_route_async(
        files(tmp_path, 2),
        "main",
        journal=tmp_path / "j.db",
        environment=hurried,
        listener=watch,
    )
    (shadow,) = arrival.shadows.values()
    assert arrival.exit_code == 0
    assert [(target, str(record.outcome)) for target, record in told] == [
        ("plangrep", "succeeded"),
    ] * 2
    assert {str(outcome): count for outcome, count in shadow.outcomes.items() if count} == {
        "running": 2
    }


async def test_a_share_of_shadow_traffic_is_stable(
    tmp_path: Path, vendors: Vendors, hurried: Environment
) -> None:
    """``shadow = {B = 40}`` copies the same documents every time."""
    route(tmp_path, 'primary = "plangrep"\nshadow = {sendai = 40}')
    vendors("plangrep")
    vendors("sendai")
    names = files(tmp_path, 10)
    copies: list[Any] = []
    for number in range(2):
        journal = tmp_path / f"{number}.db"
        await upload_by_route_async(names, "main", journal=journal, environment=hurried)
        found = await carried(journal)
        copies.append({name for name, places in found.items() if len(places) == 2})
    assert copies[0] == copies[1]
    assert 0 < len(copies[0]) < 10


async def test_each_document_of_a_run_is_told_of_once(
    tmp_path: Path, vendors: Vendors, hurried: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what became of it in the end, however often its run had to be executed."""
    monkeypatch.setattr("longshore.migrate._route.OUTAGE_PAUSE", 0.01)
    monkeypatch.setattr("longshore.migrate._route.SHADOW_GRACE", 0.2)
    route(
        tmp_path,
        'primary = "plangrep"\nfallback = ["sendai"]\nfallback_after = 0\nshadow = ["subworkflow"]',
    )
    outage = {"path": "*/projects/*/jobs", "method": "POST", "status": 503, "nth": [*range(2, 20)]}
    vendors("plangrep", [outage])
    vendors("sendai")
    vendors("subworkflow", [], "subworkflow.walk=IN_PROGRESS:3600,SUCCESS")
    told: list[tuple[str, str, str]] = []

    def watch(leg: Leg, event: Event) -> None:
        if isinstance(event, DocumentFinished):
            record = event.record
            told.append((leg.run.target, record.document.name, str(record.outcome)))

    await upload_by_route_async(
        files(tmp_path, 3),
        "main",
        journal=tmp_path / "j.db",
        environment=hurried,
        listener=watch,
        concurrency=1,
        batch_size=1,
    )
    assert sorted(told) == [
        ("plangrep", "0.pdf", "succeeded"),
        ("plangrep", "1.pdf", "succeeded"),
        ("plangrep", "2.pdf", "skipped"),
        ("sendai", "2.pdf", "succeeded"),
        ("subworkflow", "0.pdf", "running"),
        ("subworkflow", "1.pdf", "running"),
        ("subworkflow", "2.pdf", "running"),
    ]


async def test_two_passages_never_have_one_id(
    tmp_path: Path, vendors: Vendors, hurried: Environment
) -> None:
    """Ids that are easily typed are drawn twice some day; the second upload is not the first."""
    route(tmp_path, 'primary = "plangrep"')
    vendors("plangrep")
    drawn = iter(["aaaa", "run1", "aaaa", "bbbb", "run2"])
    environment = replace(hurried, new_run_id=lambda: next(drawn))
    request = RouteRequest("main", paths=tuple(files(tmp_path, 1)))
    async with open_journal(tmp_path / "j.db") as journal:
        made = [await begin_passage(journal, request, environment) for _ in range(2)]
        found = await find_passage(journal, request, made[0].id)
    assert [passage.id for passage in made] == ["aaaa", "bbbb"]
    assert [leg.run.id for leg in found.legs] == ["run1"]


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
async def test_what_a_listener_raises_loses_nothing(
    tmp_path: Path, vendors: Vendors, error: type[BaseException]
) -> None:
    """An error is logged; only who wants the program to end gets that, in good order."""
    route(tmp_path, 'primary = "plangrep"')
    vendors("plangrep")
    vendors("sendai")

    def listener(event: Event) -> None:
        if isinstance(event, JobAccepted):
            raise error

    def route_listener(_leg: Leg, event: Event) -> None:
        listener(event)

    journal = tmp_path / "j.db"
    with pytest.raises(error) if error is SystemExit else nullcontext():
        paths = files(tmp_path, 2)
        await upload_by_route_async(paths, "main", journal=journal, listener=route_listener)
    async with AsyncClient("plangrep", journal=journal) as client:
        async with open_journal(journal) as opened:
            (run,) = await opened.runs()
        assert (await client.resume(run.id)).outcomes == {Outcome.SUCCEEDED: 2}
    map = tmp_path / "map.jsonl"
    with pytest.raises(error) if error is SystemExit else nullcontext():
        await migrate_async("plangrep", "sendai", map=map, journal=journal, listener=listener)
    migration = await migrate_async("plangrep", "sendai", map=map, journal=journal)
    assert migration.exit_code == 0
    assert len(map.read_text().splitlines()) == 2
