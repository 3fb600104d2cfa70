"""A place to route in: sandboxes with faults of their own, and a clock for retries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from longshore.journal import Journal, documents_of, open_journal
from longshore.migrate import (
    Arrival,
    RouteRequest,
    carry_passage,
    find_passage,
    passage_of,
    resume_by_route_async,
    upload_by_route_async,
)
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


async def _crash(*arguments: object, **more: object) -> None:
    raise RuntimeError("killed")


class Road:
    """A route, what goes along it, and the journal of that.

    Attributes:
        folder: of the configuration and the documents.
        start: starts a sandbox; see ``vendors``.
    """

    def __init__(
        self, folder: Path, start: Callable[..., None], environment: Environment, patch: Any
    ) -> None:
        self.folder, self.start, self.environment = folder, start, environment
        self.journal = folder / "j.db"
        self._patch = patch

    def build(self, text: str, *vendors: str, **faults: list[dict[str, Any]]) -> None:
        """Write the route down and start sandboxes, those of ``faults`` with faults."""
        (self.folder / "longshore.toml").write_text(f"[routes.main]\n{text}\n")
        for name in vendors:
            self.start(name)
        for name, rules in faults.items():
            self.start(name, rules)

    def files(self, count: int, *names: str) -> list[str]:
        """Write documents of different contents, numbered PDFs and some with names."""
        all_names = [*(f"{n}.pdf" for n in range(count)), *names]
        for name in all_names:
            (self.folder / name).write_bytes(f"%PDF-1.4 {name}\n".encode())
        return [str(self.folder / name) for name in all_names]

    async def upload(self, paths: list[str], **options: Any) -> Arrival:
        """Carry documents by the route."""
        return await upload_by_route_async(
            paths, "main", journal=self.journal, environment=self.environment, **options
        )

    async def resume(self, run_id: str, **options: Any) -> Arrival:
        """Go on with an upload by the route."""
        return await resume_by_route_async(
            run_id, journal=self.journal, environment=self.environment, **options
        )

    @contextmanager
    def killed(
        self,
        place: str = "longshore.migrate.routes._carry.begin",
        crash: Callable[..., Any] = _crash,
    ) -> Iterator[None]:
        """What is done within ends where it comes to a place."""
        with self._patch.context() as patched:
            patched.setattr(place, crash)
            with pytest.raises(RuntimeError, match="killed"):
                yield

    async def go_on(self, journal: Journal) -> Arrival:
        """Go on with the upload whose run is the first."""
        request, run = RouteRequest(""), (await journal.runs())[0]
        passage = await find_passage(journal, request, passage_of(run) or "")
        return await carry_passage(journal, passage, request, self.environment)

    async def carried(self) -> dict[str, list[tuple[str, str]]]:
        """Target and outcome of each document in each run that did not hand it over."""
        found: dict[str, list[tuple[str, str]]] = {}
        async with open_journal(self.journal) as opened:
            for run in await opened.runs():
                async for record in documents_of(opened, run.id):
                    if str(record.outcome) != "skipped":
                        name = record.document.name
                        found.setdefault(name, []).append((run.target, str(record.outcome)))
        return found


@pytest.fixture
def road(
    tmp_path: Path,
    vendors: Callable[..., None],
    hurried: Environment,
    monkeypatch: pytest.MonkeyPatch,
) -> Road:
    """Return a route to be built."""
    return Road(tmp_path, vendors, hurried, monkeypatch)
