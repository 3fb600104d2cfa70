"""``demo``: carry a few documents to every vendor's sandbox, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from longshore.cli._command import command
from longshore.cli._demo_shown import Row, next_steps, refusals, table
from longshore.cli._interrupt import run_async
from longshore.cli._terminal import Terminal
from longshore.cli.progress import Displays, open_displays
from longshore.errors import PluginError

if TYPE_CHECKING:
    from longshore.journal import Journal
    from longshore.pipeline import Event, RunReport
    from longshore.plugins import Plugins
    from longshore.sandbox import Faults, RunningSandbox, Vendor
    from longshore.targets import Target

__all__ = ["demo"]


@command("longshore demo", "longshore demo --json")
def demo(terminal: Terminal) -> int:
    """Carry a few documents, two of them of 30 MB, to a sandbox of every vendor, on this machine.

    The sandboxes behave as the vendors' documentation says; nothing leaves this machine.
    """
    # not async: nothing in a thread of its loop writes there any more when it is removed
    with TemporaryDirectory(prefix="longshore-demo-") as folder:
        return run_async(_demo(terminal, Path(folder)))


async def _demo(terminal: Terminal, folder: Path) -> int:
    from longshore.journal import open_journal
    from longshore.pipeline import worst
    from longshore.plugins import load_plugins

    plugins = load_plugins()
    vendors = _vendors(terminal, plugins)
    terminal.note("longshore: making documents and starting sandboxes")
    documents = await asyncio.to_thread(make_documents, folder / "documents")
    with _serve(vendors) as running:
        async with open_journal(folder / "journal.sqlite") as journal:
            carriers = [
                _Carrier(terminal, journal, _target(plugins, vendor, folder)) for vendor in vendors
            ]
            names = [carrier.target.name for carrier in carriers]
            count = len(documents) * len(carriers)

            def text() -> str:
                return f"{sum(each.row.documents for each in carriers)} of {count} documents"

            with open_displays(terminal, names, text) as display:
                reports = await asyncio.gather(
                    *(carrier.carry(documents, display) for carrier in carriers)
                )
        for carrier in carriers:
            carrier.check(await asyncio.to_thread(running.state, carrier.target.name))
    rows = [carrier.row for carrier in carriers]
    for line in (*table(rows), *refusals(rows), *next_steps(rows)):
        terminal.say(line)
    return worst([_code(report) for report in reports])


# ------------------------------------------------------------------------------- the two sides


def make_documents(folder: Path) -> list[Path]:
    """Write a handful of real documents."""
    from longshore.testing import samples

    places = (("Town hall", 9.9929, 53.5503), ("Harbour", 9.9713, 53.5447))
    contents = {
        "minutes.pdf": samples.pdf("Minutes of the meeting", "Decisions", "Next steps"),
        "plan.pdf": samples.pdf("Ground floor"),
        "photo.tif": samples.tiff(320, 240),
        "city.geojson": samples.geojson(*places),
        "large-scan.pdf": samples.scan_pdf(6000, 5000),
        "large-photo.tif": samples.tiff(6000, 5000),
    }
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def _vendors(terminal: Terminal, plugins: Plugins) -> list[Vendor]:
    """Make the sandboxes of all providers that have one."""
    vendors = []
    for name in plugins.providers():
        try:
            assumptions = plugins.sandbox(name).showcase_assumptions
            vendors.append(plugins.sandbox(name, assumptions))
        except PluginError as error:
            terminal.note(f"longshore: {name} is left out: {error.message}")
    if not vendors:
        raise PluginError("no provider has a sandbox", hint="pip install 'longshore[sandbox]'")
    return vendors


def _serve(vendors: Sequence[Vendor]) -> RunningSandbox:
    try:
        from longshore.sandbox import serve
    except ImportError as error:
        raise PluginError(str(error), hint="pip install 'longshore[sandbox]'") from None
    return serve(vendors, faults=_faults(vendors))


def _faults(vendors: Sequence[Vendor]) -> Faults:
    """Let every vendor answer the second request with 429, so that retries can be seen."""
    from longshore.sandbox import Fault, Faults

    return Faults(
        Fault(vendor=vendor.name, nth=(2,), status=429, headers={"Retry-After": "1"})
        for vendor in vendors
    )


def _target(plugins: Plugins, vendor: Vendor, folder: Path) -> Target:
    """Fill the settings from the sandbox alone; those of this machine play no part."""
    from longshore.targets import resolve_target

    settings = {
        "base_url": vendor.base_url,
        **vendor.demo_settings,
        **vendor.showcase_settings,
    }
    return resolve_target(vendor.name, overrides=settings, environ={}, plugins=plugins, cwd=folder)


# ----------------------------------------------------------------------------------- carrying


@dataclass(slots=True)
class _Carrier:
    """Carries the documents to one vendor, and remembers what there is to tell."""

    terminal: Terminal
    journal: Journal
    target: Target
    row: Row = field(default_factory=Row)

    async def carry(self, documents: Sequence[Path], display: Displays) -> RunReport:
        """Carry all documents that the vendor takes."""
        from longshore.pipeline import (
            Candidate,
            DocumentFinished,
            Environment,
            RunOptions,
            begin,
            document_line,
            execute,
            run_line,
        )

        environment, name = Environment(), self.target.name
        self.row = Row(provider=name, aliases=self.target.provider.aliases)
        candidates = [Candidate(str(path)) for path in documents]
        run = await begin(self.journal, self.target, candidates, RunOptions(), environment)

        def listen(event: Event) -> None:
            display.see(name, event)
            if isinstance(event, DocumentFinished):
                line = document_line(run, event.record, event.unit)
                self.row.add(line)
                self.terminal.line(line)

        report = await execute(self.journal, self.target, run, environment, listener=listen)
        if report.trouble is not None:
            self.terminal.fail(report.trouble)
        self.row.end(line := run_line(report))
        self.terminal.line(line)
        return report

    def check(self, state: Mapping[str, object]) -> None:
        """Compare what the vendor holds with what was sent."""
        held = state.get("documents")
        arrived = {entry["sha256"] for entry in held} if isinstance(held, list) else set()
        self.row.arrived = sum(digest in arrived for digest in self.row.sent)


def _code(report: RunReport) -> int:
    """A document that a vendor does not take is no failure here."""
    from longshore.lifecycle import Outcome

    report.outcomes = {o: n for o, n in report.outcomes.items() if o is not Outcome.REFUSED}
    return report.exit_code
