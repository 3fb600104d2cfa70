"""Carrying the documents of one target to another, and keeping the map of who is who."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

from pydantic import JsonValue

from longshore.errors import RunInUse
from longshore.journal import Journal, RunRecord, open_journal
from longshore.migrate._checked import taker
from longshore.migrate._estimate import estimate
from longshore.migrate._map import open_map
from longshore.migrate._migration import Migration
from longshore.migrate._origins import Carried, Origins
from longshore.migrate._request import USE, Request
from longshore.migrate._select import named_in, select
from longshore.pipeline import (
    Candidate,
    Environment,
    Event,
    Listener,
    Options,
    begin,
    execute,
    heard,
    on_own_loop,
    options_from,
    place_of,
    planning_alone,
    run_to,
    stoppable,
    target_of,
)
from longshore.targets import Target

__all__ = ["migrate", "migrate_async", "open_migration"]


async def open_migration(
    journal: Journal, request: Request, environment: Environment, *, dry_run: bool = False
) -> Migration:
    """Plan a migration and make the plan durable, or find the unfinished one of the same request.

    Args:
        journal: the durable record.
        request: what is asked for.
        environment: of the machine.
        dry_run: plan only.

    Raises:
        UsageError: there is nothing to choose from, or an option breaks a limit of the vendor.
        ConfigurationError: a setting of the target is missing or wrong.
        RunInUse: another process plans a migration to this target.
    """
    request.check()
    target, listed = request.target(), request.listed()
    busy = RunInUse(
        f"another migration to {request.to!r} is being planned",
        hint="run this again once it has begun: what it carries is not carried twice",
    )
    async with AsyncExitStack() as stack:
        if not dry_run:  # both would choose the same documents
            alone = planning_alone(journal, f"migration to {request.to}", busy)
            await stack.enter_async_context(alone)
        return await _open(journal, request, environment, target, listed, dry_run=dry_run)


async def _open(
    journal: Journal,
    request: Request,
    environment: Environment,
    target: Target,
    listed: Sequence[Candidate] | None,
    *,
    dry_run: bool,
) -> Migration:
    signature = request.signature(target, listed)
    mine = await _mine(journal, request)
    begun = None if dry_run else await _unfinished(journal, mine, signature)
    now = begun.created_at if begun is not None else environment.clock.now()
    runs = await request.runs(journal, now=now)
    origins = await Origins.of(journal, runs, whole=bool(request.run))
    same_place = await _same_place(journal, target)
    ids = {run.id for run in mine}
    migration = Migration(
        request,
        target,
        _origins=origins,
        _earlier=mine,
        _elsewhere=[run for run in same_place if run.id not in ids],
    )
    if begun is not None:
        async with journal.lock_run(begun.id):
            pass  # whoever has it is at work: told now, before anything is said or written
        options = {**begun.options, "wait": request.options.wait}
        migration.target = target_of(begun, request.settings, request.config)
        migration.continued = True
        migration.run = begun.model_copy(update={"options": options})
        return migration
    migration.selection = await select(
        origins if listed is None else named_in(listed),
        environment,
        there=await Carried.by(journal, same_place),
        proven=listed is None,
        takes=taker(target),
        limit=request.limit,
        sample=request.sample,
    )
    migration.estimate = await estimate(
        journal, target, migration.selection.documents, request.options, same_place
    )
    if migration.selection.documents and not dry_run:
        migration.run = await _begin(journal, migration, environment, signature)
    return migration


async def _begin(
    journal: Journal, migration: Migration, environment: Environment, signature: str
) -> RunRecord:
    """Make durable what was chosen; nothing is sent yet."""
    assert migration.selection is not None
    notes: dict[str, JsonValue] = {
        "use": USE,
        "signature": signature,
        "from": migration.request.source,
        "kept_out": len(migration.selection.kept_out),
    }
    chosen, options = migration.selection.documents, migration.request.options
    return await begin(journal, migration.target, chosen, options, environment, notes=notes)


async def _mine(journal: Journal, request: Request) -> list[RunRecord]:
    """Return all runs of migrations between these two, oldest first."""
    return [
        run
        for run in await journal.runs()
        if run.notes.get("use") == USE
        and (run.notes.get("from"), run.target) == (request.source, request.to)
    ]


async def _unfinished(journal: Journal, mine: list[RunRecord], signature: str) -> RunRecord | None:
    """Find the run of an earlier call that is not over; drop what was never planned whole."""
    for run in [run for run in mine if not run.planned]:
        await journal.forget_run(run.id)  # interrupted while it was planned: nothing was sent
        mine.remove(run)
    same = [run for run in mine if run.notes.get("signature") == signature]
    return next((run for run in reversed(same) if run.finished_at is None), None)


async def _same_place(journal: Journal, target: Target) -> list[RunRecord]:
    """Return the runs to this very target: the same account, the same settings."""
    this = place_of(run_to(target))
    return [run for run in await journal.runs() if run.planned and place_of(run) == this]


# --------------------------------------------------------------------------- from Python


def migrate(source: str, to: str, **arguments: Any) -> Migration:
    """Carry the documents of one target to another.

    The same as ``migrate_async``, without an event loop of your own.
    """
    work = partial(migrate_async, source, to, **arguments)
    return on_own_loop(work, hint="await migrate_async(...)")


async def migrate_async(
    source: str,
    to: str,
    *,
    run: str = "",
    manifest: str | PathLike[str] = "",
    map: str | PathLike[str] | None = None,
    limit: int | None = None,
    sample: int | None = None,
    since: str = "",
    dry_run: bool = False,
    settings: Mapping[str, str] | None = None,
    config: str | PathLike[str] | None = None,
    journal: str | PathLike[str] | None = None,
    listener: Listener | None = None,
    environment: Environment | None = None,
    stop: asyncio.Event | None = None,
    **options: Unpack[Options],
) -> Migration:
    """Carry the documents of one target to another.

    The same call again goes on with a migration that is not finished. What the other target has
    from this journal already is not carried again. Nothing is deleted anywhere.

    Args:
        source: the target that they were carried to before; it is not asked for anything.
        to: the target that they go to.
        run: one run of ``source``: all its documents, whatever became of them there.
        manifest: a file that names documents, one path or JSON object a line.
        map: where the identities are written: JSON Lines, or SQLite (``.sqlite``, ``.db``).
        limit: at most so many documents.
        sample: so many, chosen by SHA-256: the same ones every time.
        since: only runs begun since (``2026-11-01``), or so long ago (``7d``).
        dry_run: plan only.
        settings: overrule settings of ``to``.
        config: the configuration file; None: look for it.
        journal: the journal file; None: the usual place.
        listener: is told what happens; what it raises is logged.
        environment: what a test replaces.
        stop: set it to end in good order; so does a cancellation of this task, as by Ctrl-C. The
            same call goes on.
        options: see ``RunOptions``.

    Raises:
        UsageError: there is nothing to choose from, an option breaks a limit of the vendor, or the
            map cannot be written.
        ConfigurationError: a setting of ``to`` is missing or wrong.
        RunInUse: another process is at work on it.
    """
    request = Request(
        source=source,
        to=to,
        run=run,
        manifest=str(manifest),
        limit=limit,
        sample=sample,
        since=since,
        settings=dict(settings or {}),
        options=options_from(options),
        config=Path(config) if config else None,
    )
    environment = environment or Environment()
    async with open_journal(Path(journal) if journal else None) as opened:
        migration = await open_migration(opened, request, environment, dry_run=dry_run)
        if dry_run:
            return migration
        leave = asyncio.Event()
        with heard(listener, leave) as told:
            if map is None:
                await _carry(opened, migration, environment, told, stop, leave)
                return migration
            with open_map(Path(map), to) as written:
                await migration.fill(opened, written)
                tell = _both(migration.listener(written), told)
                await _carry(opened, migration, environment, tell, stop, leave)
        return migration


def _both(one: Listener, other: Listener | None) -> Listener:
    def listen(event: Event) -> None:
        one(event)
        if other is not None:
            other(event)

    return listen


async def _carry(
    journal: Journal,
    migration: Migration,
    environment: Environment,
    listener: Listener | None,
    *stops: asyncio.Event | None,
) -> None:
    if migration.run is None:
        return
    work = partial(
        execute, journal, migration.target, migration.run, environment, listener=listener
    )
    migration.report = await stoppable(work, *stops)
    migration.run = migration.report.run
