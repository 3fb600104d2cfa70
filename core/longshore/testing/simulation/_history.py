"""One history: a run from its first request to its end, with whatever goes wrong on the way."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from longshore.journal import Abandoned, DocumentRecord, FactKind, RunRecord, UnitRecord
from longshore.lifecycle import Outcome
from longshore.sandbox import Recorder
from longshore.testing.simulation._case import Case
from longshore.testing.simulation._journal import SimulatedJournal
from longshore.testing.simulation._lives import finish, live
from longshore.testing.simulation._logs import hearing
from longshore.testing.simulation._process import Scene
from longshore.testing.simulation._sources import MemorySources
from longshore.testing.simulation._watch import Watch
from longshore.testing.simulation._world import (
    EPOCH,
    Chance,
    Event,
    Happened,
    Plan,
    World,
    drive,
)

__all__ = ["History", "play"]


@dataclass(slots=True)
class History:
    """What happened.

    Attributes:
        plan: what was to happen; with ``seed`` also what chance added.
        log: the points that were passed.
        seed: of the order of things, and of chance; None: one thing after another, no chance.
        documents: how each document ended.
        units: the batches.
        run: the run's record.
        abandoned: sessions that nobody took back.
        state: what the vendor holds, as its inspection view shows it.
        vendor: the vendor's side itself.
        touched: ids of documents whose file was changed.
        happened: the faults that came true.
        watch: what left, what was written, what was said.
        problems: promises that were broken on the way; empty is what is wanted.
        lives: processes that it took.
        seconds: that it took, by the true time.
    """

    plan: Plan
    log: list[str]
    seed: int | None = None
    documents: list[DocumentRecord] = field(default_factory=list)
    units: list[UnitRecord] = field(default_factory=list)
    run: RunRecord | None = None
    abandoned: list[Abandoned] = field(default_factory=list)
    state: Mapping[str, Any] = field(default_factory=dict)
    vendor: Any = None
    touched: frozenset[str] = frozenset()
    happened: list[Happened] = field(default_factory=list)
    watch: Watch = field(default_factory=lambda: Watch(World()))
    problems: list[str] = field(default_factory=list)
    lives: int = 0
    seconds: float = 0.0

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes of the documents, in their order."""
        return tuple(record.outcome for record in self.documents)

    @property
    def faults(self) -> frozenset[Event]:
        """The kinds of fault that came true."""
        return frozenset(happened.fault for happened in self.happened)


def play(
    case: Case,
    plan: Plan | None = None,
    *,
    seed: int | None = None,
    chance: bool = True,
    kinds: frozenset[Event] | None = None,
) -> History:
    """Play one history to its end; crashes are survived by starting over from the journal.

    Args:
        case: what is carried where.
        plan: what goes wrong at which point.
        seed: many steps at once in a seeded order; None: one after another.
        chance: with a seed, more goes wrong than the plan says.
        kinds: what chance may choose from; None: everything.
    """
    world = World(dict(plan or {}))
    if seed is not None:
        world.rng = random.Random(2 * seed)  # noqa: S311
        if chance and plan is None:
            world.chance = _chance(seed, kinds)
    scene = _scene(case, world)
    history = History(world.plan, world.log, seed, watch=scene.watch, happened=world.happened)
    with hearing(scene.watch.said):
        history.lives = live(case, scene, history.problems)
        world.plan, world.chance, world.stopping = {}, None, False
        if not history.problems:
            finish(scene, history.problems)
    world.settle()
    _look(scene, history)
    return history


def _chance(seed: int, kinds: frozenset[Event] | None) -> Chance:
    rng = random.Random(2 * seed + 1)  # noqa: S311
    budget = rng.choice((1, 1, 2, 2, 3, 4, 6))
    return Chance(rng, budget, rng.choice((0.01, 0.03, 0.08)) * budget, kinds)


def _scene(case: Case, world: World) -> Scene:
    planned = case.planned
    watch = Watch(world, secrets=set(planned.keys), keys=set(planned.keys))
    journal = SimulatedJournal(world, watch)
    drive(journal.create_run(planned.run))
    for unit, records in planned.units:
        drive(journal.enqueue([unit], records))
    contents = {f"d{n}": content for n, (_, content) in enumerate(case.documents)}
    return Scene(
        world=world,
        journal=journal,
        vendor=Recorder(case.vendor()),
        sources=MemorySources(contents),
        watch=watch,
        run_id=planned.run.id,
        provider=case.provider,
        acts=case.acts,
        concurrency=case.concurrency,
    )


def _look(scene: Scene, history: History) -> None:
    """Note how everything stands at the end."""
    journal = scene.journal
    history.documents = [record for _, record in drive(journal.documents(scene.run_id))]
    history.units = list(drive(journal.units(scene.run_id)))
    history.run = drive(journal.run(scene.run_id))
    history.abandoned = list(drive(journal.abandoned(scene.run_id)))
    history.vendor = scene.vendor.vendor
    history.touched = frozenset(scene.sources.touched)
    history.state = scene.vendor.state(scene.world.time)
    history.seconds = scene.world.time - EPOCH
    history.plan = {h.number: h.fault for h in scene.world.happened} or history.plan
    history.problems += scene.watch.problems
    for unit in history.units:
        if unit.outcome.terminal:
            history.problems += _outlived(scene, unit)


def _outlived(scene: Scene, unit: UnitRecord) -> Iterator[str]:
    """Say what of a batch's secrets is in the journal when the batch is over."""
    for fact in scene.journal.kept(unit.id):
        if fact.kind is FactKind.SESSION:
            yield f"{unit.id} is {unit.outcome}, and its session is still in the journal"
        elif any(scene.watch.found_in(repr(fact.value))):
            yield f"{unit.id} is {unit.outcome}, and its {fact.kind} in the journal tells a secret"
