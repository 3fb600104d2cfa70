"""``record``: write cassettes, from the real vendor or from the sandboxes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longshore.cli._command import command
from longshore.cli._interrupt import run_async
from longshore.cli._parameters import Set, candidates_of, pairs
from longshore.cli._terminal import Terminal
from longshore.cli._text import printable
from longshore.errors import PluginError, UsageError

if TYPE_CHECKING:
    from longshore.testing.cassettes import Scenario

__all__ = ["record"]


@command(
    "longshore record plan.pdf --to TARGET --cassette plan.yaml",
    "longshore record --sandbox tests/cassettes/scenarios.py --into cassettes",
)
def record(
    terminal: Terminal,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH", help="Documents; with --sandbox, Python files with SCENARIOS."
        ),
    ] = None,
    *,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TARGET", help="The real vendor.")
    ] = None,
    cassette: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the recording.")
    ] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Record scenarios from the sandboxes.")
    ] = False,
    into: Annotated[
        Path, typer.Option(metavar="DIR", help="With --sandbox: where the cassettes lie.")
    ] = Path("cassettes"),
    only: Annotated[
        str, typer.Option(metavar="TEXT", help="With --sandbox: only scenarios whose name has it.")
    ] = "",
    set: Set = None,
) -> int:
    """Record what is sent and what is answered, without secrets and without documents.

    Against the real vendor it is an upload like any other, and charged for.
    """
    try:
        import vcr  # noqa: F401
    except ImportError as error:
        raise PluginError(
            f"recording needs an extra ({error})", hint="pip install 'longshore[record]'"
        ) from None
    if sandbox:
        if to or cassette:
            raise UsageError("--sandbox needs neither --to nor --cassette")
        return _scenarios(terminal, paths or ["tests/cassettes/scenarios.py"], into, only)
    if not (to and cassette and paths):
        raise UsageError(
            "recording needs documents, --to and --cassette, or --sandbox",
            hint="longshore record plan.pdf --to TARGET --cassette plan.yaml",
        )
    return run_async(_upload(terminal, paths, to, pairs(set), cassette))


async def _upload(
    terminal: Terminal, paths: list[str], to: str, given: dict[str, str], cassette: Path
) -> int:
    from longshore.pipeline import DocumentFinished, Event, JobAccepted, document_line, run_line
    from longshore.targets import target_now
    from longshore.testing.cassettes import record_upload

    target = target_now(to, given, terminal.config)
    _check_place(cassette)

    jobs: dict[str, str] = {}  # batch -> what the vendor has of it, unless it is over

    def listen(event: Event) -> None:
        if isinstance(event, JobAccepted):
            jobs[event.unit_id] = event.job_id
        elif isinstance(event, DocumentFinished):
            jobs.pop(event.record.unit_id or "", None)
            line = document_line(event.run, event.record, event.unit)
            terminal.line(line)
            terminal.say(printable(f"{line['state']}  {line['path']}"))

    candidates = list(candidates_of(terminal, paths))
    before = _content(cassette)
    try:
        report = await record_upload(target, candidates, cassette, listener=listen)
    except (asyncio.CancelledError, KeyboardInterrupt):
        _tell_left(terminal, jobs.values())
        raise
    terminal.line(_line(cassette, _compared(before, cassette)))
    terminal.line(run_line(report))
    if report.trouble is not None:
        terminal.fail(report.trouble)
    terminal.say(f"written: {cassette}")
    terminal.note("longshore: read it before you share it; the names of documents are in it")
    return report.exit_code


def _tell_left(terminal: Terminal, jobs: Iterable[str]) -> None:
    """Say what an interrupted recording leaves: it has no journal that would know of it later."""
    words = ", ".join(f"job {id}" for id in jobs) or "what was begun, if anything was"
    what = "nothing is recorded, and nothing can be resumed"
    terminal.last(printable(f"longshore: {what}; left at the vendor: {words}"))


def _check_place(cassette: Path) -> None:
    """Make sure that a file can be written, before the vendor charges for what it is to hold.

    Raises:
        UsageError: it cannot.
    """
    if cassette.is_dir():
        raise UsageError(f"{cassette} is a folder", hint="name a file: --cassette plan.yaml")
    try:
        cassette.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=cassette.parent):
            pass
    except OSError as error:
        raise UsageError(
            f"{cassette} cannot be written: {error.strerror}", hint="nothing was sent"
        ) from None


# ------------------------------------------------------------------------------ the sandboxes


def _scenarios(terminal: Terminal, files: list[str], folder: Path, only: str) -> int:
    from longshore.testing.cassettes import record as record_scenario

    all_ = [scenario for file in files for scenario in _load(Path(file))]
    wanted = [scenario for scenario in all_ if only in str(scenario)]
    if not wanted:
        raise UsageError(
            f"none of {len(all_)} scenarios has {only!r} in its name",
            hint=f"the first is {all_[0]}" if all_ else "",
        )
    for scenario in wanted:
        path = scenario.path(folder)
        before = _content(path)
        record_scenario(scenario, folder)
        what = _compared(before, path)
        terminal.line(_line(path, what))
        terminal.say(f"{what:9}  {path}")
    return 0


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _compared(before: bytes | None, path: Path) -> str:
    if before is None:
        return "new"
    return "unchanged" if before == _content(path) else "changed"


def _line(path: Path, change: str) -> dict[str, Any]:
    return {"event": "cassette", "path": str(path), "change": change}


def _load(file: Path) -> tuple[Scenario, ...]:
    """Run a Python file and take its ``SCENARIOS``; it may import from the working folder."""
    import runpy
    import sys

    from longshore.testing.cassettes import Scenario

    if not file.is_file():
        raise UsageError(f"{file}: no such file", hint="name a Python file that defines SCENARIOS")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = runpy.run_path(str(file)).get("SCENARIOS")
    except SyntaxError as error:
        raise UsageError(
            f"{file} is no Python: {error}",
            hint="documents are recorded with --to TARGET --cassette FILE",
        ) from None
    except Exception as error:
        raise UsageError(
            f"{file}: {type(error).__name__}: {error}", hint="it is run as Python, from here"
        ) from error
    finally:
        sys.path.remove(str(Path.cwd()))
    if isinstance(found, list | tuple) and all(isinstance(each, Scenario) for each in found):
        return tuple(found)
    raise UsageError(f"{file}: it defines no SCENARIOS", hint="a tuple of Scenario is needed")
