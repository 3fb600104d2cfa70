"""Uploads by a route from Python: begun, and gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

from longshore.errors import UsageError
from longshore.journal import Journal, RunRecord, open_journal
from longshore.migrate.routes._arrival import Arrival
from longshore.migrate.routes._carry import Watch, carry_passage
from longshore.migrate.routes._passage import (
    Passage,
    RouteRequest,
    begin_passage,
    find_passage,
    passage_of,
)
from longshore.pipeline import (
    Environment,
    Notice,
    OnIncompatible,
    Options,
    Paths,
    capabilities_of,
    heard,
    names_of,
    on_own_loop,
    options_from,
    rerun,
    stoppable,
    target_of,
)

__all__ = [
    "resume_by_route", "resume_by_route_async", "upload_by_route", "upload_by_route_async",
]  # fmt: skip


def upload_by_route(paths: Paths, route: str, **arguments: Any) -> Arrival:
    """Carry documents by a route of ``longshore.toml``.

    The same as ``upload_by_route_async``, without an event loop of your own.
    """
    work = partial(upload_by_route_async, paths, route, **arguments)
    return on_own_loop(work, hint="await upload_by_route_async(...)")


async def upload_by_route_async(
    paths: Paths,
    route: str,
    *,
    settings: Mapping[str, str] | None = None,
    config: str | PathLike[str] | None = None,
    journal: str | PathLike[str] | None = None,
    listener: Watch | None = None,
    environment: Environment | None = None,
    stop: asyncio.Event | None = None,
    **options: Unpack[Options],
) -> Arrival:
    """Carry documents by a route of ``longshore.toml``.

    Args:
        paths: files, directories, globs. A file that is named twice goes once, and the listener
            is told.
        route: its name, with or without ``route:``.
        settings: overrule settings of all targets (``key``) or of one (``target:key``).
        config: the configuration file; None: look for it.
        journal: the journal file; None: the usual place.
        listener: is told the run (``leg.role``, ``leg.run``) and the event; what it raises is
            logged.
        environment: what a test replaces.
        stop: set it to end in good order; so does a cancellation of this task, as by Ctrl-C.
        options: see ``RunOptions``.

    Raises:
        ConfigurationError: the route, or a target whose outcome counts, is not complete.
        UsageError: there is nothing to carry, or an option breaks a limit of a vendor.
    """
    request = RouteRequest(
        route=route,
        paths=tuple(names_of(paths)),
        settings=dict(settings or {}),
        options=options_from(options),
        config=Path(config) if config else None,
    )
    environment = environment or Environment()
    async with open_journal(Path(journal) if journal else None) as opened:
        passage = await begin_passage(opened, request, environment)
        return await _carried(opened, passage, request, environment, listener=listener, stop=stop)


def resume_by_route(run_id: str, **arguments: Any) -> Arrival:
    """Go on with an upload by a route, with all of its runs.

    The same as ``resume_by_route_async``, without an event loop of your own.
    """
    work = partial(resume_by_route_async, run_id, **arguments)
    return on_own_loop(work, hint="await resume_by_route_async(...)")


async def resume_by_route_async(
    run_id: str,
    *,
    failed: bool = False,
    wait: bool = True,
    on_incompatible: OnIncompatible = "fail",
    settings: Mapping[str, str] | None = None,
    config: str | PathLike[str] | None = None,
    journal: str | PathLike[str] | None = None,
    listener: Watch | None = None,
    environment: Environment | None = None,
    stop: asyncio.Event | None = None,
) -> Arrival:
    """Go on with an upload by a route, with all of its runs; only what is missing is sent.

    The route, the options and the settings are those that it began with. Secrets come freshly.

    Args:
        run_id: one of its runs, or how its id begins.
        failed: first plan again what failed, expired or was cancelled in this run.
        wait: follow the jobs to their end, also where the upload did not.
        on_incompatible: where another ``state_version`` of a provider wrote a run: ``restart``
            what is not at the vendor yet, and hold the rest as unknown.
        settings: overrule what may change now: secrets, addresses, how to talk to the vendors.
        config: the configuration file; None: look for it.
        journal: the journal file; None: the usual place.
        listener: as for ``upload_by_route_async``.
        environment: what a test replaces.
        stop: as for ``upload_by_route_async``.

    Raises:
        RunNotFound: there is no such run.
        RunInUse: another process executes one of the runs.
        UsageError: the run is of no such upload, or it was interrupted while it was planned.
        ConfigurationError: a setting is missing.
        IncompatibleState: another ``state_version`` wrote a run; names the version to install.
    """
    request = RouteRequest("", settings=settings or {}, config=Path(config) if config else None)
    environment = environment or Environment()
    async with open_journal(Path(journal) if journal else None) as opened:
        run = await opened.run(run_id)
        if (id := passage_of(run)) is None:
            hint = f"Client({run.target!r}).resume({run.id!r})"
            raise UsageError(f"run {run.id} is of no upload by a route", hint=hint)
        restart_in = environment if on_incompatible == "restart" else None
        passage = await find_passage(opened, request, id, wait=wait, restart_in=restart_in)
        if failed:
            await _plan_again(opened, run, request, environment)
        return await _carried(opened, passage, request, environment, listener=listener, stop=stop)


async def _plan_again(
    journal: Journal, run: RunRecord, request: RouteRequest, environment: Environment
) -> None:
    capabilities = capabilities_of(target_of(run, request.settings, request.config).provider)
    new_id, now = environment.new_id, environment.clock.now()
    async with journal.lock_run(run.id):
        await rerun(journal, run, capabilities, new_id=new_id, now=now)


async def _carried(
    journal: Journal,
    passage: Passage,
    request: RouteRequest,
    environment: Environment,
    *,
    listener: Watch | None,
    stop: asyncio.Event | None,
) -> Arrival:
    leave = asyncio.Event()
    with heard(listener, leave) as watch:
        if watch is not None:
            for text in passage.notices:
                watch(passage.legs[0], Notice(text))
        work = partial(carry_passage, journal, passage, request, environment, watch=watch)
        return await stoppable(work, stop, leave)
