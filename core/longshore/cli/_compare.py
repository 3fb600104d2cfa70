"""``compare``: carry the same documents to several targets, and report on it."""

from __future__ import annotations

import shlex
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from longshore.cli._command import INTERRUPTED, command
from longshore.cli._held_up import HeldUp
from longshore.cli._lines import columns, tell_document, tell_kept
from longshore.cli._parameters import BatchSize, PartSize, Paths, options_of, pairs
from longshore.cli._progress import SILENT, Displays, open_displays
from longshore.cli._terminal import Terminal
from longshore.cli._text import colour, printable
from longshore.cli._told import Told
from longshore.errors import UsageError

if TYPE_CHECKING:
    from longshore.cli._interrupt import Interrupt
    from longshore.evaluate import Comparison, Entry, Figures, Request, Side
    from longshore.journal import Journal
    from longshore.pipeline import DocumentFinished, Event

__all__ = ["compare"]

_Places: TypeAlias = Mapping[str, Path | None]
"""The options that name what is written, and where."""


@command(
    "longshore compare plans/ --to one --to another --report report.html",
    "longshore compare 'scans/*.pdf' --to one --to another --repeat 3 --csv figures.csv --json",
)
def compare(
    terminal: Terminal,
    *,
    paths: Paths,
    to: Annotated[
        list[str], typer.Option("--to", metavar="TARGET", help="Where; given again for each.")
    ],
    repeat: Annotated[
        int, typer.Option(min=1, metavar="N", help="Rounds; each sends every document again.")
    ] = 1,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one HTML file for people.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every measurement as CSV.")
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the same as JSON Lines.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the vendors' whole results, a file a job."),
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Overrule a setting; one target's by TARGET:NAME."
        ),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Requests in flight, at each target.")
    ] = None,
    part_size: PartSize = None,
    batch_size: BatchSize = None,
    bwlimit: Annotated[
        str | None,
        typer.Option(metavar="RATE", help="Bytes a second that may leave, to each target."),
    ] = None,
    give_up_after: Annotated[
        str, typer.Option(metavar="TIME", help="How long a target's outage is waited out.")
    ] = "10m",
    new: Annotated[
        bool, typer.Option("--new", help="Begin anew, although such a comparison is unfinished.")
    ] = False,
) -> int:
    """Carry the same documents to several targets, measure, and report on it.

    The same command again goes on with a comparison that is not finished. --set NAME=VALUE is for
    every target, --set TARGET:NAME=VALUE for one.
    """
    from longshore.cli._interrupt import run_async
    from longshore.evaluate import Request, check_extra, check_folder

    if report is not None:
        check_extra()
    files = [file for file in (report, csv, jsonl) if file is not None]
    for file in files:
        check_folder(file.parent)
        if file.is_dir():
            raise UsageError(f"{file} is a folder", hint="name a file")
    if len({file.resolve() for file in files}) < len(files):
        raise UsageError("two outputs have one name", hint="one file each")
    options = options_of(
        "compare",
        concurrency=concurrency,
        part_size=part_size,
        batch_size=batch_size,
        bwlimit=bwlimit,
        give_up_after=give_up_after,
    )
    request = Request(tuple(paths), tuple(to), repeat, pairs(set), options, terminal.config)

    def keep(found: Comparison) -> None:
        _write(report, found.write_report)
        _write(csv, found.write_csv)
        _write(jsonl, found.write_jsonl)

    places = {"--report": report, "--csv": csv, "--jsonl": jsonl, "--results": results}
    return run_async(_compare(terminal, request, places, keep, new=new))


def _write(file: Path | None, write: Callable[[Path], None]) -> None:
    if file is None:
        return
    try:
        write(file)
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror or error}",
            hint="the same command with another file; nothing is sent again",
        ) from None


async def _compare(
    terminal: Terminal,
    request: Request,
    places: _Places,
    keep: Callable[[Comparison], None],
    *,
    new: bool,
) -> int:
    from longshore.cli._interrupt import Interrupt
    from longshore.evaluate import compare_in
    from longshore.journal import open_journal
    from longshore.pipeline import Environment

    found: Comparison | None = None
    with Interrupt(terminal) as interrupt:
        async with open_journal(terminal.journal) as journal:
            watch = _Watch(terminal, interrupt)
            display = open_displays(terminal, request.to, watch.text, watch.held_up)
            with display as watch.display, interrupt.working():
                found = await compare_in(
                    journal,
                    request,
                    Environment(),
                    new=new,
                    folder=places["--results"],
                    watch=watch.see,
                    stop=interrupt.stop,
                    begun=watch.begun,
                    keep=keep,
                )
            if found is None:
                await _tell_how_it_stands(terminal, journal, request, places, watch)
            else:
                _finish(terminal, found, places, request.settings)
            interrupt.told()
    return INTERRUPTED if found is None else found.exit_code


async def _tell_how_it_stands(
    terminal: Terminal, journal: Journal, request: Request, places: _Places, watch: _Watch
) -> None:
    """Tell of what nobody told of yet, and how to go on; a second signal came."""
    from longshore.evaluate import sides_now

    try:
        await watch.see_the_rest(journal)
        for side in await sides_now(journal, watch.entries):
            side.reports[-1].seconds = watch.seconds
            terminal.line(_run_line(side))
    except BrokenPipeError:
        terminal.deaf()
    command = request.command([entry.target for entry in watch.entries])
    terminal.last(f"go on with it:     {_again(terminal, command, places)}")


def _run_line(side: Side) -> dict[str, Any]:
    """Describe a target's runs as one: the counts of several rounds are sums."""
    from longshore.pipeline import run_line

    line = run_line(side.report)
    if len(side.reports) > 1:
        line["run_ids"] = [report.run.id for report in side.reports]
    return line


# ------------------------------------------------------------------------------- meanwhile


class _Watch:
    """Tells of documents as they are finished, and now and then how far all of it is."""

    def __init__(self, terminal: Terminal, interrupt: Interrupt) -> None:
        self._terminal = terminal
        self._interrupt = interrupt
        self.display: Displays = SILENT
        self.entries: Sequence[Entry] = ()
        self._began = time.monotonic()
        self._all: Counter[str] = Counter()
        self._finished: Counter[str] = Counter()
        self._told: defaultdict[str, Told] = defaultdict(Told)
        self._held_up = HeldUp()

    def begun(self, entries: Sequence[Entry], continued: bool) -> None:
        """Take notice that there is something now that can be continued."""
        self.entries = entries
        for entry in entries:
            self._held_up.expect(entry.target)
        self._interrupt.sending = True
        if continued:
            id = entries[0].run.notes["comparison"]
            self._terminal.note(f"longshore: going on with comparison {id}; --new begins another")

    def see(self, target: str, round: int, event: Event) -> None:
        """Take notice of one event."""
        from longshore.pipeline import BytesMoved, DocumentFinished, Notice, RunStarted

        if round == 1 or not isinstance(event, RunStarted | BytesMoved):
            self.display.see(target, event)  # its bar is that of the first round
        if said := self._held_up.see(target, event):
            self._terminal.event(said)
        try:
            match event:
                case RunStarted(documents=documents):
                    self._all[target] += documents
                case DocumentFinished():
                    self._finished[target] += 1
                    self._told[event.run.id].note(event.record)
                    self._tell(target, round, event)
                case Notice(text):
                    self._terminal.event(printable(f"longshore: {target}: {text}"))
                case _:
                    pass
        except BrokenPipeError:
            self._terminal.deaf()
            self._interrupt.stop.set()

    async def see_the_rest(self, journal: Journal) -> None:
        """Take notice of the documents that nobody told of."""
        self.display = SILENT
        for entry in self.entries:
            async for event in self._told[entry.run.id].rest(journal, entry.run):
                self.see(entry.target.name, entry.round, event)

    def _tell(self, target: str, round: int, event: DocumentFinished) -> None:
        """Print a document's line; people read of those that did not succeed."""
        if self._terminal.json:
            tell_document(self._terminal, event.run, event.record, event.unit)
            return
        record = event.record
        if record.outcome == "succeeded":
            return
        error = record.error or (event.unit.error if event.unit else None)
        state = str(record.outcome)
        words = f"  {printable(error.message)}" if error else ""
        at = f"{target} (round {round})" if round > 1 else target
        path = printable(record.path)
        self._terminal.say(f"{colour(state, state.ljust(12))}  {at}  {path}{words}")

    def text(self) -> str:
        """Say how far it is."""
        told = [f"{name} {self._finished[name]} of {count}" for name, count in self._all.items()]
        return ", ".join([*told, *self.held_up()])

    def held_up(self) -> list[str]:
        """Say why it does not go faster, if anything is known of that."""
        return self._held_up.texts()

    @property
    def seconds(self) -> float:
        """How long the command has been at work."""
        return time.monotonic() - self._began


# -------------------------------------------------------------------------------- the end

_HEAD = (
    "target", "documents", "not taken", "succeeded", "to done", "95 %",
    "target", "requests", "retries", "429", "credits", "results",
)  # fmt: skip
_HALF = len(_HEAD) // 2
"""Two tables, one below the other: side by side they are wider than many a terminal."""


def _finish(
    terminal: Terminal,
    found: Comparison,
    places: _Places,
    given: Mapping[str, str],
) -> None:
    """Print the runs and the table, what went wrong with an account, and what to type next."""
    from longshore.lifecycle import Outcome

    for side in found.sides:
        terminal.line(_run_line(side))
    rows = [_HEAD, *(_cells(name, figures) for name, figures in found.figures.items())]
    for text in columns([row[:_HALF] for row in rows]):
        terminal.say(text)
    terminal.say()
    for text in columns([row[_HALF:] for row in rows]):
        terminal.say(text)
    again = _again(terminal, found.command, places)
    for side in found.sides:
        trouble = side.report.trouble
        if trouble is not None:
            terminal.note(f"longshore: {side.target} could not go on:")
            terminal.fail(trouble)
    reports = [report for side in found.sides for report in side.reports]
    if any(report.open for report in reports) or any(report.interrupted for report in reports):
        if any(report.outcomes.get(Outcome.NEEDS_ACTION) for report in reports):
            terminal.note(f"what can be done:  {terminal.typed('longshore actions')}")
        terminal.last(f"go on with it:     {again}")
    for side in found.sides:
        if side.report.trouble is not None:
            tell_kept(terminal, side.target, side.settings, given, again)
    if report := places["--report"]:
        terminal.say(f"report: {report}")


def _again(terminal: Terminal, command: str, places: _Places) -> str:
    """Write the command again, with its files: without them it would be over, nothing written."""
    named = [f" {flag} {shlex.quote(str(path))}" for flag, path in places.items() if path]
    return terminal.typed(command + "".join(named))


def _cells(name: str, figures: Figures) -> tuple[str, ...]:
    from longshore.units import format_seconds

    done, share, credits = figures.to_done, figures.succeeded, figures.credits
    return (
        name,
        str(figures.documents),
        str(figures.refused),
        "-" if share is None else f"{100 * share:.1f} %",
        format_seconds(done.median) if done else "-",
        format_seconds(done.p95) if done else "-",
        name,
        str(figures.requests),
        str(figures.retries),
        str(figures.troubles["throttled"]),
        "-" if credits is None else f"{credits:.10g}",
        str(figures.results),
    )
