"""One history: a run from its first request to its end, with whatever the plan lets happen."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from longshore.documents import Document, media_type_of
from longshore.errors import LongshoreError
from longshore.journal import DocumentRecord, RunRecord, UnitRecord
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    Engine,
    advance,
    capabilities_of,
    give_back,
    prepare,
)
from longshore.planning import Group, group
from longshore.provider import Provider, ProviderSettings
from longshore.sandbox import Recorder, Vendor
from longshore.testing.simulation._world import (
    Crash,
    MemorySources,
    Plan,
    SimulatedJournal,
    SimulatedTransport,
    World,
    drive,
)
from longshore.transfer import Driver, Pace, Policy, retry_with_clock

__all__ = ["Case", "History", "play"]

_LIVES = 60
"""Processes that one history may need; more means that it does not end."""

_ROUNDS = 400
"""Looks at the units that one process may need."""


@dataclass(frozen=True)
class Case:
    """A provider in one upload mode, and the documents that it carries.

    Attributes:
        name: for people: ``vendor/form``.
        provider: makes the adapter, afresh for every process.
        vendor: makes the vendor's side.
        documents: file name and content of each.
        idle: job states in which the vendor neither works nor bills.
        over: idle states of which nothing is left to clean up, or that expire by themselves.
        may_be_unknown: the vendor gives no means to find out whether a lost request acted.
        may_resend_parts: a repeated part is the vendor's documented way after a lost answer.
    """

    name: str
    provider: Callable[[], Provider[ProviderSettings]]
    vendor: Callable[[], Vendor]
    documents: Sequence[tuple[str, bytes]]
    idle: frozenset[str] = frozenset()
    over: frozenset[str] = frozenset()
    may_be_unknown: bool = False
    may_resend_parts: bool = False


class Endless(Exception):
    """A process does not come to its end."""


@dataclass(slots=True)
class History:
    """What happened.

    Attributes:
        plan: what was to happen.
        log: the points that were passed.
        documents: how each document ended.
        state: what the vendor holds, as its inspection view shows it.
        units: the batches.
        problems: promises that were broken; empty is what is wanted.
        lives: processes that it took.
    """

    plan: Plan
    log: list[str]
    documents: list[DocumentRecord] = field(default_factory=list)
    units: list[UnitRecord] = field(default_factory=list)
    state: Mapping[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    lives: int = 0

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes of the documents, in their order."""
        return tuple(record.outcome for record in self.documents)


def play(case: Case, plan: Plan | None = None) -> History:
    """Play one history to its end; crashes are survived by starting over from the journal."""
    world = World(dict(plan or {}))
    journal = SimulatedJournal(world)
    vendor = Recorder(case.vendor())
    documents = drive(_enqueue(case, journal))
    history = History(world.plan, world.log)
    for life in range(1, _LIVES + 1):
        history.lives = life
        engine = _engine(case, world, journal, vendor, documents)
        try:
            if drive(_live(engine, world)):
                break
        except Crash:
            world.time += 1.0
        except (LongshoreError, Endless) as error:
            history.problems.append(f"the run ended with {type(error).__name__}: {error}")
            break
    else:
        history.problems.append("it does not end")
    history.documents = [record for _, record in drive(journal.documents(documents.run_id))]
    history.units = list(drive(journal.units(documents.run_id)))
    history.state = vendor.state(world.now())
    return history


@dataclass(frozen=True, slots=True)
class _Enqueued:
    run_id: str
    sources: MemorySources


async def _enqueue(case: Case, journal: SimulatedJournal) -> _Enqueued:
    """Plan the case's documents; every batch and document has a telling id."""
    provider = case.provider()
    documents = [
        Document(id=f"d{n}", name=name, size=len(content), media_type=media_type_of(name))
        for n, (name, content) in enumerate(case.documents)
    ]
    run = RunRecord(
        id="run", target=provider.name, provider=provider.name, account=provider.account()
    )
    await journal.create_run(run)
    place = 0
    for number, planned in enumerate(group(documents, capabilities_of(provider))):
        assert isinstance(planned, Group), planned
        unit = UnitRecord(id=f"b{number}", run_id=run.id, part_size=planned.part_size)
        records = [
            DocumentRecord(document=d, run_id=run.id, unit_id=unit.id, path=d.name, place=place + n)
            for n, d in enumerate(planned.documents)
        ]
        place += len(records)
        await journal.enqueue([unit], records)
    contents = {f"d{n}": content for n, (_, content) in enumerate(case.documents)}
    return _Enqueued(run.id, MemorySources(contents))


def _engine(
    case: Case, world: World, journal: SimulatedJournal, vendor: Recorder, documents: _Enqueued
) -> Engine:
    """A new process: nothing is left of an earlier one but the journal."""
    provider = case.provider()
    sources = documents.sources
    driver = Driver(
        provider,
        transport=SimulatedTransport(world, vendor),
        clock=world,
        sources=sources,
        pace=Pace(world, capabilities_of(provider).rate),
        retries=retry_with_clock(world),
        rng=random.Random(1),  # noqa: S311 - pauses, not secrets
        policy=Policy(tries=3, seconds=600.0),
    )
    return Engine(
        run=drive(journal.run(documents.run_id)),
        provider=provider,
        capabilities=capabilities_of(provider),
        journal=journal,
        driver=driver,
        clock=world,
        digest=sources.digest,
    )


async def _live(engine: Engine, world: World) -> bool:
    """One process: prepare, then every batch, until nothing moves any more."""
    while True:
        await engine.journal.change_run(engine.run.id, alive_at=world.now())
        outcome = await prepare(engine)
        if isinstance(outcome, LongshoreError):
            raise outcome
        if outcome.state == "finished":
            break
        world.time = max(world.now(), outcome.at)
    for _ in range(_ROUNDS):
        await engine.journal.change_run(engine.run.id, alive_at=world.now())
        if not await _round(engine, world):
            await _clean_up(engine)
            return True
    raise Endless(f"a process looked at its batches {_ROUNDS} times in vain")


async def _round(engine: Engine, world: World) -> bool:
    """Look at every batch once; False when nothing moves without somebody's help."""
    due: list[float] = []
    for record in await engine.journal.units(engine.run.id):
        if record.settled or record.outcome is Outcome.NEEDS_ACTION:
            continue
        outcome = await advance(record.id, engine=engine)
        if outcome.state in ("later", "blocked"):
            due.append(outcome.at)
    if due and min(due) > world.now():
        world.time = min(due)
    return bool(due)


async def _clean_up(engine: Engine) -> None:
    for entry in await engine.journal.abandoned(engine.run.id):
        await give_back(engine, entry)
