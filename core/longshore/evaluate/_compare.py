"""Carrying the same documents to several targets at once, and gathering what came of it."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, Unpack

from longshore.errors import IncompatibleState, JournalError, LongshoreError, RunInUse, UsageError
from longshore.evaluate._comparison import Comparison, Side
from longshore.evaluate._details import Budget
from longshore.evaluate._gather import gather, number
from longshore.evaluate._runs import PATIENCE, Entry, Request, note_kept, open_runs
from longshore.journal import Journal, RunRecord, open_journal, with_units
from longshore.pipeline import (
    DocumentFinished,
    Environment,
    Event,
    Listener,
    Notice,
    Options,
    Paths,
    RunOptions,
    RunReport,
    capabilities_of,
    execute,
    heard,
    names_of,
    on_own_loop,
    options_from,
    stoppable,
    summary,
)

__all__ = ["check_folder", "compare", "compare_async", "compare_in", "sides_now"]

T = TypeVar("T")

Watch = Callable[[str, int, Event], None]
"""Is told target, round and event."""


def compare(paths: Paths, *, to: Sequence[str], **arguments: Any) -> Comparison:
    """Carry the same documents to several targets and compare what comes of it.

    The same as ``compare_async``, without an event loop of your own.

    Raises:
        UsageError: as there, or an event loop runs here already, as in a notebook.
    """
    work = partial(compare_async, paths, to=to, **arguments)
    return on_own_loop(work, hint="await compare_async(...)")


async def compare_async(
    paths: Paths,
    *,
    to: Sequence[str],
    repeat: int = 1,
    settings: Mapping[str, str] | None = None,
    config: str | PathLike[str] | None = None,
    journal: str | PathLike[str] | None = None,
    new: bool = False,
    results: str | PathLike[str] | None = None,
    listener: Watch | None = None,
    environment: Environment | None = None,
    stop: asyncio.Event | None = None,
    **options: Unpack[Options],
) -> Comparison:
    """Carry the same documents to several targets and compare what comes of it.

    The same call again (targets, options, paths) goes on with a comparison that is not finished.

    Args:
        paths: files, directories, globs.
        to: the targets: tables of ``longshore.toml``, or providers' names or aliases.
        repeat: rounds; every round sends every document again.
        settings: overrule settings of all targets (``key``) or of one (``target:key``).
        config: the configuration file; None: look for it.
        journal: the journal file; None: the usual place.
        new: begin anew, although such a comparison is unfinished.
        results: a folder for the vendors' whole results, one JSON file for each job.
        listener: is told target, round and event; what it raises is logged.
        environment: what a test replaces.
        stop: set it to end in good order; so does a cancellation of this task, as by Ctrl-C.
        options: see ``RunOptions``; ``wait`` is always true, ``give_up_after`` 600 seconds.

    Raises:
        UsageError: there is nothing to carry, there is no such option, or one breaks a limit of a
            vendor.
        ConfigurationError: a target's setting is missing or wrong.
    """
    request = Request(
        paths=tuple(names_of(paths)),
        to=(to,) if isinstance(to, str) else tuple(to),
        repeat=repeat,
        settings=dict(settings or {}),
        options=options_from({"give_up_after": PATIENCE, **options, "wait": True}),
        config=Path(config) if config else None,
    )
    folder = Path(results) if results else None
    leave = asyncio.Event()
    async with open_journal(Path(journal) if journal else None) as opened:
        with heard(listener, leave) as watch:
            work = partial(
                compare_in,
                opened,
                request,
                environment or Environment(),
                new=new,
                folder=folder,
                watch=watch,
            )
            return await stoppable(work, stop, leave)


async def compare_in(
    journal: Journal,
    request: Request,
    environment: Environment,
    *,
    new: bool = False,
    folder: Path | None = None,
    watch: Watch | None = None,
    stop: asyncio.Event | None = None,
    begun: Callable[[list[Entry], bool], None] | None = None,
    keep: Callable[[Comparison], None] | None = None,
) -> Comparison:
    """Compare within an open journal.

    Args:
        journal: the durable record.
        request: what is asked for.
        environment: of the machine.
        new: begin anew in any case.
        folder: where the vendors' whole results are written.
        watch: is told target, round and event.
        stop: set it to end in good order.
        begun: is told the runs, and whether they were begun earlier, before anything is sent.
        keep: is given the comparison before it counts as finished; writes files.
    """
    if folder is not None:
        check_folder(folder)

    def tell(text: str) -> None:
        if watch is not None:
            for target in request.to:
                watch(target, 1, Notice(text))

    id, entries, continued = await open_runs(journal, request, environment, new=new, tell=tell)
    if begun is not None:
        begun(entries, continued)
    stop = stop or asyncio.Event()
    sides = {entry.target.name: _side(entry) for entry in entries}
    lanes = [[e for e in entries if e.target.name == name] for name in sides]
    ended = await _all(_lane(journal, lane, environment, watch, stop) for lane in lanes)
    for side, reports in zip(sides.values(), ended, strict=True):
        side.reports = reports
    comparison = Comparison(
        id=id,
        sides=list(sides.values()),
        rows=[],
        command=request.command([entry.target for entry in entries]),
        began_at=min(entry.run.created_at for entry in entries),
        continued=continued,
        versions=_versions(),
    )
    whole = await _gather(
        journal, entries, environment, comparison, folder=folder, watch=watch, stop=stop
    )
    comparison.ended_at = environment.clock.now()
    if stop.is_set():
        for side in comparison.sides:
            side.reports[-1].interrupted = True
    if keep is not None:
        keep(comparison)
    if whole and not stop.is_set():  # else the call that goes on with it would begin another one
        await note_kept(journal, entries)
    return comparison


async def sides_now(journal: Journal, entries: Sequence[Entry]) -> list[Side]:
    """Tell how the targets of a comparison stand that was cut off, as their journal knows."""
    sides = {entry.target.name: _side(entry) for entry in entries}
    for entry in entries:
        report = await summary(journal, entry.run)
        report.interrupted = True
        sides[entry.target.name].reports.append(report)
    return list(sides.values())


def check_folder(folder: Path) -> None:
    """Make sure that something can be written there, before anything is sent.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder", hint="make it first")


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all of it to its end, then raise the first error there was."""
    done: list[T] = []
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


async def _lane(
    journal: Journal,
    lane: Sequence[Entry],
    environment: Environment,
    watch: Watch | None,
    stop: asyncio.Event,
) -> list[RunReport]:
    """Execute the rounds of one target, one after the other.

    The targets do not wait for each other: one that is slow, or out of order, is its own affair.
    """
    reports: list[RunReport] = []
    for entry in lane:
        listen = _listener(watch, entry)
        failed = any(report.trouble for report in reports)
        if failed or stop.is_set():  # the next round would fare no better
            report = await summary(journal, entry.run)
            report.interrupted = stop.is_set()
            reports.append(report)
            await _tell_all(journal, entry.run, listen)
            continue
        try:
            report = await execute(
                journal, entry.target, entry.run, environment, listener=listen, stop=stop
            )
        except (RunInUse, IncompatibleState, JournalError):
            stop.set()
            raise
        except LongshoreError as error:
            report = await summary(journal, entry.run)
            report.trouble = error
            await _tell_all(journal, entry.run, listen)
        entry.run = report.run
        reports.append(report)
    return reports


def _listener(watch: Watch | None, entry: Entry) -> Listener:
    def listen(event: Event) -> None:
        if watch is not None:
            watch(entry.target.name, entry.round, event)

    return listen


async def _tell_all(journal: Journal, run: RunRecord, listen: Listener) -> None:
    """Tell of the documents of a run that was not executed now."""
    async for record, unit in with_units(journal, run.id):
        listen(DocumentFinished(run, record, unit))


async def _gather(
    journal: Journal,
    entries: Sequence[Entry],
    environment: Environment,
    comparison: Comparison,
    *,
    folder: Path | None,
    watch: Watch | None,
    stop: asyncio.Event,
) -> bool:
    """Read the rows of every run; results are fetched when nobody is being measured any more.

    Returns:
        Whether everything could be fetched that can be had.
    """
    numbers = await number(journal, entries[0].run)
    documents = 0
    for entry in entries:
        documents += sum((await journal.outcomes(entry.run.id)).values())
    budget = Budget.for_cells(documents)
    gathered = await _all(
        gather(
            journal,
            entry,
            environment,
            comparison=comparison.id,
            numbers=numbers,
            budget=budget,
            stop=stop,
            folder=folder,
            listener=_listener(watch, entry),
        )
        for entry in entries
    )
    for rows, details, _ in gathered:
        comparison.rows += rows
        comparison.details |= details
    comparison.rows.sort(key=lambda row: row.document)  # stable: rounds, then targets as named
    return not any(more for _, _, more in gathered)


def _side(entry: Entry) -> Side:
    provider = entry.target.provider
    known = capabilities_of(provider)
    options = RunOptions.model_validate(entry.run.options)
    rate = known.rate
    return Side(
        target=entry.target.name,
        provider=provider.name,
        title=provider.title or provider.name,
        version=entry.run.provider_version,
        settings=entry.target.settings_public,
        behaviour={
            "requests in flight": options.concurrency or known.concurrency,
            "rate": f"{rate.requests:g} in {rate.seconds:g} s" if rate else "none documented",
            "first polled every": f"{known.polls.interval:g} s",
            "polled at the latest every": f"{known.polls.longest:g} s",
            "documents in one submission": options.batch_size or known.limits.documents_per_batch,
        },
    )


def _versions() -> dict[str, str]:
    return {
        "Longshore": version("longshore"),
        "Python": platform.python_version(),
        "System": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
