"""A place to route in: sandboxes with faults of their own, and a clock for retries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from longshore.cli._sandbox import make_vendors
from longshore.pipeline import Environment
from longshore.plugins import load_plugins
from longshore.sandbox import Faults, serve
from longshore.transfer import retry_with_clock
from tests.cli.conftest import environment_of


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
            made = make_vendors(load_plugins(), [name], list(assume))
            stack.enter_context(serve(made, faults=Faults.from_json(json.dumps(rules or []))))
            for variable, value in environment_of(made).items():
                monkeypatch.setenv(variable, value)

        yield start
