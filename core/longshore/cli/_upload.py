"""``upload``: carry documents to a target and follow their jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from longshore.cli._command import command
from longshore.cli._parameters import (
    BatchSize,
    BwLimit,
    Concurrency,
    Follow,
    GiveUpAfter,
    MaxFailures,
    PartSize,
    Paths,
    Set,
    candidates_of,
    check_names,
    options_of,
    pairs,
)
from longshore.cli._terminal import Terminal
from longshore.errors import UsageError

if TYPE_CHECKING:
    from longshore.pipeline import RunOptions

__all__ = ["upload"]


@command(
    "longshore upload plans/ --to my-target",
    "longshore upload 'scans/*.pdf' --to my-target --set poll_interval=5s --json",
)
async def upload(
    terminal: Terminal,
    *,
    paths: Paths,
    to: Annotated[
        list[str],
        typer.Option("--to", metavar="TARGET", help="Where: a target, a provider, or route:NAME."),
    ],
    set: Set = None,
    concurrency: Concurrency = None,
    part_size: PartSize = None,
    batch_size: BatchSize = None,
    bwlimit: BwLimit = None,
    wait: Follow = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan only; send nothing.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Send nothing if one document is refused.")
    ] = False,
    no_checksum: Annotated[
        bool, typer.Option("--no-checksum", help="No SHA-256, unless the vendor wants it.")
    ] = False,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Leave out what this target took before, by SHA-256 and the same settings.",
        ),
    ] = False,
    on_unknown: Annotated[
        Literal["hold", "resend"],
        typer.Option(help="When nobody can tell whether the vendor acted."),
    ] = "hold",
    max_failures: MaxFailures = None,
    give_up_after: GiveUpAfter = "24h",
) -> int:
    """Carry documents to a target, and follow their jobs until they are over."""
    from longshore.cli._plan import show_plan
    from longshore.targets import ROUTE

    if len(to) > 1:
        raise UsageError(
            f"--to {' --to '.join(to)}: an upload goes to one target",
            hint="longshore compare takes several; a route with a shadow copies to another",
        )
    options = options_of(
        "upload",
        concurrency=concurrency,
        part_size=part_size,
        batch_size=batch_size,
        bwlimit=bwlimit,
        wait=wait,
        strict=strict,
        checksum=not no_checksum,
        skip_existing=skip_existing,
        on_unknown=on_unknown,
        max_failures=max_failures,
        give_up_after=give_up_after,
    )
    given, name, targets, route = pairs(set), to[0], to, None
    if name.startswith(ROUTE):
        from longshore.cli._route import route_named, targets_of

        route = route_named(terminal, name)
        targets = targets_of(route)
    check_names(given, targets)
    if dry_run:
        return await show_plan(terminal, paths, targets, given, options, route=route)
    if route is not None:
        from longshore.cli._route import upload_by_route
        from longshore.migrate import RouteRequest

        request = RouteRequest(name, tuple(paths), given, options, terminal.config)
        return await upload_by_route(terminal, request)
    return await _upload(terminal, paths, name, given, options)


async def _upload(
    terminal: Terminal, paths: list[str], to: str, given: dict[str, str], options: RunOptions
) -> int:
    from longshore.cli._carry import carry
    from longshore.cli._interrupt import Interrupt
    from longshore.journal import open_journal
    from longshore.pipeline import Environment, begin
    from longshore.targets import overrides_of, target_now

    own = overrides_of(to, given)
    target = target_now(to, own, terminal.config)
    with Interrupt(terminal) as interrupt:
        async with open_journal(terminal.journal) as journal:
            found = candidates_of(terminal, paths)
            run = await begin(journal, target, found, options, Environment())
            report = await carry(terminal, journal, target, run, interrupt, given=own)
    return report.exit_code
