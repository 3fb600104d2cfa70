"""What a verb returns is looked at, so that a provider's mistake bears the provider's name."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from longshore.errors import PluginError
from longshore.lifecycle import State, Status
from longshore.pipeline import execute
from longshore.pipeline._requests import check_returned
from tests.pipeline.support import Acme, OneRequest, hasty, reply


@pytest.mark.parametrize(
    ("verb", "value", "words"),
    [
        ("send", "job_1", "send returns str, and not Receipt"),
        ("poll", {"status": "done"}, "poll returns dict, and not Status"),
        ("complete", None, "complete returns NoneType, and not Job"),
    ],
)
def test_another_type_is_named(verb: str, value: object, words: str) -> None:
    """With the verb, and with what belongs there."""
    with pytest.raises(PluginError, match=re.escape(words)):
        check_returned(verb, value)


def test_the_right_type_passes() -> None:
    """So does what nobody asks for by type."""
    check_returned("poll", Status(state=State.RUNNING, word="x"))
    check_returned("abort", None)


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("provider", [Acme, OneRequest])
async def test_a_job_without_an_id_is_none(provider: type[Any], *, wait: bool) -> None:
    """All jobs would be one, and nobody could ask about it; but the vendor may be at work."""
    world = hasty(provider)
    await world.plan([4], [4], wait=wait)
    world.vendor.always = {"POST /complete": reply({"id": ""}), "POST /upload": reply({"id": ""})}
    run = await world.journal.run("run")
    await asyncio.wait_for(execute(world.journal, world.target(), run, world.environment()), 20)
    for record in await world.documents():
        assert str(record.outcome) == "unknown"
        assert record.error is not None
        told = "1 character" if provider is Acme else "the vendor may be at work: nothing tells"
        assert told in record.error.message
        assert len(record.error.message.splitlines()) == 1
    assert world.vendor.count("GET") == 0
