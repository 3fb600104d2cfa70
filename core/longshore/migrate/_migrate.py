"""Carrying the documents of one target to another, and keeping the map of who is who."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from longshore.journal import (
    DocumentRecord,
    Journal,
    RunRecord,
    UnitRecord,
    open_journal,
    with_units,
)
from longshore.lifecycle import Outcome
from longshore.migrate._estimate import Estimate, estimate
from longshore.migrate._identity import Identity, Origin, shown_source
from longshore.migrate._map import Line, Map, open_map
from longshore.migrate._origins import Origins, carried_before
from longshore.migrate._request import USE, Request
from longshore.migrate._select import KeptOut, Selection, named_in, select
from longshore.pipeline import (
    DocumentFinished,
    Environment,
    Event,
    Listener,
    RunOptions,
    RunReport,
    begin,
    execute,
    place_of,
)
from longshore.targets import Target

__all__ = ["Migration", "migrate", "migrate_async", "open_migration"]


@dataclass(slots=True)
class Migration:
    """A migration that is planned, or was begun earlier.

    Attributes:
        request: what was asked for.
        target: where the documents go.
        run: the run that carries them; None when nothing is to be carried, or for a dry run.
        continued: the run was begun by an earlier call.
        selection: what was chosen; None when an earlier call chose.
        estimate: what it would take; None when an earlier call began it.
        report: how the run was left, once it was executed.
    """

    request: Request
    target: Target
    run: RunRecord | None = None
    continued: bool = False
    selection: Selection | None = None
    estimate: Estimate | None = None
    report: RunReport | None = None
    _origins: Origins = field(default_factory=Origins)
    _earlier: list[RunRecord] = field(default_factory=list)

    @property
    def kept_out(self) -> list[KeptOut]:
        """Documents whose sources are gone, changed, or prove nothing."""
        return self.selection.kept_out if self.selection else []

    @property
    def exit_code(self) -> int:
        """The exit code of the command line; a document that is kept out is not a success."""
        if self.report is not None:
            code = self.report.exit_code
        else:
            chosen = len(self.kept_out) + (len(self.selection.documents) if self.selection else 0)
            goes = self.estimate.plan.documents if self.estimate else 0
            there = self.selection.there if self.selection else 0
            code = 2 if chosen and not goes and not there else 0
        return code or int(bool(self._kept_out_count))

    @property
    def _kept_out_count(self) -> int:
        if self.selection is None and self.run is not None:
            return int(str(self.run.notes.get("kept_out", 0)))
        return len(self.kept_out)

    def plan_line(self) -> dict[str, Any] | None:
        """Describe the plan as scripts read it; None when an earlier call planned."""
        if self.selection is None or self.estimate is None:
            return None
        return {
            "event": "plan",
            "from": self.request.source,
            "target": self.target.name,
            "provider": self.target.provider_name,
            "kept_out": len(self.selection.kept_out),
            "there": self.selection.there,
            "left": self.selection.left,
            **self.estimate.json(),
        }

    # ------------------------------------------------------------------ the map

    async def fill(self, journal: Journal, map: Map) -> None:
        """Write what is known before anything is carried: kept out, and carried by earlier calls.

        With it a map is whole, whenever and however often it is begun.
        """
        for kept in self.kept_out:
            map.put(self._kept_out_line(kept))
        for run in self._earlier:
            async for record, unit in with_units(journal, run.id):
                if self.run is None or run.id != self.run.id:
                    self._put(map, run, record, unit)

    def listener(self, map: Map) -> Listener:
        """Return what writes a line for each document that is told of."""

        def listen(event: Event) -> None:
            if isinstance(event, DocumentFinished):
                self._put(map, event.run, event.record, event.unit)

        return listen

    def _put(
        self, map: Map, run: RunRecord, record: DocumentRecord, unit: UnitRecord | None
    ) -> None:
        error = record.error or (unit.error if unit else None)
        there = record.outcome in (Outcome.SUCCEEDED, Outcome.RUNNING)
        origin = self._origins.find(record.document)
        map.put(
            _line(
                Origin(record.document, origin.at if origin else None),
                Identity.of(run, record, unit),
                error.model_dump(mode="json") if error and not there else None,
            )
        )

    def _kept_out_line(self, kept: KeptOut) -> Line:
        to = Identity(self.target.name, self.target.provider_name, "", state="kept_out")
        return _line(kept.origin, to, kept.error.model_dump(mode="json"))


def _line(origin: Origin, to: Identity, error: Any) -> Line:
    document = origin.document
    return {
        "path": shown_source(document.source),
        "sha256": document.sha256,
        "name": document.name,
        "size": document.size,
        "from": origin.at.json() if origin.at else None,
        "to": to.json(),
        "error": error,
    }


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
    """
    request.check()
    target, listed = request.target(), request.listed()
    signature = request.signature(target, listed)
    mine = await _mine(journal, request)
    unfinished = await _unfinished(journal, mine, signature)
    if unfinished is not None and not dry_run:
        runs = await request.runs(journal, now=unfinished.created_at)
        origins = await Origins.of(journal, runs, whole=bool(request.run))
        return Migration(
            request,
            request.again(unfinished),
            unfinished,
            continued=True,
            _origins=origins,
            _earlier=mine,
        )
    now = environment.clock.now()
    runs = await request.runs(journal, now=now)
    origins = await Origins.of(journal, runs, whole=bool(request.run))
    same_place = await _same_place(journal, target)
    selection = await select(
        origins.by_key.values() if listed is None else named_in(listed),
        environment,
        there=await carried_before(journal, same_place),
        proven=listed is None,
        limit=request.limit,
        sample=request.sample,
    )
    planned = await estimate(journal, target, selection.documents, request.options, same_place)
    migration = Migration(
        request,
        target,
        selection=selection,
        estimate=planned,
        _origins=origins,
        _earlier=mine,
    )
    if selection.documents and not dry_run:
        notes: dict[str, JsonValue] = {
            "use": USE,
            "signature": signature,
            "from": request.source,
            "kept_out": len(selection.kept_out),
        }
        migration.run = await begin(
            journal, target, selection.documents, request.options, environment, notes=notes
        )
    return migration


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
    this = RunRecord(
        id="",
        target=target.name,
        provider=target.provider_name,
        account=target.provider.account(),
        settings=target.settings_public,
    )
    return [run for run in await journal.runs() if run.planned and place_of(run) == place_of(this)]


# --------------------------------------------------------------------------- from Python


def migrate(source: str, to: str, **arguments: Any) -> Migration:
    """Carry the documents of one target to another.

    The same as ``migrate_async``, without an event loop of your own.
    """
    return asyncio.run(migrate_async(source, to, **arguments))


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
    **options: Any,
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
        listener: is told what happens.
        environment: what a test replaces.
        stop: set it to end in good order; the same call goes on.
        options: see ``RunOptions``.

    Raises:
        UsageError: there is nothing to choose from, or an option breaks a limit of the vendor.
        ConfigurationError: a setting of ``to`` is missing or wrong.
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
        options=RunOptions(**options),
        config=Path(config) if config else None,
    )
    environment = environment or Environment()
    async with open_journal(Path(journal) if journal else None) as opened:
        migration = await open_migration(opened, request, environment, dry_run=dry_run)
        if dry_run:
            return migration
        if map is None:
            await _carry(opened, migration, environment, listener, stop)
            return migration
        with open_map(Path(map), to) as written:
            await migration.fill(opened, written)
            tell = _both(migration.listener(written), listener)
            await _carry(opened, migration, environment, tell, stop)
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
    stop: asyncio.Event | None,
) -> None:
    if migration.run is None:
        return
    migration.report = await execute(
        journal, migration.target, migration.run, environment, listener=listener, stop=stop
    )
    migration.run = migration.report.run
