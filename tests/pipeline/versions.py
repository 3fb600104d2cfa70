"""Two more versions of the tiny providers, and how a run comes from one to another."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from longshore.capabilities import Limits
from longshore.errors import JournalError, UnknownOutcome
from longshore.journal import UnitRecord
from longshore.lifecycle import Batch, Job, Receipt, Session, Setup, Transfer
from longshore.pipeline import (
    Event,
    Notice,
    RunReport,
    Unit,
    advance,
    execute,
    prepare,
    restart_incompatible,
)
from longshore.provider import (
    Answer,
    Flow,
    Found,
    LostRequest,
    Provider,
    Raw,
    Request,
    Response,
    Results,
)
from tests.pipeline.support import Acme, OneRequest, World, hasty


class Killed(BaseException):
    """The process is gone: nothing is written any more."""


class Second(Acme):
    """The next version: its steps have other names, and its sessions hold something else."""

    state_version = 2
    prepares = True

    def start(self, batch: Batch) -> Flow[Session]:
        session = yield from super().start(batch)
        return session.changed({"data": {"id": session.data["id"], "second": True}})


class Mute(Second):
    """Offers no abort any more."""

    abort = Provider.abort


class Third(Second):
    """And one more."""

    state_version = 3


class Listed(Acme):
    """Its vendor fetches the files by itself: beginning is all there is to be sent."""

    def start(self, batch: Batch) -> Flow[Session]:
        session = yield from super().start(batch)
        return session.changed({"transfers": ()})


class Secret(Acme):
    """Its sessions have a key each."""

    def start(self, batch: Batch) -> Flow[Session]:
        session = yield from super().start(batch)
        return session.changed({"secrets": {"key": "key-of-session"}})


class Narrow(Second):
    """Its vendor tells a limit by now."""

    def prepare(self) -> Flow[Setup]:
        setup = yield from super().prepare()
        limits = Limits(bytes_per_document=10)
        return setup.changed({"capabilities": self.capabilities().changed({"limits": limits})})


class OnePost(OneRequest):
    """The next version of the vendor without sessions."""

    state_version = 2


class Asking(OneRequest):
    """The first version of it, which can ask about a lost answer."""

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        def ask(_lost: LostRequest) -> Flow[Answer]:
            reply = yield Request.get("/sessions")
            return Found(Response.of(reply.json()))

        (piece,) = transfer.pieces
        reply = yield Request.post("/upload", Raw(piece), step="upload", lost=ask)
        return transfer.receipt(str(reply.json()["id"]))


class Readable(Acme):
    """Fetches what was read."""

    def results(self, job: Job) -> Flow[Results]:
        reply = yield Request.get(f"/results/{job.id}")
        assert reply.status == 200
        return Results(raw={"job": job.id})


class ReadableSecond(Readable, Second):
    """The next version of it."""


class Doubtful(Acme):
    """Does not know, by itself, and without a trace in the journal."""

    def start(self, batch: Batch) -> Flow[Session]:
        yield Request.get("/project")
        raise UnknownOutcome("nobody can tell")


async def begun(provider: type[Any] = Acme, **options: Any) -> World:
    """Plan a document of three parts with the first version."""
    world = hasty(provider)
    await world.plan([12], **options)
    await world.journal.change_run("run", provider_version="1.0")
    return world


async def goes(world: World, until: Callable[[Unit], bool] | None = None) -> None:
    """Let a process move the batch, until it has come far enough, or is killed."""
    engine = await world.engine()
    with suppress(Killed):
        await prepare(engine)
        await advance("b0000", engine=engine, until=until)


def killed_at(world: World, path: str) -> None:
    """Kill the process when a request is on its way."""

    def look(outgoing: Any) -> None:
        if path in outgoing.url:
            world.vendor.on_request = None
            raise Killed

    world.vendor.on_request = look


def now(world: World, provider: type[Any] = Second) -> World:
    """Install another version; what the vendor counted begins anew."""
    world.vendor.log.clear()
    return replace(world, provider=provider(world.provider.settings), events=[])


async def with_a_job(world: World) -> None:
    """Let it go on until the vendor has a job."""
    await goes(world, lambda unit: unit.job is not None)


async def resumed(world: World, *, restart: bool = True) -> RunReport:
    """Resume, as a user does with `--on-incompatible restart`."""
    if restart:
        await restart_incompatible(
            world.journal, world.target(), "run", world.environment(), world.events.append
        )
    run = await world.journal.run("run")
    return await execute(world.journal, world.target(), run, world.environment())


async def cut_short(world: World) -> None:
    """Restart the run, as far as the last write, which fails."""
    change = world.journal.change_run

    async def cut(run_id: str, **changes: object) -> None:
        if "state_version" in changes:
            raise JournalError("the disk is full")
        await change(run_id, **changes)

    world.journal.change_run = cut  # type: ignore[method-assign]
    with pytest.raises(JournalError):
        await resumed(world)
    world.journal.change_run = change  # type: ignore[method-assign]


async def unit(world: World) -> UnitRecord:
    """Return the batch as it is now."""
    return await world.journal.unit("b0000")


def words(events: list[Event]) -> list[str]:
    """Return what was told to people."""
    return [event.text for event in events if isinstance(event, Notice)]
