"""A listener that fails: its error is raised, and what is in flight may end all the same."""

from __future__ import annotations

import asyncio

import pytest

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
