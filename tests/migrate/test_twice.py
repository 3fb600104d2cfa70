"""The same migration, begun twice at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from longshore.errors import RunInUse
from longshore.journal import open_journal
from longshore.migrate import Migration, Request, open_migration
from longshore.pipeline import Environment


def request(folder: Path) -> Request:
    """Of two documents that nobody has carried so far."""
    for name in ("a.pdf", "b.pdf"):
        (folder / name).write_bytes(b"%PDF-1.4 " + name.encode())
    (folder / "list.txt").write_text("a.pdf\nb.pdf\n")
    return Request("plangrep", "geolens", manifest="list.txt")


async def test_one_of_two_plans(tmp_path: Path, vendors: Callable[..., None]) -> None:
    """The other is told; called again it goes on with the first one's run."""
    vendors("geolens")
    asked = request(tmp_path)

    async def call() -> Any:
        async with open_journal(tmp_path / "journal.db") as journal:
            return await open_migration(journal, asked, Environment())

    ended = await asyncio.gather(call(), call(), return_exceptions=True)
    (told,) = [error for error in ended if isinstance(error, BaseException)]
    (made,) = [migration for migration in ended if isinstance(migration, Migration)]
    again = await call()

    assert isinstance(told, RunInUse)
    assert told.message == "another migration to 'geolens' is being planned"
    assert made.run is not None
    assert (again.continued, again.run.id) == (True, made.run.id)


async def test_a_dry_run_beside_it_is_no_trouble(
    tmp_path: Path, vendors: Callable[..., None]
) -> None:
    """It begins nothing."""
    vendors("geolens")
    asked = request(tmp_path)

    async def call(*, dry_run: bool) -> Migration:
        async with open_journal(tmp_path / "journal.db") as journal:
            return await open_migration(journal, asked, Environment(), dry_run=dry_run)

    ended = await asyncio.gather(call(dry_run=False), call(dry_run=True))

    assert [migration.run is None for migration in ended] == [False, True]
