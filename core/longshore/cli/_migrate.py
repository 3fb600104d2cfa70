"""``migrate``: carry the documents of one target to another; ``migrate verify``: check it."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longshore.cli._codes import INTERRUPTED
from longshore.cli._command import EPILOG, calls_another, command
from longshore.cli._journal import open_existing, open_if_there
from longshore.cli._lines import number, tell_document
from longshore.cli._parameters import (
    BatchSize,
    BwLimit,
    Concurrency,
    Follow,
    GiveUpAfter,
    MaxFailures,
    PartSize,
    Set,
    options_of,
    pairs,
    said,
)
from longshore.cli._terminal import Terminal
from longshore.cli._text import colour, printable
from longshore.errors import UsageError

if TYPE_CHECKING:
    from longshore.migrate import Check, Migration, Request

__all__ = ["migrate"]

migrate = typer.Typer(
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
)


@command(
    "longshore migrate --from old --to new --map map.jsonl --dry-run",
    "longshore migrate --from old --to new --map map.jsonl",
    "longshore migrate verify map.jsonl",
)
def _migrate(
    terminal: Terminal,
    ctx: typer.Context,
    *,
    source: Annotated[
        str, typer.Option("--from", metavar="TARGET", help="Where the documents went before.")
    ] = "",
    to: Annotated[str, typer.Option("--to", metavar="TARGET", help="Where they go.")] = "",
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="RUN", help="All documents of one earlier run.", callback=said
        ),
    ] = None,
    manifest: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Documents, one path or JSON object a line; - is stdin.",
            callback=said,
        ),
    ] = None,
    map: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write who is who: JSON Lines, or .sqlite, .db."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="So many, chosen by SHA-256.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Of runs begun since: 2026-11-01, or 7d ago.", callback=said
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan only; send nothing.")] = False,
    set: Set = None,
    concurrency: Concurrency = None,
    part_size: PartSize = None,
    batch_size: BatchSize = None,
    bwlimit: BwLimit = None,
    wait: Follow = True,
    max_failures: MaxFailures = None,
    give_up_after: GiveUpAfter = "24h",
) -> int | None:
    """Carry the documents of one target to another: of its earlier runs, or of a manifest.

    Without --run and --manifest every document goes that succeeded at --from. Each source is
    checked by its SHA-256. The same command again goes on with a migration that is not finished;
    what the other target has already is not carried again.
    """
    if calls_another(ctx):  # not async: so nothing is loaded for the help of that one
        return None
    from longshore.cli._interrupt import run_async
    from longshore.migrate import Request

    if not source or not to:
        raise UsageError("migrate needs --from and --to", hint="longshore migrate --help")
    options = options_of(
        "migrate",
        concurrency=concurrency,
        part_size=part_size,
        batch_size=batch_size,
        bwlimit=bwlimit,
        wait=wait,
        max_failures=max_failures,
        give_up_after=give_up_after,
    )
    request = Request(
        source=source,
        to=to,
        run=run or "",
        manifest=manifest or "",
        limit=limit,
        sample=sample,
        since=since or "",
        settings=pairs(set),
        options=options,
        config=terminal.config,
    )
    return run_async(_carry(terminal, request, map, dry_run=dry_run))


async def _carry(terminal: Terminal, request: Request, file: Path | None, *, dry_run: bool) -> int:
    from longshore.cli._carry import carry
    from longshore.cli._interrupt import Interrupt
    from longshore.journal import open_journal
    from longshore.migrate import open_map, open_migration
    from longshore.pipeline import Environment

    with Interrupt(terminal) as interrupt, ExitStack() as stack:
        opened = open_journal(terminal.journal) if request.manifest else open_existing(terminal)
        async with opened as journal:
            # Before anything is begun: a map that cannot be written is no use afterwards.
            map = stack.enter_context(open_map(file, request.to)) if file and not dry_run else None
            migration = await open_migration(journal, request, Environment(), dry_run=dry_run)
            try:
                _tell_plan(terminal, migration, dry_run=dry_run)
            except BrokenPipeError:  # here, where it can be told from what goes wrong with the map
                interrupt.deaf()
            if map is not None:
                await migration.fill(journal, map)
            if migration.run is None:
                return INTERRUPTED if interrupt.stop.is_set() else migration.exit_code
            also = migration.listener(map) if map is not None else None
            migration.report = report = await carry(
                terminal,
                journal,
                migration.target,
                migration.run,
                interrupt,
                given=request.settings,
                also=also,
                again=_again(terminal, migration, file),
            )
    left = report.interrupted or report.trouble is not None  # the last line says how to go on
    if file is None and not (left or terminal.json):
        terminal.note("longshore: no map was written; the same command with --map FILE writes it")
    return migration.exit_code


def _again(terminal: Terminal, migration: Migration, file: Path | None) -> str:
    """Write the command again: it goes on with the run, and with its map."""
    map = f" --map {shlex.quote(str(file))}" if file else ""
    return terminal.typed(migration.command + map)


def _tell_plan(terminal: Terminal, migration: Migration, *, dry_run: bool) -> None:
    if migration.continued and migration.run is not None:
        kept_out = migration.run.notes.get("kept_out")  # of its plan; the exit code counts them
        also = f" ({kept_out} kept out)" if kept_out else ""
        terminal.note(f"longshore: going on with migration {migration.run.id}{also}")
        return
    for kept in migration.kept_out:
        terminal.line(kept.json())
        terminal.say(f"{colour('refused', 'kept out'.ljust(12))}  {printable(kept.error.message)}")
    if migration.estimate is not None and dry_run:
        from longshore.journal import RunRecord

        target = migration.target
        run = RunRecord(id="", target=target.name, provider=target.provider_name)
        for record in migration.estimate.refused:
            tell_document(terminal, run, record, None)
    line = migration.plan_line()
    if line is not None:
        terminal.line(line)
        terminal.say(_plan_text(line))


def _plan_text(line: dict[str, Any]) -> str:
    from longshore.units import format_bytes, format_seconds

    aside = [
        f"{line[key]} {words}"
        for key, words in (
            ("refused", "not taken"),
            ("kept_out", "kept out"),
            ("there", "there already"),
            ("left", "left for later"),
        )
        if line[key]
    ]
    requests = line["requests"]
    least, expected = requests["at_least"], requests["expected"]
    told = f"about {number(expected, 'requests')}" if expected else (
        f"at least {number(least, 'requests')}"
    )  # fmt: skip
    seconds = line["seconds_at_rate"]
    rate = "no rate is documented" if seconds is None else f"{format_seconds(seconds)} at its rate"
    return "\n".join((
        f"{line['from']} -> {line['target']}: {number(line['documents'], 'documents')}, "
        f"{format_bytes(line['bytes'])} in {number(line['batches'], 'batches')}"
        + (f" ({', '.join(aside)})" if aside else ""),
        f"  {told}; {rate}",
        f"  credits: {line['credits'] or 'the vendor does not say'}",
    ))  # fmt: skip


# -------------------------------------------------------------------------------- verify


@command("longshore migrate verify map.jsonl", "longshore migrate verify map.db --only-to --json")
async def _verify(
    terminal: Terminal,
    map: Annotated[Path, typer.Argument(metavar="MAP", help="As `migrate --map` wrote it.")],
    only_to: Annotated[
        bool, typer.Option("--only-to", help="Do not ask the vendor that they came from.")
    ] = False,
    set: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="TARGET:NAME=VALUE", help="Overrule a target's setting."),
    ] = None,
) -> int:
    """Ask both vendors whether the documents of a map are there, once, and as they were.

    Only asks; nothing is sent or deleted. What a vendor gives no means to check is told.
    """
    given = pairs(set)
    for key in given:
        if ":" not in key.partition(".")[0]:
            raise UsageError(f"--set {key}: of which target?", hint="--set TARGET:NAME=VALUE")
    from longshore.migrate import verify_in
    from longshore.pipeline import Environment

    async with open_if_there(terminal) as journal:
        found = await verify_in(
            journal,
            map,
            Environment(),
            only_to=only_to,
            settings=given,
            config=terminal.config,
        )
    for check in found.checks:
        _tell_check(terminal, check)
    if not found.checks:
        terminal.note(f"longshore: {map} names no document: there was nothing to ask about")
    return found.exit_code


def _tell_check(terminal: Terminal, check: Check) -> None:
    for problem in check.problems:
        terminal.line(problem.json())
        path = printable(str(problem.line["path"]))
        kind = colour("failed", problem.kind.replace("_", " ").ljust(12))
        terminal.say(f"{kind}  {path}  {check.target}: {printable(problem.message)}")
    line = check.json()
    terminal.line(line)
    where = "to" if check.side == "to" else "from"
    found = [
        f"{line[kind]} {kind.replace('_', ' ')}"
        for kind in ("missing", "duplicated", "changed", "not_carried", "unchecked")
        if line[kind]
    ]
    told = f"{check.there} of {check.documents} documents are there"
    if check.trouble is not None:  # what nobody was asked about may be there all the same
        told = f"could not be asked to the end, {check.there} documents are known to be there"
    if found:
        told += f"; {', '.join(found)}"
    terminal.say(f"{where} {check.target}: {told}")
    for gap in check.gaps:
        terminal.say(f"  cannot be checked: {printable(gap)}")
    if check.trouble is not None:
        terminal.fail(check.trouble)


migrate.callback(epilog=getattr(_migrate, EPILOG))(_migrate)
migrate.command(
    "verify", short_help="Check that all is there, once.", epilog=getattr(_verify, EPILOG)
)(_verify)
