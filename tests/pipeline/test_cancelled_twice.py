"""An execution that is cancelled again and again while it ends, as an anyio scope does it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from longshore.pipeline import execute
from longshore.provider import Response
from longshore.transfer import Outgoing
from tests.pipeline.support import Acme, Vendor, hasty

pytestmark = pytest.mark.asyncio


class Preparing(Acme):
    """Asks for its project first."""

    prepares = True


class Threaded(Vendor):
    """Its requests are in threads, which are waited for however often one is cancelled."""

    async def send(self, outgoing: Outgoing) -> Response:
        try:
            return await super().send(outgoing)
        except asyncio.CancelledError:
            over = asyncio.get_running_loop().time() + 0.02
            while asyncio.get_running_loop().time() < over:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.001)
            raise


@pytest.mark.parametrize("provider", [Acme, Preparing])
@pytest.mark.parametrize("turns", range(1, 8))
async def test_nothing_goes_on_when_the_lock_of_the_run_is_free(
    provider: type[Acme], turns: int
) -> None:
    """Another process may take the run at once; no step of this one writes or sends beside it."""
    world = hasty(provider)
    world.vendor = Threaded(delay=0.05)
    await world.plan(*[[4]] * 8)
    before = asyncio.all_tasks()
    run = await world.journal.run("run")
    work = execute(world.journal, world.target(), run, world.environment())
    task = asyncio.create_task(work)
    await world.vendor.busy.wait()

    while not task.done():
        task.cancel()
        for _ in range(turns):
            await asyncio.sleep(0)

    assert asyncio.all_tasks() - before - {task} == set()
    with pytest.raises(asyncio.CancelledError):
        await task
