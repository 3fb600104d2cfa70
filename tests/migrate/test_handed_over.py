"""What another target carried instead is never sent again, whatever became of the journal since."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.journal import SQLiteJournal, open_journal
from longshore.migrate.routes._fallback import give_up
from tests.migrate.conftest import Road


async def test_what_a_fallback_carried_is_not_sent_again_when_its_run_was_forgotten(
    road: Road,
) -> None:
    """Whoever tidies up means no document; the run that gave them up may still be gone on with."""
    road.build('primary = "plangrep"\nfallback = ["sendai"]', "sendai", plangrep=[{"status": 401}])
    first = await road.upload(road.files(2))
    async with open_journal(road.journal) as journal:
        await journal.forget_run(first.passage.legs[1].run.id)
        again = await road.go_on(journal)
        left = [run.target for run in await journal.runs()]
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert left == ["plangrep"]


async def test_it_is_not_sent_again_when_more_is_given_up_later(road: Road) -> None:
    """What was carried is marked document by document: a second lot is a lot of its own.

    The first fallback takes no images and the second cannot be planned at first, so the image is
    given up in a later call; by then the run that carried the rest is forgotten.
    """
    road.build(
        'primary = "plangrep"\nfallback = ["subworkflow", "sendai"]',
        "subworkflow",
        "sendai",
        plangrep=[{"status": 401}],
    )

    async def crash(journal: Any, run: Any, to: Any, trouble: Any) -> int:
        if to.name == "sendai":
            raise RuntimeError("killed")
        return await give_up(journal, run, to, trouble)

    with road.killed("longshore.migrate.routes._carry.give_up", crash):
        await road.upload(road.files(2, "scan.png"), batch_size=1)
    async with open_journal(road.journal) as journal:
        _, other = await journal.runs()
        await journal.forget_run(other.id)
        assert (await road.go_on(journal)).exit_code == 0
    assert await road.carried() == {"scan.png": [("sendai", "succeeded")]}


@pytest.mark.parametrize("marked", [0, 1, 2])
async def test_it_is_not_sent_again_when_a_crash_came_before_it_was_noted(
    road: Road, monkeypatch: pytest.MonkeyPatch, marked: int
) -> None:
    """The next call finds the fallback's run, and marks whatever of it is not marked yet."""
    road.build('primary = "plangrep"\nfallback = ["sendai"]', "sendai", plangrep=[{"status": 401}])

    async def crash(journal: SQLiteJournal, run_id: str, changes: Any) -> None:
        if marked:
            left.append(run_id)
            await commit(journal, run_id, changes)
        if len(left) == marked:
            raise RuntimeError("killed")

    commit, left = SQLiteJournal.change_documents, list[str]()
    monkeypatch.setattr("longshore.migrate.routes._fallback._PAGE", 1)
    with road.killed("longshore.journal.SQLiteJournal.change_documents", crash):
        await road.upload(road.files(2))
    async with open_journal(road.journal) as journal:
        for _ in range(2):
            _, *others = await journal.runs()
            assert (await road.go_on(journal)).exit_code == 0
            assert len(await journal.runs()) == 1 + len(others)
            for other in others:
                await journal.forget_run(other.id)
        assert [run.target for run in await journal.runs()] == ["plangrep"]
