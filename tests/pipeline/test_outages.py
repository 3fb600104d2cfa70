"""Trouble of the account and of the vendor: what stops, what waits, and what goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from longshore.errors import (
    LongshoreError,
    PaymentRequired,
    RequestRefused,
    Unauthorized,
    VendorUnavailable,
)
from longshore.journal import FactKind
from longshore.lifecycle import Batch, Outcome, Receipt, Session, Transfer
from longshore.pipeline import DocumentFinished, Notice, advance
from longshore.provider import Flow, Refused, Response
from longshore.transfer import Outgoing
from tests.pipeline.support import LOST, NOT_SENT, Acme, OneRequest, Vendor, calm, hasty, reply
from tests.pipeline.test_ends import Keyed
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


@pytest.mark.parametrize(
    ("answer", "said"),
    [(NOT_SENT, "does not answer: no route"), (reply({}, 503), "answers with status 503")],
)
async def test_an_outage_after_an_answer_is_waited_out(answer: Any, said: str) -> None:
    """The account pauses; no document fails; it is told what the vendor does, and how long."""
    world = hasty()
    await world.plan([4], [4])
    world.vendor.script = {"PUT": [answer] * 20}
    report = await run(world)
    assert (report.exit_code, report.outcomes) == (0, {Outcome.SUCCEEDED: 2})
    notices = [event.text for event in world.events if isinstance(event, Notice)]
    assert notices
    assert all(text.endswith(f"{said}; waiting 1 s") for text in notices)  # never 0 s


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


async def test_no_setting_overrules_how_long_a_vendor_wants_to_be_left_alone() -> None:
    """However short ``poll_interval`` is, an outage with a Retry-After is waited out."""
    world = calm(poll_interval=0.2)
    await world.plan([4])
    world.vendor.always = {"GET /jobs": reply({}, 503, **{"retry-after": "60"})}
    engine = await world.engine()
    while (outcome := await advance("b0000", engine=engine)).state == "later":
        world.clock.time = outcome.at
    assert outcome.state == "blocked"
    assert outcome.at == world.clock.now() + 60.0


@pytest.mark.parametrize(("answer", "left"), [(NOT_SENT, 0), (reply({}, 429), 0), (LOST, 1)])
async def test_a_keyed_request_that_never_left_leaves_no_intent(answer: Any, left: int) -> None:
    """Else an unreachable vendor would seem to have the document: no fallback could take it."""
    world = calm(Keyed)
    await world.plan([4])
    world.vendor.always = {"POST /parts": answer}
    assert (await advance("b0000", engine=await world.engine())).state == "blocked"
    facts = (await world.journal.facts("b0000")).facts
    assert sum(fact.kind is FactKind.INTENT for fact in facts) == left

    world.vendor.always, engine = {}, await world.engine()
    while (outcome := await advance("b0000", engine=engine)).state == "later":
        world.clock.time = outcome.at
    assert await world.outcomes() == ["succeeded"]


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


class NoCredits(OneRequest):
    """Says with an error of its own that the account has no credits left."""

    name = "no-credits"

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Send the document."""
        try:
            return (yield from super().send(batch, session, transfer))
        except Refused as refused:
            raise PaymentRequired("no credits are left") from refused


async def test_account_trouble_that_a_flow_tells_leaves_no_open_question() -> None:
    """It read a refusal its own way: once the account is mended, the request goes out again."""
    world = hasty(NoCredits)
    await world.plan([4])
    world.vendor.script = {"POST /upload": [reply({"error": "credits"}, 400)]}
    report = await run(world)
    assert (type(report.trouble), report.exit_code) == (PaymentRequired, 2)
    report = await run(world)
    assert (report.outcomes, world.vendor.count("POST")) == ({Outcome.SUCCEEDED: 1}, 2)


class OneBroken(Vendor):
    """Answers about one job with nothing but 500, and takes its time for that."""

    async def send(self, outgoing: Outgoing) -> Response:
        """Answer."""
        if outgoing.url.endswith("/jobs/job-s1"):
            self.log.append("GET /broken")
            await asyncio.sleep(0.03)
            return reply({}, 500)
        return await super().send(outgoing)


async def test_one_job_that_cannot_be_asked_about_holds_up_nobody_else() -> None:
    """The vendor answers others meanwhile: that is no outage, and nothing is paused."""
    world = hasty()
    world.vendor = vendor = OneBroken(states=["busy"] * 40 + ["done"])
    await world.plan([4], [4], [4], give_up_after=0.5)
    report = await asyncio.wait_for(run(world), 20)
    assert isinstance(report.trouble, VendorUnavailable)
    assert report.outcomes == {Outcome.SUCCEEDED: 2, Outcome.RUNNING: 1}
    assert vendor.count("GET /broken") > 6
    order = [type(event) for event in world.events if isinstance(event, Notice | DocumentFinished)]
    assert order[:2] == [DocumentFinished, DocumentFinished]


class Mistaken(Acme):
    """Has flows that are none, for the first batch."""

    mistake: Any = None

    def start(self, batch: Batch) -> Flow[Session]:
        """Begin a session, or not even a flow."""
        return self.mistake() if batch.id == "b0000" else super().start(batch)


def raises() -> Flow[Session]:
    raise KeyError("key")


@pytest.mark.parametrize("mistake", [raises, lambda: None, Session])
async def test_a_flow_that_is_none_stops_nobody_else(mistake: Any) -> None:
    """A plain function that raises, or returns its result: the fault of the plugin, not a crash."""
    world = hasty(Mistaken)
    world.provider.mistake = mistake  # type: ignore[attr-defined]
    await world.plan([4], [4])
    assert (await run(world)).outcomes == {Outcome.FAILED: 1, Outcome.SUCCEEDED: 1}
    assert [d.error.kind for d in await world.documents() if d.error] == ["plugin"]


async def test_an_action_that_the_provider_offers_but_does_not_know_is_told() -> None:
    """Whoever asks for it is told so, once; the run goes on and its message goes."""
    world = hasty(OneRequest)
    await world.plan([4])
    world.vendor.states = ["review"]
    await run(world)
    await world.journal.post("run", "act", {"unit": "b0000", "action": "approve"})
    for times in (1, 0):
        assert (await run(world)).outcomes == {Outcome.NEEDS_ACTION: 1}
        notices = [event.text for event in world.events if isinstance(event, Notice)]
        assert sum("NotImplementedError" in text for text in notices) == times
    assert await world.journal.mail("run") == ()
