"""Every back end, for the tests of the port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from longshore.journal import (
    Journal,
    MemoryJournal,
    SQLiteJournal,
)
from tests.journal.records import RUN


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be made; its folder is not there yet."""
    return tmp_path / "state" / "journal.db"


@pytest.fixture(params=["memory", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    made: Journal = (
        MemoryJournal() if request.param == "memory" else SQLiteJournal(tmp_path / "journal.db")
    )
    await made.create_run(RUN)
    yield made
    await made.close()
