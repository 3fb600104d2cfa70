"""A place to route in: sandboxes with faults of their own, and a clock for retries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from longshore.journal import documents_of, open_journal
from longshore.pipeline import Environment
from longshore.sandbox import Faults, serve
from longshore.transfer import retry_with_clock
from tests.cli.conftest import environment_of, quick_vendors


class Hurried:
    """Time passes, but nobody waits for the next try."""

    def now(self) -> float:
        """Return the same moment, always."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Return at once."""


@pytest.fixture
def hurried() -> Environment:
    """This machine, without pauses between tries."""
    return Environment(retries=retry_with_clock(Hurried()))


@pytest.fixture
def vendors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Start a sandbox: ``vendors("plangrep", rules, "plangrep.walk=...")``."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:

        def start(name: str, rules: list[dict[str, Any]] | None = None, *assume: str) -> None:
            made = quick_vendors(name, assume=assume)
            stack.enter_context(serve(made, faults=Faults.from_json(json.dumps(rules or []))))
            for variable, value in environment_of(made).items():
                monkeypatch.setenv(variable, value)

        yield start


def route(folder: Path, text: str) -> None:
    """Write the configuration."""
    (folder / "longshore.toml").write_text(f"[routes.main]\n{text}\n")


def files(folder: Path, count: int) -> list[str]:
    """Write documents of different contents."""
    for n in range(count):
        (folder / f"{n}.pdf").write_bytes(f"%PDF-1.4 {n}\n".encode())
    return [str(folder / f"{n}.pdf") for n in range(count)]


async def carried(journal: Path) -> dict[str, list[tuple[str, str]]]:
    """Target and outcome of each document in each run that did not hand it over."""
    found: dict[str, list[tuple[str, str]]] = {}
    async with open_journal(journal) as opened:
        for run in await opened.runs():
            async for record in documents_of(opened, run.id):
                if str(record.outcome) != "skipped":
                    name = record.document.name
                    found.setdefault(name, []).append((run.target, str(record.outcome)))
    return found
