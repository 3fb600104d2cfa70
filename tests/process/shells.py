"""Two real processes: the sandboxes in one shell, the command line in another."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONGSHORE = [sys.executable, "-m", "longshore"]


@dataclass
class Shell:
    """A shell with its environment, journal and working folder.

    Attributes:
        folder: where it works; the journal is in it.
        variables: as `longshore sandbox` prints them.
        urls: of each sandbox, by provider.
        journal_folder: where the journal is; by default it is in the folder.
    """

    folder: Path
    variables: Mapping[str, str]
    urls: Mapping[str, str]
    more: dict[str, str] = field(default_factory=dict)
    journal_folder: Path | None = None

    @property
    def journal(self) -> Path:
        """The journal file."""
        return (self.journal_folder or self.folder) / "journal.db"

    def environment(self) -> dict[str, str]:
        """Everything the command line sees."""
        return {**os.environ, **self.variables, **self.more}

    def start(
        self, *arguments: str, before: Callable[[], None] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command and go on; `before` is called in its process, before it begins."""
        return subprocess.Popen(
            [*LONGSHORE, *arguments, "--journal", str(self.journal)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
            cwd=self.folder,
            preexec_fn=before,  # noqa: PLW1509 -- it only sets limits
        )

    def run(self, *arguments: str) -> Ended:
        """Run a command to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=100)
        return Ended(process.returncode, out, err)

    def state(self, provider: str) -> dict[str, Any]:
        """Ask a sandbox what it holds."""
        url = f"{self.urls[provider]}/_sandbox/state"
        with urllib.request.urlopen(url, timeout=10) as reply:
            found: dict[str, Any] = json.load(reply)
        return found


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines of its standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def run(self) -> dict[str, Any]:
        """The last JSON line: the run."""
        return self.lines[-1]


@contextlib.contextmanager
def sandboxes(folder: Path, *arguments: str) -> Iterator[Shell]:
    """Start the sandboxes in a process of their own."""
    with (folder / "sandbox.log").open("w") as log:
        process = subprocess.Popen(
            [*LONGSHORE, "sandbox", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "sandbox.log").read_text()
        said = json.loads(line)
        yield Shell(folder, said["variables"], said["urls"])
    finally:
        process.terminate()
        process.communicate(timeout=10)


def wait_for(condition: Any, *, seconds: float = 40.0) -> None:
    """Wait until something holds, looking often."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.02)


def journal_receipts(journal: Path) -> dict[str, set[int]]:
    """Read from a copy of the journal which transfers of each run have a receipt: their numbers.

    A copy, because whoever opens a journal mends what a kill has left; runs without any count too.
    """
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(f"{journal}{ending}", f"{folder}/copy.db{ending}")
        with contextlib.closing(sqlite3.connect(f"{folder}/copy.db")) as copy:
            if not copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone():
                return {}  # killed before the journal was made
            found: dict[str, set[int]] = {
                id: set() for (id,) in copy.execute("SELECT id FROM runs")
            }
            for run_id, value in copy.execute(
                "SELECT units.run_id, facts.value FROM facts JOIN units ON units.id = facts.unit_id"
                " AND units.attempt = facts.attempt WHERE facts.kind = 'receipt'"
            ):
                found[run_id].add(json.loads(value)["number"])
    return found


def names(paths: Sequence[Path]) -> list[str]:
    """Write paths as arguments."""
    return [str(path) for path in paths]
