"""What another target carried instead is never sent again, whatever became of the journal since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from longshore.journal import SQLiteJournal, open_journal
from longshore.migrate import (
    RouteRequest,
    carry_passage,
    find_passage,
    passage_of,
    upload_by_route_async,
)
from longshore.migrate._fallback import give_up
from longshore.pipeline import Environment
from tests.migrate.conftest import carried, files, route

Vendors = Callable[..., None]


async def test_what_a_fallback_carried_is_not_sent_again_when_its_run_was_forgotten(
    tmp_path: Path, vendors: Vendors, hurried: Environment
) -> None:
    """Whoever tidies up means no document; the run that gave them up may still be gone on with."""
    route(tmp_path, 'primary = "plangrep"\nfallback = ["sendai"]')
    vendors("plangrep", [{"status": 401}])
    vendors("sendai")
    first = await upload_by_route_async(
        files(tmp_path, 2), "main", journal=tmp_path / "j.db", environment=hurried
    )
    request = RouteRequest("")
    async with open_journal(tmp_path / "j.db") as journal:
        await journal.forget_run(first.passage.legs[1].run.id)
        found = await find_passage(journal, request, first.passage.id)
        again = await carry_passage(journal, found, request, hurried)
        left = [run.target for run in await journal.runs()]
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert left == ["plangrep"]


async def test_it_is_not_sent_again_when_more_is_given_up_later(
    tmp_path: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch, hurried: Environment
) -> None:
    """What was carried is marked document by document: a second lot is a lot of its own.

    The first fallback takes no images and the second cannot be planned at first, so the image is
    given up in a later call; by then the run that carried the rest is forgotten.
    """
    route(tmp_path, 'primary = "plangrep"\nfallback = ["subworkflow", "sendai"]')
    vendors("plangrep", [{"status": 401}])
    vendors("subworkflow")
    vendors("sendai")
    (tmp_path / "scan.png").write_bytes(b"png")

    async def crash(journal: Any, run: Any, to: Any, trouble: Any) -> int:
        if to.name == "sendai":
            raise RuntimeError("killed")
        return await give_up(journal, run, to, trouble)

    with monkeypatch.context() as patched:
        patched.setattr("longshore.migrate._route.give_up", crash)
        with pytest.raises(RuntimeError, match="killed"):
            await upload_by_route_async(
                [*files(tmp_path, 2), tmp_path / "scan.png"],
                "main",
                journal=tmp_path / "j.db",
                environment=hurried,
                batch_size=1,
            )
    request = RouteRequest("")
    async with open_journal(tmp_path / "j.db") as journal:
        main, other = await journal.runs()
        await journal.forget_run(other.id)
        passage = await find_passage(journal, request, passage_of(main) or "")
        assert (await carry_passage(journal, passage, request, hurried)).exit_code == 0
    assert await carried(tmp_path / "j.db") == {"scan.png": [("sendai", "succeeded")]}


@pytest.mark.parametrize("marked", [0, 1, 2])
async def test_it_is_not_sent_again_when_a_crash_came_before_it_was_noted(
    tmp_path: Path,
    vendors: Vendors,
    monkeypatch: pytest.MonkeyPatch,
    hurried: Environment,
    marked: int,
) -> None:
    """The next call finds the fallback's run, and marks whatever of it is not marked yet."""
    route(tmp_path, 'primary = "plangrep"\nfallback = ["sendai"]')
    vendors("plangrep", [{"status": 401}])
    vendors("sendai")

    async def crash(journal: SQLiteJournal, run_id: str, changes: Any) -> None:
        if marked:
            left.append(run_id)
            await commit(journal, run_id, changes)
        if len(left) == marked:
            raise RuntimeError("killed")

    commit, left = SQLiteJournal.change_documents, list[str]()
    with monkeypatch.context() as patched:
        patched.setattr("longshore.migrate._fallback._PAGE", 1)
        patched.setattr(SQLiteJournal, "change_documents", crash)
        with pytest.raises(RuntimeError, match="killed"):
            await upload_by_route_async(
                files(tmp_path, 2), "main", journal=tmp_path / "j.db", environment=hurried
            )
    request = RouteRequest("")
    async with open_journal(tmp_path / "j.db") as journal:
        for _ in range(2):
            main, *others = await journal.runs()
            passage = await find_passage(journal, request, passage_of(main) or "")
            assert (await carry_passage(journal, passage, request, hurried)).exit_code == 0
            assert len(await journal.runs()) == 1 + len(others)
            for other in others:
                await journal.forget_run(other.id)
        assert [run.target for run in await journal.runs()] == ["plangrep"]
