"""A listener that fails: its error is raised, and what is in flight may end all the same."""

from __future__ import annotations

import asyncio

import pytest

from longshore.errors import PluginError
from longshore.lifecycle import Outcome
from longshore.pipeline import DocumentFinished, Event, TransferSent, execute
from longshore.provider import Response
from longshore.transfer import Outgoing
from tests.pipeline.support import OneRequest, Vendor, hasty
from tests.pipeline.test_executor import run

pytestmark = pytest.mark.usefixtures("short")


class Slow(Vendor):
    """Answers its second upload late."""

    def __init__(self) -> None:
        super().__init__()
        self.comes = asyncio.Event()

    async def send(self, outgoing: Outgoing) -> Response:
        """Answer, sooner or later."""
        if outgoing.url.endswith("/upload") and self.count("POST"):
            self.log.append("POST late")
            self.busy.set()
            await self.comes.wait()
            self.log.remove("POST late")
        return await super().send(outgoing)


@pytest.mark.parametrize("when", [TransferSent, DocumentFinished])
async def test_an_error_of_a_listener_loses_no_answer(when: type[Event]) -> None:
    """The other batch's request must not be sent twice, and need not be."""
    world = hasty(OneRequest, timeout=5.0)
    world.vendor = vendor = Slow()
    await world.plan([4], [4])

    def listen(event: Event) -> None:
        if isinstance(event, when):
            asyncio.get_running_loop().call_later(0.02, vendor.comes.set)
            raise ZeroDivisionError

    record, listener = await world.journal.run("run"), listen
    with pytest.raises(ZeroDivisionError):
        await execute(world.journal, world.target(), record, world.environment(), listener=listener)
    report = await run(world)
    assert (report.outcomes, vendor.count("POST")) == ({Outcome.SUCCEEDED: 2}, 2)


async def test_a_listener_cannot_cancel_a_step() -> None:
    """The run ends, and says why: nobody would bring the batch back."""
    world = hasty(OneRequest, timeout=5.0)
    await world.plan([4], [4])

    def listen(event: Event) -> None:
        if isinstance(event, TransferSent):
            raise asyncio.CancelledError

    record, listener = await world.journal.run("run"), listen
    async with asyncio.timeout(20.0):
        report = await execute(
            world.journal, world.target(), record, world.environment(), listener=listener
        )
    assert isinstance(report.trouble, PluginError)
    assert "cancelled a step" in report.trouble.message
    report = await run(world)
    assert (report.outcomes, world.vendor.count("POST")) == ({Outcome.SUCCEEDED: 2}, 2)
