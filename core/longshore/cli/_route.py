"""``upload --to route:NAME``: several runs, one set of lines; shadows count for nothing."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from longshore.cli._carry import not_told
from longshore.cli._lines import next_steps, tell_document, tell_kept, tell_run
from longshore.cli._offers import Ended
from longshore.cli._parameters import candidates_of
from longshore.cli._terminal import Terminal
from longshore.cli._text import printable
from longshore.cli.progress import SILENT, Displays, HeldUp, open_displays

if TYPE_CHECKING:
    from longshore.cli._interrupt import Interrupt
    from longshore.journal import Journal, RunRecord
    from longshore.migrate import Arrival, Leg, Passage, RouteRequest
    from longshore.pipeline import DocumentFinished, Event, RunReport
    from longshore.targets import Route

__all__ = ["go_on_by_route", "route_named", "targets_of", "upload_by_route"]


def route_named(terminal: Terminal, name: str) -> Route:
    """Return a route.

    Raises:
        ConfigurationError: there is no such route.
    """
    from longshore.targets import resolve_route

    return resolve_route(name, config_file=terminal.config)


def targets_of(route: Route) -> list[str]:
    """Return the targets that a route may send to, each once; what only gets copies comes last."""
    return list(dict.fromkeys((*route.mains, *route.fallback, *route.shadow)))


async def upload_by_route(terminal: Terminal, request: RouteRequest) -> int:
    """Begin an upload by a route and carry it as far as it goes."""
    from longshore.cli._interrupt import Interrupt
    from longshore.journal import open_journal
    from longshore.migrate import begin_passage
    from longshore.pipeline import Environment

    with Interrupt(terminal) as interrupt:
        async with open_journal(terminal.journal) as journal:
            found = candidates_of(terminal, request.paths)
            passage = await begin_passage(journal, request, Environment(), found)
            return await _carry(terminal, journal, passage, request, interrupt)


async def go_on_by_route(
    terminal: Terminal,
    journal: Journal,
    run: RunRecord,
    given: dict[str, str],
    interrupt: Interrupt,
    *,
    wait: bool,
    restart: bool,
) -> int:
    """Go on with the whole upload that a run is part of.

    Raises:
        LongshoreError: it cannot be executed.
    """
    from longshore.migrate import RouteRequest, find_passage, passage_of
    from longshore.pipeline import Environment

    request = RouteRequest(route="", settings=given, config=terminal.config)
    id, restart_in = passage_of(run) or "", Environment() if restart else None
    passage = await find_passage(journal, request, id, wait=wait, restart_in=restart_in)
    return await _carry(terminal, journal, passage, request, interrupt)


async def _carry(
    terminal: Terminal,
    journal: Journal,
    passage: Passage,
    request: RouteRequest,
    interrupt: Interrupt,
) -> int:
    from longshore.migrate import arrival_now, carry_passage
    from longshore.pipeline import Environment

    interrupt.sending = True
    for notice in passage.notices:
        terminal.note(printable(f"longshore: {notice}"))
    watch = _Watch(terminal, interrupt)
    targets = targets_of(passage.route)
    with open_displays(terminal, targets, watch.text, watch.held_up.texts) as watch.display:
        arrival = await interrupt.until_cut_off(
            carry_passage(
                journal, passage, request, Environment(), watch=watch.see, stop=interrupt.stop
            )
        )
    if arrival is None:
        await watch.see_the_rest(journal, passage)
        arrival = await arrival_now(journal, passage, watch.seconds)
    offers = {
        leg.run.id: await watch.ended[leg.run.id].commands(terminal, journal, leg.run)
        for leg in passage.legs
        if leg.role != "shadow"
    }
    _finish(terminal, arrival, offers, request.settings)
    interrupt.told()
    return arrival.exit_code


class _Watch:
    """Tells what happens on the way, each document by the run that carries it."""

    def __init__(self, terminal: Terminal, interrupt: Interrupt) -> None:
        from longshore.pipeline import Told

        self._terminal = terminal
        self._interrupt = interrupt
        self.display: Displays = SILENT
        self.held_up = HeldUp()
        self.ended: defaultdict[str, Ended] = defaultdict(Ended)
        self._documents: dict[str, int] = {}  # what a fallback carries is one of the mains'
        self._finished = 0
        self._began = time.monotonic()
        self._told: defaultdict[str, Told] = defaultdict(Told)

    def see(self, leg: Leg, event: Event) -> None:
        """Take notice of one event."""
        from longshore.migrate import HANDED_OVER
        from longshore.pipeline import DocumentFinished, Notice, RunStarted

        self.display.see(leg.run.target, event)
        if said := self.held_up.see(leg.run.target, event):
            self._terminal.event(said)
        match event:
            case DocumentFinished(record=record):
                if record.error is None or record.error.kind != HANDED_OVER:
                    self._tell(leg, event)
            case RunStarted(documents=documents):
                self.held_up.expect(leg.target)
                if leg.role == "main":
                    self._documents[leg.run.id] = documents
            case Notice(text):
                self._terminal.event(printable(f"longshore: {leg.run.target}: {text}"))
            case _:
                pass

    async def see_the_rest(self, journal: Journal, passage: Passage) -> None:
        """Take notice of the documents that nobody told of."""
        self.display = SILENT
        for leg in passage.legs:
            async for event in not_told(journal, leg.run, self._told[leg.run.id]):
                self.see(leg, event)

    def _tell(self, leg: Leg, event: DocumentFinished) -> None:
        from longshore.pipeline import document_line

        self._told[leg.run.id].add(event.record)
        self.ended[leg.run.id].see(event.record, event.unit)
        self._finished += leg.role != "shadow"
        try:
            if leg.role != "shadow":
                tell_document(self._terminal, event.run, event.record, event.unit)
            else:
                line = document_line(event.run, event.record, event.unit)
                self._terminal.line({**line, "event": "shadow"})
        except BrokenPipeError:
            self._interrupt.deaf()

    def text(self) -> str:
        """Say how far it is."""
        told = f"{self._finished} of {sum(self._documents.values())} documents"
        return ", ".join([told, *self.held_up.texts()])

    @property
    def seconds(self) -> float:
        """How long the command has been at work."""
        return time.monotonic() - self._began


def _finish(
    terminal: Terminal,
    arrival: Arrival,
    offers: Mapping[str, Sequence[str]],
    given: Mapping[str, str],
) -> None:
    """Print a line for each run: the shadows first, so that what counts stands last."""
    try:
        for report in arrival.shadows.values():
            _tell_run(terminal, report, (), shadow=True)
        for leg in arrival.passage.legs:
            if leg.run.id in arrival.reports:
                report = arrival.reports[leg.run.id]
                _tell_run(terminal, report, offers.get(leg.run.id, ()), shadow=False)
    except BrokenPipeError:
        terminal.deaf()
    open_ = [r for r in arrival.reports.values() if r.trouble is not None or r.interrupted]
    # All that counts may be over, and only copies were interrupted.
    left = open_ or [r for r in arrival.shadows.values() if r.interrupted and r.open]
    if not left:
        return
    again = terminal.typed(f"longshore resume {left[0].run.id}")
    targets = {leg.run.id: leg.target for leg in arrival.passage.legs}
    for report in open_:
        if report.trouble is not None:
            terminal.fail(report.trouble)
    _tell_kept_route(terminal, arrival.passage.route)
    terminal.last(again)
    for report in open_:
        if report.trouble is not None:
            target = targets[report.run.id]
            tell_kept(terminal, target.name, target.settings_public, given, again)


def _tell_kept_route(terminal: Terminal, route: Route) -> None:
    """Say so where an upload keeps a route that the configuration has otherwise by now."""
    from longshore.errors import ConfigurationError
    from longshore.targets import resolve_route

    try:
        now = resolve_route(route.name, config_file=terminal.config)
    except ConfigurationError:
        return
    if now != route:
        words = f"the upload keeps route:{route.name} as it was when it began"
        terminal.last(printable(f"longshore: {words}; as it is now it counts for a new one"))


def _tell_run(
    terminal: Terminal, report: RunReport, offers: Sequence[str], *, shadow: bool
) -> None:
    from longshore.pipeline import run_line

    line = run_line(report)
    tell_run(terminal, {**line, "event": "shadow_run"} if shadow else line)
    if not shadow and report.trouble is None and not report.interrupted:
        for step in next_steps(terminal, line, offers):
            terminal.note(step)
