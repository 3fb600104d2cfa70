"""Planning what must not be planned twice at once, in whatever process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from longshore.errors import RunInUse
from longshore.journal import Journal

__all__ = ["planning_alone"]


@asynccontextmanager
async def planning_alone(journal: Journal, what: str, busy: RunInUse) -> AsyncIterator[None]:
    """Let nobody else plan the same meanwhile.

    Args:
        journal: in which it is planned.
        what: is planned.
        busy: says that somebody plans it already, and what to do.

    Raises:
        RunInUse: ``busy``.
    """
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(journal.lock_run(what))
        except RunInUse as error:
            raise busy from error
        yield
