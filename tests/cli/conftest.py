"""A place to run commands in: sandboxes on loopback, a journal, a folder of documents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from longshore.cli import main
from longshore.cli._sandbox import make_vendors, variables
from longshore.journal import SQLiteJournal
from longshore.plugins import load_plugins
from longshore.sandbox import Faults, Vendor, serve
from tests.cli.processes import Processes, in_parts

QUICK = {"POLL_INTERVAL": "0.02"}
# Where no test looks at a job on its way: the same states in a tenth of the time.
WALKS = {
    "geolens.walk": "pending:0.002,validating:0.002,ogr2ogr:0.003,finalize:0.002,complete",
    "subworkflow.walk": "IN_PROGRESS:0.015,SUCCESS",
}


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    def line(self, event: str) -> dict[str, Any]:
        """Its only JSON line of this event."""
        (found,) = [line for line in self.lines if line["event"] == event]
        return found


class Shore:
    """Runs commands in this process, with a journal of its own."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.journal = folder / "journal.db"
        self._capture = capture

    def run(self, *arguments: str) -> Ended:
        """Run a command with this shore's journal."""
        return self.bare(*arguments, "--journal", str(self.journal))

    def bare(self, *arguments: str) -> Ended:
        """Run a command as it stands."""
        self._capture.readouterr()
        code = main(arguments)
        said = self._capture.readouterr()
        return Ended(code, said.out, said.err)

    def make_journal(self, name: str = "journal.db") -> None:
        """Make an empty journal."""
        asyncio.run(SQLiteJournal(self.folder / name).close())

    def file(self, name: str, content: bytes = b"%PDF-1.4 a page\n") -> str:
        """Write a document and return its name."""
        (self.folder / name).write_bytes(content)
        return name


def quick_vendors(*names: str, assume: Sequence[str] = ()) -> list[Vendor]:
    """Make these sandboxes, or all; where nothing else is assumed, their jobs soon end."""
    walks = [
        f"{option}={walk}"
        for option, walk in WALKS.items()
        if not names or option.partition(".")[0] in names
    ]
    return make_vendors(load_plugins(), list(names), [*walks, *assume])


def environment_of(vendors: Sequence[Any]) -> dict[str, str]:
    """The variables that point every target at these sandboxes, without long pauses."""
    plugins = load_plugins()
    found: dict[str, str] = {}
    for vendor in vendors:
        found |= variables(plugins, vendor)
    return {
        name: QUICK["POLL_INTERVAL"] if name.endswith("_POLL_INTERVAL") else value
        for name, value in found.items()
    }


@pytest.fixture(scope="session")
def quay() -> Iterator[Mapping[str, str]]:
    """All sandboxes; the variables that lead to them."""
    vendors = quick_vendors()
    with serve(vendors):
        yield environment_of(vendors)


@pytest.fixture
def empty_shore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shore:
    """A folder and a journal, without any target."""
    monkeypatch.chdir(tmp_path)
    return Shore(tmp_path, capsys)


@pytest.fixture
def shore(empty_shore: Shore, quay: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Shore:
    """The same, with every target at its sandbox."""
    for name, value in quay.items():
        monkeypatch.setenv(name, value)
    return empty_shore


Rules = list[dict[str, Any]]


@pytest.fixture
def trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., dict[str, str]]]:
    """Start sandboxes of one's own: ``trouble(rules, "plangrep.api_key=right")``."""
    with ExitStack() as stack:

        def start(rules: Rules, *assume: str, only: str = "plangrep") -> dict[str, str]:
            vendors = quick_vendors(only, assume=assume)
            stack.enter_context(serve(vendors, faults=Faults.from_json(json.dumps(rules))))
            found = environment_of(vendors)
            for name, value in found.items():
                monkeypatch.setenv(name, value)
            return found

        yield start


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes in a folder of their own."""
    made = Processes(tmp_path)
    yield made
    made.end()


@pytest.fixture
def slow(trouble: Callable[..., dict[str, str]], processes: Processes) -> tuple[str, ...]:
    """A document of three parts that takes its time, and how to upload it."""
    trouble([{"method": "POST", "path": "*/append*", "delay": 0.3}], only="subworkflow")
    return in_parts(processes.folder)
