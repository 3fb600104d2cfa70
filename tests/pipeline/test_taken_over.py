"""A batch that another process takes over while this one still lives: nothing leaves twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from longshore.errors import JournalError
from longshore.pipeline import advance
from tests.pipeline.support import Acme, VirtualClock, World, calm, reply


class Meanwhile(VirtualClock):
    """Lets something happen in the first pause."""

    def __init__(self, then: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._then: Callable[[], Awaitable[object]] | None = then

    async def sleep(self, seconds: float) -> None:
        """Wait, and let it happen."""
        await super().sleep(seconds)
        then, self._then = self._then, None
        if then is not None:
            await then()


async def test_a_try_after_a_pause_does_not_leave_where_another_process_sent_it() -> None:
    """After a 429 that one asked, found nothing, and sent it; its job is the only one."""
    world: World = calm(Acme, timeout=10.0)

    async def take_over() -> None:
        await advance("b0000", engine=await world.engine(), until=lambda unit: unit.job is not None)

    world.clock = Meanwhile(take_over)
    await world.plan([4])
    refused = reply({}, 429, **{"retry-after": "50"})
    world.vendor.script = {"POST /complete": [refused]}
    with pytest.raises(JournalError):
        await advance("b0000", engine=await world.engine())
    assert world.vendor.count("POST /complete") == 2
    assert (await world.journal.unit("b0000")).job_id == "job-s1"
