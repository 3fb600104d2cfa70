"""A scenario: a target, some documents and what is done with them, recorded or replayed."""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from longshore.errors import LongshoreError
from longshore.journal import DocumentRecord, Journal, MemoryJournal, RunRecord, UnitRecord
from longshore.lifecycle import Action, Outcome
from longshore.pipeline import (
    Candidate,
    Engine,
    Environment,
    Polled,
    RunOptions,
    RunReport,
    act_on,
    begin,
    cancel_unit,
    execute,
    fetch_results,
    open_engine,
    prepare,
    take,
)
from longshore.plugins import load_plugins
from longshore.provider import Results
from longshore.sandbox import Fault, Faults, Vendor, asgi_app
from longshore.targets import Target, resolve_target, secret_values
from longshore.testing.cassettes._loop import LoopClock, run_virtually
from longshore.testing.cassettes._scrub import Scrubber
from longshore.testing.cassettes._tape import (
    Header,
    RecordedDocument,
    playing,
    read_header,
    recording,
)
from longshore.transfer import Transport
from longshore.transfer._http import HttpTransport

__all__ = ["EPOCH", "Played", "Scenario", "record", "replay", "seeded_environment"]

EPOCH = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""The date of everything that is recorded against a sandbox."""

Steps = Sequence[str]


@dataclass(frozen=True)
class Scenario:
    """What is recorded into one cassette.

    Attributes:
        provider: the provider's name.
        name: of the scenario, and of its file.
        documents: file name and content of each.
        settings: of the target, as ``--set`` takes them; secrets too, they are not recorded.
        assumptions: of the sandbox.
        faults: of the sandbox.
        steps: in order: ``upload`` (begin and follow to the end), ``accept`` (until the vendor
            has a job), ``resume`` (go on with the run), ``act:NAME`` or ``act:NAME:OBJECT``,
            ``cancel``, ``results``.
        outcomes: what becomes of each document.
        trouble: the kind of the error that ends the run; "" when none does.
        words: the vendor's words that polls must bring, in order, repetitions left out; empty:
            any.
        jobs: the vendor's job ids, one for each batch that became a job; None: any.
    """

    provider: str
    name: str
    documents: tuple[tuple[str, bytes], ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    assumptions: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    steps: Steps = ("upload",)
    outcomes: tuple[Outcome, ...] = (Outcome.SUCCEEDED,)
    trouble: str = ""
    words: tuple[str, ...] = ()
    jobs: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"

    def path(self, folder: Path) -> Path:
        """Return where its cassette lies below the folder of all cassettes."""
        return folder / self.provider / f"{self.name}.yaml"

    def secrets(self) -> tuple[str, ...]:
        """Return the secrets among its settings."""
        return secret_values(_target(self, "https://vendor.example").provider.settings)

    def problems(self, played: Played) -> list[str]:
        """Compare what came of it with what is expected; empty is what is wanted."""
        pairs = (
            ("outcomes", [str(o) for o in self.outcomes], [str(o) for o in played.outcomes]),
            ("trouble", self.trouble, played.trouble),
            ("words", self.words or played.words, played.words),
            ("jobs", played.jobs if self.jobs is None else self.jobs, played.jobs),
        )
        return [
            f"{what}: expected {expected}, got {actual}"
            for what, expected, actual in pairs
            if expected != actual
        ]

    def vendor(self) -> Vendor:
        """Make the vendor's side, at its real address."""
        made: Vendor = load_plugins().sandbox(self.provider, self.assumptions)
        return made

    def header(self, vendor: Vendor) -> Header:
        """Describe the recording against a sandbox."""
        return Header(
            provider=self.provider,
            scenario=self.name,
            recorded_against="sandbox",
            recorded_at=EPOCH,
            base_url=vendor.base_url,
            seed=f"longshore {self}",
            documents=tuple(
                RecordedDocument(
                    name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest()
                )
                for name, content in self.documents
            ),
        )


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scenario.

    Attributes:
        documents: the records of the documents, in their order.
        batches: the records of the batches.
        report: of the last step that carried something.
        words: the vendor's words for the jobs, as polls brought them; repetitions left out.
        results: what ``results`` fetched.
    """

    documents: tuple[DocumentRecord, ...]
    batches: tuple[UnitRecord, ...]
    report: RunReport
    words: tuple[str, ...] = ()
    results: tuple[Results, ...] = ()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How each document ended."""
        return tuple(record.outcome for record in self.documents)

    @property
    def jobs(self) -> tuple[str, ...]:
        """The vendor's job ids."""
        return tuple(batch.job_id for batch in self.batches if batch.job_id)

    @property
    def trouble(self) -> str:
        """The kind of the error that ended the run; "" when none did."""
        return type(self.report.trouble).__name__ if self.report.trouble else ""


def record(scenario: Scenario, folder: Path) -> Played:
    """Record a scenario against its sandbox, in process, under the vendor's real address."""
    vendor = scenario.vendor()
    header = scenario.header(vendor)
    target = _target(scenario, header.base_url)

    async def play() -> Played:
        clock = LoopClock(header.began)
        app = asgi_app(vendor, faults=Faults(scenario.faults), clock=clock.now)
        inner = httpx.ASGITransport(app=app)
        environment = seeded_environment(header, lambda: HttpTransport(inner=inner))
        with recording(scenario.path(folder), header, Scrubber(scenario.secrets())):
            return await _play(scenario, target, environment)

    return run_virtually(play())


def replay(scenario: Scenario, folder: Path) -> Played:
    """Play a scenario against its cassette; nothing reaches the network.

    Raises:
        CassetteMismatch: something else was sent than what was recorded, or less.
    """
    header = read_header(path := scenario.path(folder))
    target = _target(scenario, header.base_url)

    async def play() -> Played:
        environment = seeded_environment(header, HttpTransport)
        with playing(path, Scrubber(scenario.secrets())):
            return await _play(scenario, target, environment)

    return run_virtually(play())


def seeded_environment(header: Header, transport: Callable[[], Transport]) -> Environment:
    """Make an environment whose ids, pauses and time follow from a cassette's header."""
    count = 0

    def new_id() -> str:
        nonlocal count
        count += 1
        return hashlib.sha256(f"{header.seed}:{count}".encode()).hexdigest()[:16]

    return Environment(
        clock=LoopClock(header.began),
        new_id=new_id,
        new_run_id=lambda: new_id()[:8],
        transport=lambda _settings, _concurrency: transport(),
        rng=random.Random(header.seed),  # noqa: S311 - pauses, not secrets
    )


def _target(scenario: Scenario, base_url: str) -> Target:
    """Fill the settings from the scenario alone: nothing of this machine may play a part."""
    with tempfile.TemporaryDirectory() as empty:
        overrides = {"base_url": base_url, **scenario.settings}
        return resolve_target(scenario.provider, overrides=overrides, environ={}, cwd=Path(empty))


# ---------------------------------------------------------------------------------- the steps


async def _play(scenario: Scenario, target: Target, environment: Environment) -> Played:
    journal = MemoryJournal()
    with tempfile.TemporaryDirectory() as folder:
        candidates = []
        for name, content in scenario.documents:
            path = Path(folder) / name
            path.write_bytes(content)
            candidates.append(Candidate(str(path)))
        options = RunOptions(concurrency=1)
        run = await begin(journal, target, candidates, options, environment)
        stage = _Stage(journal, target, run, environment)
        for step in scenario.steps:
            await stage.step(step)
    assert stage.report is not None
    documents = tuple(record for _, record in await journal.documents(run.id))
    batches = tuple(await journal.units(run.id))
    return Played(documents, batches, stage.report, tuple(stage.words), tuple(stage.results))


@dataclass(slots=True)
class _Stage:
    journal: Journal
    target: Target
    run: RunRecord
    environment: Environment
    report: RunReport | None = None
    words: list[str] = field(default_factory=list)
    results: list[Results] = field(default_factory=list)

    async def step(self, step: str) -> None:
        verb, _, rest = step.partition(":")
        match verb:
            case "upload" | "resume":
                self.report = await self._execute()
            case "accept":
                self.report = await self._execute(lambda unit: unit.job is not None)
            case "act":
                await self._each(lambda engine, unit: act_on(engine, unit, Action.parse(rest)))
            case "cancel":
                await self._each(cancel_unit)
            case "results":
                await self._each(self._fetch)
            case _:
                raise ValueError(f"no step is named {step!r}")

    async def _execute(self, until: Any = None) -> RunReport:
        return await execute(
            self.journal,
            self.target,
            self.run,
            self.environment,
            listener=self._listen,
            until=until,
        )

    def _listen(self, event: object) -> None:
        if isinstance(event, Polled) and self.words[-1:] != [event.word]:
            self.words.append(event.word)

    async def _each(self, do: Callable[[Engine, Any], Any]) -> None:
        async with open_engine(self.journal, self.target, self.run, self.environment) as engine:
            outcome = await prepare(engine)
            if isinstance(outcome, LongshoreError):
                raise outcome
            for record in await self.journal.units(self.run.id):
                await do(engine, await take(engine, record.id))

    async def _fetch(self, engine: Engine, unit: Any) -> None:
        self.results.append(await fetch_results(engine, unit.job))
