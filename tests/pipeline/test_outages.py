"""Trouble of the account and of the vendor: what stops, what waits, and what goes on."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.errors import LongshoreError, RequestRefused, Unauthorized, VendorUnavailable
from longshore.lifecycle import Outcome
from longshore.pipeline import advance
from longshore.provider import Response
from tests.pipeline.support import LOST, NOT_SENT, Acme, hasty, reply
from tests.pipeline.test_executor import run, told

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("short")]


async def test_a_401_in_the_middle_stops_the_account_not_the_documents() -> None:
    """What is in flight ends, nothing fails, and a resume carries the rest."""
    world = hasty()
    world.vendor.delay = 0.002
    await world.plan(*[[4]] * 12, concurrency=4)
    world.vendor.script = {"POST /complete/s5": [reply({}, 401)]}
    report = await run(world)
    assert isinstance(report.trouble, Unauthorized)
    assert report.exit_code == 2
    assert set(report.outcomes) <= {Outcome.RUNNING, Outcome.SUCCEEDED}
    assert sorted(told(world)) == list(range(12))
    assert world.vendor.in_flight == 0
    assert report.totals.requests == len(world.vendor.log)
    report = await run(world)
    assert (report.exit_code, report.outcomes) == (0, {Outcome.SUCCEEDED: 12})
    assert sorted(told(world)) == list(range(12))
    assert set(world.vendor.arrived.values()) == {1}
    assert report.totals.requests == len(world.vendor.log)


async def test_an_outage_from_the_beginning_ends_the_run() -> None:
    """Nobody waits a day for an address that never answered."""
    world = hasty()
    await world.plan([4], [4])
    world.vendor.always = {"POST": NOT_SENT, "GET": NOT_SENT}
    report = await run(world)
    assert isinstance(report.trouble, VendorUnavailable)
    assert (report.exit_code, report.outcomes) == (2, {Outcome.RUNNING: 2})


async def test_an_outage_after_an_answer_is_waited_out() -> None:
    """The account pauses; no document fails."""
    world = hasty()
    await world.plan([4], [4])
    world.vendor.script = {"PUT": [NOT_SENT] * 20}
    report = await run(world)
    assert (report.exit_code, report.outcomes) == (0, {Outcome.SUCCEEDED: 2})


@pytest.mark.parametrize("lost", [LOST, reply({}, 502)])
async def test_an_outage_in_which_answers_are_lost_fails_no_document(lost: Any) -> None:
    """A request that is not repeated, and is answered with 502 at once, begins again later."""
    world = hasty()
    await world.plan(*[[4]] * 8, concurrency=4)
    world.vendor.states = ["busy"] * 5 + ["done"]
    world.vendor.script = {"POST /start": [reply({"id": "s0"}), *[lost] * 7]}
    report = await run(world)
    assert (report.exit_code, report.outcomes) == (0, {Outcome.SUCCEEDED: 8})


async def test_a_vendor_that_loses_every_answer_from_the_beginning_ends_the_run() -> None:
    """Not with the first one; and nothing has failed: it can be resumed."""
    world = hasty()
    await world.plan([4], [4])
    world.vendor.always = {"POST /start": reply({}, 502)}
    report = await run(world)
    assert isinstance(report.trouble, VendorUnavailable)
    assert (report.exit_code, report.outcomes) == (2, {Outcome.RUNNING: 2})
    assert 5 <= len(world.vendor.log) <= 6
    world.vendor.always.clear()
    assert (await run(world)).outcomes == {Outcome.SUCCEEDED: 2}


async def test_an_outage_does_not_hide_that_the_account_is_refused() -> None:
    """Whatever fails beside a 401: the run ends with that, and begins nothing any more."""
    world = hasty()
    await world.plan([4], [4], concurrency=2)
    engine = await world.engine()
    engine.trouble = Unauthorized("the key is revoked")
    world.vendor.always = {"POST /start": NOT_SENT}
    outcome = await advance("b0000", engine=engine)
    assert outcome.state == "blocked"
    assert engine.refused
    assert engine.trouble.message == "the key is revoked"


async def test_an_outage_without_end_is_given_up(turns: list[int]) -> None:
    """--give-up-after counts from the last answer."""
    world = hasty()
    await world.plan([4], [4], give_up_after=0.1)
    world.vendor.always = {"PUT": NOT_SENT}
    report = await run(world)
    assert isinstance(report.trouble, VendorUnavailable)
    assert report.outcomes == {Outcome.RUNNING: 2}
    assert turns[0] < 200


class Odd(Acme):
    """Its author did not think of every reply."""

    def refusal(self, response: Response) -> LongshoreError | None:
        return RequestRefused(str(response.json()["detail"]["text"]))


async def test_a_provider_that_cannot_read_a_refusal_stops_nobody_else() -> None:
    """A mistake in a plugin concerns the batch that met it; what it meant, nobody can tell."""
    world = hasty(Odd)
    await world.plan([4], [4], [4], concurrency=1)
    world.vendor.script = {"POST /start": [reply({"detail": None}, 422)]}
    report = await run(world)
    assert report.outcomes == {Outcome.UNKNOWN: 1, Outcome.SUCCEEDED: 2}
    (document,) = [d for d in await world.documents() if d.outcome is Outcome.UNKNOWN]
    assert document.error is not None
    assert document.error.kind == "plugin"
    assert "cannot read a refusal: TypeError" in document.error.message
