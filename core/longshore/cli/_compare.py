"""``compare``: carry the same documents to several targets, and report on it."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longshore.cli._carry import not_told
from longshore.cli._codes import INTERRUPTED
from longshore.cli._command import command
from longshore.cli._compare_shown import Places, again, finish, line_of
from longshore.cli._lines import tell_document
from longshore.cli._parameters import BatchSize, PartSize, Paths, options_of, pairs
from longshore.cli._terminal import Terminal
from longshore.cli._text import colour, printable
from longshore.cli.progress import SILENT, Displays, HeldUp, open_displays
from longshore.errors import UsageError

if TYPE_CHECKING:
    from longshore.cli._interrupt import Interrupt
    from longshore.evaluate import Comparison, Entry, Request
    from longshore.journal import Journal
    from longshore.pipeline import DocumentFinished, Event

__all__ = ["compare"]


@command(
    "longshore compare plans/ --to one --to another --report report.html",
    "longshore compare 'scans/*.pdf' --to one --to another --repeat 3 --csv figures.csv --json",
)
async def compare(
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
        typer.Option(
            metavar="RATE", help="Bytes a second that may leave, to each target; 0: no cap."
        ),
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
    return await _compare(terminal, request, places, keep, new=new)


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
    places: Places,
    keep: Callable[[Comparison], None],
    *,
    new: bool,
) -> int:
    from longshore.cli._interrupt import Interrupt
    from longshore.evaluate import compare_in
    from longshore.journal import open_journal
    from longshore.pipeline import Environment

    with Interrupt(terminal) as interrupt:
        async with open_journal(terminal.journal) as journal:
            watch = _Watch(terminal, interrupt)
            display = open_displays(terminal, request.to, watch.text, watch.held_up.texts)
            with display as watch.display:
                found = await interrupt.until_cut_off(
                    compare_in(
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
                )
            if found is None:
                await _tell_how_it_stands(terminal, journal, request, places, watch)
            else:
                finish(terminal, found, places, request.settings)
            interrupt.told()
    return INTERRUPTED if found is None else found.exit_code


async def _tell_how_it_stands(
    terminal: Terminal, journal: Journal, request: Request, places: Places, watch: _Watch
) -> None:
    """Tell of what nobody told of yet, and how to go on; a second signal came."""
    from longshore.evaluate import sides_now

    try:
        await watch.see_the_rest(journal)
        for side in await sides_now(journal, watch.entries):
            side.reports[-1].seconds = watch.seconds
            terminal.line(line_of(side))
    except BrokenPipeError:
        terminal.deaf()
    command = request.command([entry.target for entry in watch.entries])
    terminal.last(f"go on with it:     {again(terminal, command, places)}")


# ------------------------------------------------------------------------------- meanwhile


class _Watch:
    """Tells of documents as they are finished, and now and then how far all of it is."""

    def __init__(self, terminal: Terminal, interrupt: Interrupt) -> None:
        from longshore.pipeline import Told

        self._terminal = terminal
        self._interrupt = interrupt
        self.display: Displays = SILENT
        self.held_up = HeldUp()
        self.entries: Sequence[Entry] = ()
        self._began = time.monotonic()
        self._all: Counter[str] = Counter()
        self._finished: Counter[str] = Counter()
        self._told: defaultdict[str, Told] = defaultdict(Told)

    def begun(self, entries: Sequence[Entry], continued: bool) -> None:
        """Take notice that there is something now that can be continued."""
        self.entries = entries
        for entry in entries:
            self.held_up.expect(entry.target)
        self._interrupt.sending = True
        if continued:
            id = entries[0].run.notes["comparison"]
            self._terminal.note(f"longshore: going on with comparison {id}; --new begins another")

    def see(self, target: str, round: int, event: Event) -> None:
        """Take notice of one event."""
        from longshore.pipeline import BytesMoved, DocumentFinished, Notice, RunStarted

        if round == 1 or not isinstance(event, RunStarted | BytesMoved | DocumentFinished):
            self.display.see(target, event)  # its bar is that of the first round
        if said := self.held_up.see(target, event):
            self._terminal.event(said)
        try:
            match event:
                case RunStarted(documents=documents):
                    self._all[target] += documents
                case DocumentFinished():
                    self._finished[target] += 1
                    self._told[event.run.id].add(event.record)
                    self._tell(target, round, event)
                case Notice(text):
                    self._terminal.event(printable(f"longshore: {target}: {text}"))
                case _:
                    pass
        except BrokenPipeError:
            self._interrupt.deaf()

    async def see_the_rest(self, journal: Journal) -> None:
        """Take notice of the documents that nobody told of."""
        self.display = SILENT
        for entry in self.entries:
            async for event in not_told(journal, entry.run, self._told[entry.run.id]):
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
        return ", ".join([*told, *self.held_up.texts()])

    @property
    def seconds(self) -> float:
        """How long the command has been at work."""
        return time.monotonic() - self._began
