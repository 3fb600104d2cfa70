"""Real processes for tests of the command line, and what to wait for in their journal."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from longshore.journal import open_journal
from longshore.pipeline import RunReport, summary

PART = 5 * 2**20


class Processes:
    """Starts commands, and ends what a test leaves running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self, *arguments: str, program: Sequence[str] = ("-m", "longshore")
    ) -> subprocess.Popen[str]:
        """Start a command with the journal of this test."""
        process = subprocess.Popen(
            [sys.executable, *program, *arguments, "--journal", "journal.db"],
            cwd=self.folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end: exit code, stdout, stderr."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=40)
        return process.returncode, out, err

    def end(self) -> None:
        """End what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def in_parts(folder: Path) -> tuple[str, ...]:
    """Write a document of three parts; how to upload it."""
    with (folder / "large.pdf").open("wb") as file:
        file.truncate(3 * PART)
    settings = ("session_threshold=0", f"part_size={PART}", "resend_parts=true")
    return ("upload", "large.pdf", "--to", "subworkflow", "--concurrency", "1",
            *(word for setting in settings for word in ("--set", setting)))  # fmt: skip


def wait_for(
    processes: Processes, process: subprocess.Popen[str], ready: Callable[[RunReport], bool]
) -> str:
    """Wait until the journal shows what is wanted of every run; the first one's id."""

    async def look() -> list[RunReport]:
        async with open_journal(processes.folder / "journal.db") as journal:
            return [await summary(journal, run) for run in await journal.runs()]

    while process.poll() is None:
        time.sleep(0.02)
        reports = asyncio.run(look())
        if reports and all(map(ready, reports)):
            return reports[0].run.id
    raise AssertionError(process.communicate())


def first_part(report: RunReport) -> bool:
    """True when a receipt is in the journal."""
    return report.totals.bytes_sent > 0


def run_line(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert found["event"] == "run"
    return found
