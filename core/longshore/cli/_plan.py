"""``plan``: what an upload would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longshore.cli._codes import TROUBLE
from longshore.cli._command import command
from longshore.cli._journal import open_if_there
from longshore.cli._lines import number, tell_document
from longshore.cli._parameters import (
    BatchSize,
    PartSize,
    Paths,
    Set,
    candidates_of,
    check_names,
    options_of,
    pairs,
)
from longshore.cli._terminal import Terminal

if TYPE_CHECKING:
    from longshore.capabilities import Capabilities
    from longshore.lifecycle import Setup
    from longshore.migrate import Shares
    from longshore.pipeline import Candidate, Environment, Existing, Plan, RunOptions
    from longshore.targets import Route, Target

__all__ = ["ask_vendor", "plan", "show_plan"]

_HELD = 4 * 2**20
"""Bytes in memory for each request in flight: chunks of 1 MiB being read, sent and received."""


_WORTH_A_LINE = 60.0
"""Seconds; most budgets let a minute's requests go at once."""


@command(
    "longshore plan plans/ --to my-target --to another",
    "longshore plan plans/ --to my-target --ask",
)
async def plan(
    terminal: Terminal,
    *,
    paths: Paths,
    to: Annotated[
        list[str], typer.Option("--to", metavar="TARGET", help="Where; may be given again.")
    ],
    ask: Annotated[
        bool,
        typer.Option("--ask", help="Ask the vendor for its own limits first (runs prepare)."),
    ] = False,
    set: Set = None,
    part_size: PartSize = None,
    batch_size: BatchSize = None,
) -> int:
    """Show what an upload would do: batches, parts, bytes, and what is refused, and why."""
    options = options_of("plan", part_size=part_size, batch_size=batch_size)
    check_names(pairs(set), to)
    return await show_plan(terminal, paths, to, pairs(set), options, ask=ask)


async def show_plan(
    terminal: Terminal,
    paths: list[str],
    targets: Sequence[str],
    given: dict[str, str],
    options: RunOptions,
    *,
    ask: bool = False,
    route: Route | None = None,
) -> int:
    """Print the plan for each target; by a route, for what that would bring there.

    Returns:
        0, or 2 when nothing could go to one of them that is to get some, not only as a shadow.
    """
    from longshore.pipeline import Environment, capabilities_of
    from longshore.targets import overrides_of, resolve_target

    found = [
        resolve_target(name, overrides=overrides_of(name, given), config_file=terminal.config)
        for name in targets
    ]
    candidates: Iterable[Candidate] = candidates_of(terminal, paths)
    shares: Shares | None = None
    if route is not None:
        from longshore.migrate import shares_of

        shares = await shares_of(candidates, route, Environment())
    elif len(found) > 1:  # stdin can be read only once; for one target nothing need be kept
        candidates = list(candidates)
    code = 0
    for target in found:
        share = candidates if shares is None else shares[target.name]
        capabilities, asked = capabilities_of(target.provider), False
        if ask:
            _, capabilities, asked = await ask_vendor(target, options, Environment())
        existing = await _existing(terminal, target) if options.skip_existing else None
        total = _plan(terminal, target, capabilities, share, options, existing=existing)
        nothing_goes = total.refused and not (total.documents or total.skipped)
        amiss = nothing_goes or (options.strict and total.refused)
        if amiss and (route is None or target.name in (*route.mains, *route.fallback)):
            code = TROUBLE
            if not nothing_goes:
                terminal.note(f"longshore: with --strict nothing would go to {target.name}")
        line = _line(target, capabilities, options, total, asked=asked)
        terminal.line(line)
        terminal.say(_text(line, ask=ask) + _at_least(capabilities, total))
    return code


def _plan(
    terminal: Terminal,
    target: Target,
    capabilities: Capabilities,
    candidates: Iterable[Candidate],
    options: RunOptions,
    *,
    existing: Existing | None,
) -> Plan:
    """Plan for one target; tells of the documents that do not go."""
    from longshore.journal import DocumentRecord, RunRecord
    from longshore.pipeline import Plan
    from longshore.pipeline import plan as planned

    run = RunRecord(id="", target=target.name, provider=target.provider_name)
    ids = count()
    total = Plan()
    for item in planned(
        candidates,
        capabilities,
        run_id="",
        target=target.name,
        new_id=lambda: str(next(ids)),
        part_size=options.part_size,
        batch_size=options.batch_size,
        existing=existing,
    ):
        total.add(item, capabilities)
        if isinstance(item, DocumentRecord):
            tell_document(terminal, run, item, None)
    return total


async def _existing(terminal: Terminal, target: Target) -> Existing:
    from longshore.pipeline import Existing, run_to

    async with open_if_there(terminal) as journal:
        return await Existing.of(journal, run_to(target))


def _line(
    target: Target, capabilities: Capabilities, options: RunOptions, total: Plan, *, asked: bool
) -> dict[str, Any]:
    concurrency = options.concurrency or capabilities.concurrency
    return {
        "event": "plan",
        "target": target.name,
        "provider": target.provider_name,
        "documents": total.documents,
        "refused": len(total.refused),
        "skipped": total.skipped,
        "batches": total.batches,
        "parts": total.parts,
        "bytes": total.size,
        "concurrency": concurrency,
        "memory": concurrency * _HELD,
        "asked": asked,
    }


def _text(line: dict[str, Any], *, ask: bool) -> str:
    from longshore.units import format_bytes

    refused = "".join(f", {line[what]} {what}" for what in ("refused", "skipped") if line[what])
    parts = f", {number(line['parts'], 'parts')}" if line["parts"] else ""
    limits = "its own limits" if line["asked"] else "limits as documented"
    if not line["asked"]:
        limits += "; there is nothing to ask" if ask else "; --ask asks the vendor"
    return (
        f"{line['target']}: {number(line['documents'], 'documents')}{refused}, "
        f"{format_bytes(line['bytes'])} in {number(line['batches'], 'batches')}{parts}\n"
        f"  {line['concurrency']} requests in flight, up to {format_bytes(line['memory'])} of "
        f"memory for them; {limits}"
    )


def _at_least(capabilities: Capabilities, total: Plan) -> str:
    """Say how long the vendor's rate makes it, where that is worth a line."""
    from longshore.cli.progress import per
    from longshore.units import format_seconds

    rate, writes = capabilities.rate, total.batches + total.parts
    seconds = capabilities.least_seconds(writes, writes + total.batches)
    if rate is None or seconds is None or seconds < _WORTH_A_LINE:
        return ""
    return f"\n  at least {format_seconds(seconds)}: the vendor's budget is {per(rate)}"


async def ask_vendor(
    target: Target, options: RunOptions, environment: Environment
) -> tuple[Setup, Capabilities, bool]:
    """Run ``prepare``, outside of any run.

    Returns:
        What it found, what then holds, and whether the vendor was asked anything.

    Raises:
        LongshoreError: a setting is missing, or the vendor refuses.
    """
    from longshore.journal import MemoryJournal, RunRecord
    from longshore.pipeline import open_engine, prepare
    from longshore.targets import require

    require(target)
    journal = MemoryJournal()
    run = RunRecord(
        id=environment.new_run_id(),
        target=target.name,
        provider=target.provider_name,
        state_version=target.provider.state_version,
        account=target.provider.account(),
        options=options.model_dump(mode="json"),
    )
    await journal.create_run(run)
    async with open_engine(journal, target, run, environment) as engine:
        while True:
            outcome = await prepare(engine)
            if isinstance(outcome, Exception):
                raise outcome
            if outcome.state == "finished":
                return engine.setup, engine.capabilities, engine.driver.answered_at is not None
            if outcome.state == "blocked" and engine.trouble is not None:
                raise engine.trouble
            await environment.clock.sleep(max(outcome.at - environment.clock.now(), 0.0))
