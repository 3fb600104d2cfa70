"""The journal of earlier commands: who looks into it, or goes on with it, makes none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from longshore.cli._terminal import Terminal
from longshore.errors import UsageError

if TYPE_CHECKING:
    from longshore.journal import Journal, SQLiteJournal

__all__ = ["is_named_in_vain", "open_existing", "open_if_there"]


@asynccontextmanager
async def open_existing(terminal: Terminal) -> AsyncIterator[SQLiteJournal]:
    """Open the journal; one that was named has to be there: its name may be a slip of the pen.

    In the usual place an empty one is made: that nothing was uploaded yet is no mistake.

    Raises:
        UsageError: there is no journal of this name.
        JournalError: it cannot be used.
    """
    from longshore.journal import open_journal

    if is_named_in_vain(terminal):
        raise UsageError(
            f"there is no journal {terminal.journal}",
            hint="check --journal; what looks into one, or goes on with it, makes none",
        )
    async with open_journal(terminal.journal) as journal:
        yield journal


@asynccontextmanager
async def open_if_there(terminal: Terminal) -> AsyncIterator[Journal]:
    """Open the journal, or an empty one in memory: for what can be done without, and makes none.

    Raises:
        JournalError: it cannot be used.
    """
    from longshore.journal import MemoryJournal, open_journal

    if is_named_in_vain(terminal):
        yield MemoryJournal()
        return
    async with open_journal(terminal.journal) as journal:
        yield journal


def is_named_in_vain(terminal: Terminal) -> bool:
    """Tell whether a journal was named that is not there."""
    from longshore.journal import is_missing

    return terminal.journal is not None and is_missing(terminal.journal)
