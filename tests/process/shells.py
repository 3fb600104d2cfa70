"""Two real processes: the sandboxes in one shell, the command line in another."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
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
        url: of each sandbox, by provider.
    """

    folder: Path
    variables: Mapping[str, str]
    urls: Mapping[str, str]
    more: dict[str, str] = field(default_factory=dict)

    @property
    def journal(self) -> Path:
        """The journal file."""
        return self.folder / "journal.db"

    def environment(self) -> dict[str, str]:
        """Everything the command line sees."""
        return {**os.environ, **self.variables, **self.more}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and go on."""
        return subprocess.Popen(
            [*LONGSHORE, *arguments, "--journal", str(self.journal)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
            cwd=self.folder,
        )

    def run(self, *arguments: str) -> Ended:
        """Run a command to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=50)
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
    process = subprocess.Popen(
        [*LONGSHORE, "sandbox", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=folder,
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield Shell(folder, said["variables"], said["urls"])
    finally:
        process.terminate()
        process.communicate(timeout=10)


def wait_for(condition: Any, *, seconds: float = 20.0) -> None:
    """Wait until something holds, looking often."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.01)


def journal_receipts(path: Path) -> dict[int, str]:
    """Read which transfers have a receipt in the journal: number -> what the vendor gave.

    Meant for a journal of one document. A process that was killed may just have made it.
    """
    with contextlib.closing(sqlite3.connect(path)) as journal:
        if not journal.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone():
            return {}
        rows = journal.execute("SELECT value FROM facts WHERE kind = 'receipt'").fetchall()
    receipts = [json.loads(value) for (value,) in rows]
    return {receipt["number"]: receipt["token"] for receipt in receipts}


def names(paths: Sequence[Path]) -> list[str]:
    """Write paths as arguments."""
    return [str(path) for path in paths]
