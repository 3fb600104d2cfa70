"""What a plugin does wrong outside of its flows fails its batch, by its name, and not the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from longshore.errors import LongshoreError, PluginError
from longshore.lifecycle import Batch, Job, Receipt, Session, Status, Transfer
from longshore.pipeline import RunReport, capabilities_of, execute
from longshore.provider import Flow, Multipart, Request, Response, Retry, SessionLost, Token, Wait
from tests.pipeline.support import LOST, Acme, AcmeSettings, World, hasty, reply

AUTHOR = "this is a fault in the provider 'acme': its author can mend it"


async def carried(world: World) -> RunReport:
    """Execute a run of three documents, a batch each."""
    await world.plan([3], [4], [3])
    run = await world.journal.run("run")
    return await execute(world.journal, world.target(), run, world.environment())


async def troubles(world: World) -> list[tuple[str, str, str]]:
    """Return of each document its outcome, and why."""
    return [
        (str(record.outcome), record.error.message, record.error.hint)
        for record in await world.documents()
        if record.error is not None
    ]


def signing(where: str) -> type[Acme]:
    """Make a provider that cannot sign the requests that begin like this."""

    class Signing(Acme):
        def sign(self, request: Request, now: float) -> Request:
            if request.url.startswith(where):
                raise KeyError("mistake")
            return super().sign(request, now)

    return Signing


async def test_sign_that_raises_fails_its_batch_alone() -> None:
    """The others go; the error names the plugin."""
    world = hasty(signing("/parts/s2"))
    report = await carried(world)

    assert sorted(await world.outcomes()) == ["failed", "succeeded", "succeeded"]
    assert await troubles(world) == [("failed", "sign broke off: KeyError: 'mistake'", AUTHOR)]
    assert (report.exit_code, report.trouble) == (1, None)


async def test_what_could_not_be_signed_has_not_left() -> None:
    """Also at the commit point: nobody need wonder whether the vendor is at work."""
    world = hasty(signing("/complete"))
    await carried(world)

    assert await world.outcomes() == ["failed"] * 3
    assert world.vendor.count("POST /complete") == 0


async def test_a_keyed_request_that_could_not_be_signed_has_not_left() -> None:
    """Its intent was written, and is taken back."""

    class Keyed(signing("/start")):  # type: ignore[misc]
        def start(self, batch: Batch) -> Flow[Session]:
            yield Request("POST", "/start", step="start", retry=Retry.KEYED, key_header="Key")
            raise NotImplementedError

    world = hasty(Keyed)
    await carried(world)

    assert await world.outcomes() == ["failed"] * 3


async def test_a_job_that_cannot_be_asked_about_has_not_failed() -> None:
    """The vendor is at work on it: sent again it would be there twice."""
    world = hasty(signing("/jobs"))
    report = await carried(world)

    words = "nobody can tell how job job-s1 stands: sign broke off: KeyError: 'mistake'"
    assert await world.outcomes() == ["unknown"] * 3
    assert words in {message for _, message, _ in await troubles(world)}
    assert report.exit_code == 4


async def test_nothing_that_can_be_signed_at_all_ends_before_a_byte() -> None:
    """What `prepare` meets is about the target: the run ends with 2, and can be resumed."""

    class Prepares(signing("/project")):  # type: ignore[misc]
        prepares = True

    world = hasty(Prepares)
    report = await carried(world)

    assert isinstance(report.trouble, PluginError)
    assert (report.exit_code, await world.outcomes()) == (2, ["running"] * 3)
    assert world.vendor.log == []


class NoRequest(Acme):
    def sign(self, request: Request, now: float) -> Any:
        return None


class Number(Acme):
    def sign(self, request: Request, now: float) -> Request:
        return request.with_header("X-Key", 5)  # type: ignore[arg-type]


class NoFlow(Acme):
    def authorize(self) -> Any:
        return None


class Raises(Acme):
    def authorize(self) -> Any:
        raise KeyError("mistake")


class NoText(Acme):
    def authorize(self) -> Flow[Token]:
        return Token(5)  # type: ignore[arg-type]
        yield


class NoBody(Acme):
    def start(self, batch: Batch) -> Flow[Session]:
        yield Request("POST", "/start", 5, step="start")  # type: ignore[arg-type]
        raise NotImplementedError


class NoField(Acme):
    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        yield Request.put("/parts", Multipart((5,)))  # type: ignore[arg-type]
        raise NotImplementedError


class NoRefusal(Acme):
    def refusal(self, response: Response) -> Any:
        return "no"


class NoTransfers(Acme):
    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        raise SessionLost("expired")
        yield

    def renew(self, batch: Batch, session: Session, transfers: tuple[Transfer, ...]) -> Any:
        yield Request.get("/x")


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (NoRequest, "sign returns NoneType, and not Request"),
        (Number, "the header X-Key is no text, but int"),
        (NoFlow, "authorize is a generator, not NoneType"),
        (Raises, "authorize broke off: KeyError: 'mistake'"),
        (NoText, "authorize returns a Token whose value is no text"),
        (NoBody, "the body of /start broke off: TypeError: a request cannot carry int"),
        (NoField, "the body of /parts broke off: TypeError: cannot unpack"),
        (NoTransfers, "renew returns NoneType, and not transfers"),
    ],
)
async def test_a_strange_thing_is_named(provider: type[Acme], words: str) -> None:
    """Each batch fails, with the provider's name; nothing is raised."""
    world = hasty(provider)
    await carried(world)
    found = await troubles(world)

    assert [(outcome, hint) for outcome, _, hint in found] == [("failed", AUTHOR)] * 3
    assert all(message.startswith(words) for _, message, _ in found)


async def test_a_refusal_that_is_no_error_is_named() -> None:
    """The vendor refused, but nobody can tell what."""
    world = hasty(NoRefusal)
    world.vendor.script = {"PUT /parts/s1": [reply({}, 422)]}
    await carried(world)

    words = "refusal returns str, and no LongshoreError"
    assert await troubles(world) == [("failed", words, AUTHOR)]


def _raises(_lost: object) -> Any:
    raise KeyError("mistake")


def _finds_nothing(_lost: object) -> Any:
    yield Request.get("/sessions/s1")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (_raises, "the provider's flow broke off: KeyError: 'mistake'"),
        (_finds_nothing, "an ask flow returns an Answer, not NoneType"),
    ],
)
async def test_a_question_that_breaks_off_leaves_the_outcome_open(
    ask: Callable[..., Any], words: str
) -> None:
    """The vendor may have acted."""

    class Asking(Acme):
        def complete(
            self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]
        ) -> Flow[Job]:
            id = session.data["id"]
            answer = yield Request.post(f"/complete/{id}", step="complete", lost=ask)
            return Job(id=answer.json()["id"])

    world = hasty(Asking)
    world.vendor.script = {"POST /complete/s1": [LOST]}
    await carried(world)

    assert await troubles(world) == [("unknown", words, AUTHOR)]


async def test_a_poll_that_breaks_off_leaves_the_outcome_open() -> None:
    """So does a flow's own mistake, once there is a job."""

    class Polling(Acme):
        def poll(self, job: Job) -> Flow[Status]:
            yield Request.get(f"/jobs/{job.id}")
            raise KeyError("state")

    world = hasty(Polling)
    await carried(world)

    assert await world.outcomes() == ["unknown"] * 3


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (Request.post("/query", step="query", retry=Retry.IDEMPOTENT), "only hold safe requests"),
        (Wait("visible", 0.01, 10.0), "it does not wait"),
    ],
)
async def test_a_poll_that_does_more_than_ask_is_named(what: Request | Wait, words: str) -> None:
    """It would be given back for ever what it heard at first, or wait no longer than once."""

    class Polling(Acme):
        def poll(self, job: Job) -> Flow[Status]:
            yield what
            return (yield from super().poll(job))

    world = hasty(Polling)
    world.vendor.always = {"POST /query": reply({})}
    world.vendor.states = ["busy", "done"]
    await asyncio.wait_for(carried(world), 20)

    told = await troubles(world)
    assert [(outcome, hint) for outcome, _, hint in told] == [("unknown", AUTHOR)] * 3
    assert all(words in why for _, why, _ in told)


def test_capabilities_that_raise_are_named() -> None:
    """What our own errors say stands."""

    class Broken(Acme):
        def capabilities(self) -> Any:
            raise KeyError("mistake")

    with pytest.raises(LongshoreError, match="capabilities broke off: KeyError") as caught:
        capabilities_of(Broken(AcmeSettings()))
    assert caught.value.hint == AUTHOR
