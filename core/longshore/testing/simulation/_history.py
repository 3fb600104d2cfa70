"""One history: a run from its first request to its end, with whatever goes wrong on the way."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from longshore.capabilities import Rate
from longshore.documents import Document, media_type_of
from longshore.errors import IncompatibleState, LongshoreError, StaleEpoch
from longshore.journal import Abandoned, DocumentRecord, FactKind, RunRecord, UnitRecord
from longshore.lifecycle import Outcome
from longshore.pipeline import capabilities_of
from longshore.planning import Group, group
from longshore.provider import Provider, ProviderSettings
from longshore.sandbox import Recorder, Vendor
from longshore.testing.simulation._journal import SimulatedJournal
from longshore.testing.simulation._logs import hearing
from longshore.testing.simulation._process import (
    Concurrent,
    Scene,
    Sequential,
    clean_up,
)
from longshore.testing.simulation._sources import MemorySources
from longshore.testing.simulation._watch import Watch
from longshore.testing.simulation._world import (
    EPOCH,
    Chance,
    Crash,
    Endless,
    Event,
    Happened,
    Plan,
    World,
    drive,
)

__all__ = ["Case", "History", "play"]

Maker = Callable[[], Provider[ProviderSettings]]

_LIVES = 60
"""Processes that one history may need; more means that it does not end."""

_VAIN = 3
"""Processes in a row that may end with an error although nothing goes wrong any more."""

_RETURNS = 12
"""Looks at the queue of abandoned sessions after the run."""

_SLEEPS = {"crash/hour": 7200.0, "crash/days": 90_000.0}


class Planned(NamedTuple):
    """What every history of a case begins with; immutable.

    Attributes:
        run: its record.
        units: the batches, with their documents.
        rate: requests that the vendor allows.
        keys: credentials that the vendor gave.
    """

    run: RunRecord
    units: tuple[tuple[UnitRecord, tuple[DocumentRecord, ...]], ...]
    rate: Rate | None
    keys: frozenset[str]


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
        changed: makes the adapter with other settings, for ``crash/settings``.
        acts: somebody does what a job that waits for a person offers.
        fails: names of documents that the vendor itself fails.
        batch_size: most documents in a batch; None: as the provider says.
        concurrency: requests in flight.
        held: what of the given secrets the vendor still holds open, such as session keys.
        also: more promises, of this vendor: returns what is broken.
    """

    name: str
    provider: Callable[[], Provider[ProviderSettings]]
    vendor: Callable[[], Vendor]
    documents: Sequence[tuple[str, bytes]]
    idle: frozenset[str] = frozenset()
    over: frozenset[str] = frozenset()
    may_be_unknown: bool = False
    may_resend_parts: bool = False
    changed: Callable[[], Provider[ProviderSettings]] | None = None
    acts: bool = False
    fails: frozenset[str] = frozenset()
    batch_size: int | None = None
    concurrency: int = 4
    held: Callable[[Any], Sequence[str]] = lambda _vendor: ()
    also: Callable[[Any], Sequence[str]] = lambda _vendor: ()

    @cached_property
    def planned(self) -> Planned:
        """The batches with which every history begins."""
        return _plan(self)


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
        rate: requests that the vendor allows.
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
    rate: Rate | None = None
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
        _live(case, scene, history)
        world.plan, world.chance, world.stopping = {}, None, False
        if not history.problems:
            _finish(scene, history)
    world.settle()
    _look(scene, history)
    return history


def _chance(seed: int, kinds: frozenset[Event] | None) -> Chance:
    rng = random.Random(2 * seed + 1)  # noqa: S311
    budget = rng.choice((1, 1, 2, 2, 3, 4, 6))
    return Chance(rng, budget, rng.choice((0.01, 0.03, 0.08)) * budget, kinds)


def _plan(case: Case) -> Planned:
    """Plan the case's documents; every batch and document has a telling id."""
    provider = case.provider()
    key = provider.settings.api_key
    documents = [
        Document(id=f"d{n}", name=name, size=len(content), media_type=media_type_of(name))
        for n, (name, content) in enumerate(case.documents)
    ]
    run = RunRecord(
        id="run",
        target=provider.name,
        provider=provider.name,
        state_version=provider.state_version,
        account=provider.account(),
        created_at=EPOCH,
    )
    units, place = [], 0
    capabilities = capabilities_of(provider)
    for number, planned in enumerate(group(documents, capabilities, batch_size=case.batch_size)):
        assert isinstance(planned, Group), planned
        unit = UnitRecord(
            id=f"b{number}",
            run_id=run.id,
            part_size=planned.part_size,
            created_at=EPOCH,
            documents=len(planned.documents),
        )
        records = tuple(
            DocumentRecord(document=d, run_id=run.id, unit_id=unit.id, path=d.name, place=place + n)
            for n, d in enumerate(planned.documents)
        )
        place += len(records)
        units.append((unit, records))
    keys = frozenset({key.get_secret_value()} if key is not None else ())
    return Planned(run, tuple(units), capabilities.rate, keys)


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
        rate=planned.rate,
    )


# ------------------------------------------------------------------------------- its lives


def _live(case: Case, scene: Scene, history: History) -> None:
    """Start process after process, until one of them finds nothing left to do."""
    world, vain, provider = scene.world, 0, case.provider
    for life in range(1, _LIVES + 1):
        history.lives, before = life, len(world.happened)
        world.stopping = False
        try:
            trouble = _one_life(scene, provider)
        except Endless as error:
            history.problems.append(str(error))
            return
        except Crash as crash:
            world.advance(world.time + _SLEEPS.get(str(crash), 1.0))
            provider = _next_provider(case, str(crash), provider)
            if str(crash) == "crash/upgrade":
                _upgraded(scene, history, provider)
            continue
        if trouble is None and not world.stopping:
            return
        vain = vain + 1 if len(world.happened) == before else 0
        if vain >= _VAIN:
            words = f"{type(trouble).__name__}: {trouble}"
            history.problems.append(f"the run ends with {words}, again and again")
            return
        world.advance(world.time + (60.0 * vain or 1.0))
    history.problems.append("it does not end")


def _next_provider(case: Case, crash: Event, now: Maker) -> Maker:
    """Settings that were changed stay so."""
    changed = crash == "crash/settings" and case.changed is not None
    return case.changed if changed and case.changed is not None else now


def _upgraded(scene: Scene, history: History, provider: Maker) -> None:
    """Try to go on with another version of the plugin: refused, before anything is sent."""

    def newer() -> Provider[ProviderSettings]:
        made = provider()
        vars(made)["state_version"] = made.state_version + 1
        return made

    try:
        Sequential(scene, newer)
    except IncompatibleState:
        return
    history.problems.append("what another version of the plugin wrote was accepted")


def _one_life(scene: Scene, provider: Maker) -> LongshoreError | None:
    """Let a process run to its end; return what ended it before its time.

    Raises:
        Crash: the last process ended.
    """
    if scene.world.rng is not None:
        return _together(scene, provider)
    process = Sequential(scene, provider)
    try:
        process.run()
    except LongshoreError as error:
        return error
    finally:
        process.ends()
    return None


def _together(scene: Scene, provider: Maker) -> LongshoreError | None:
    """As one process, unless a second executor starts meanwhile."""
    world, rng = scene.world, scene.world.rng
    assert rng is not None
    first = Concurrent(scene, provider)
    active, last, ended = [first], first, False
    crash: Crash | None = None
    while active:
        if world.rival:
            world.rival = False
            last.ends()
            last = Concurrent(scene, provider)
            active.append(last)
        world.executors = len(active)
        process = active[0] if len(active) == 1 else rng.choice(active)
        try:
            moved = process.turn()
        except Crash as end:
            process.kill()
            active.remove(process)
            crash = end
            continue
        if process.over:
            active.remove(process)
            ended |= process.finished
        elif not moved:
            wakes = min(each.wakes() for each in active)
            if wakes > world.time or len(active) == 1:
                world.advance(wakes)
    last.ends()
    if crash is not None and not ended:
        raise crash
    return None if ended else last.trouble or StaleEpoch("another executor took over")


def _finish(scene: Scene, history: History) -> None:
    """Resume what is unknown, and empty the queue of what was given up."""
    if any(record.outcome is Outcome.UNKNOWN for record in _units(scene)):
        drive(scene.journal.reopen(scene.run_id))
        try:
            _one_life(scene, scene.provider)
        except Endless as error:
            history.problems.append(str(error))
    if drive(scene.journal.abandoned(scene.run_id)):
        _give_everything_back(scene, history)


def _give_everything_back(scene: Scene, history: History) -> None:
    world = scene.world
    try:
        engine = Sequential(scene).engine
        for _ in range(_RETURNS):
            at = drive(clean_up(engine))
            if at is None:
                return
            world.advance(world.time + max(at - world.now(), 0.0))
    except (LongshoreError, Endless) as error:
        history.problems.append(f"the queue of abandoned sessions stands: {error}")


def _units(scene: Scene) -> list[UnitRecord]:
    return list(drive(scene.journal.units(scene.run_id)))


def _look(scene: Scene, history: History) -> None:
    """Note how everything stands at the end."""
    journal = scene.journal
    history.documents = [record for _, record in drive(journal.documents(scene.run_id))]
    history.units = _units(scene)
    history.run = drive(journal.run(scene.run_id))
    history.abandoned = list(drive(journal.abandoned(scene.run_id)))
    history.vendor = scene.vendor.vendor
    history.touched = frozenset(scene.sources.touched)
    history.state = scene.vendor.state(scene.world.time)
    history.seconds = scene.world.time - EPOCH
    history.plan = {h.number: h.fault for h in scene.world.happened} or history.plan
    history.rate = scene.rate
    history.problems += scene.watch.problems
    history.problems += [
        f"{unit.id} is {unit.outcome}, and its session is still in the journal"
        for unit in history.units
        if unit.outcome.terminal and journal.holds(unit.id, FactKind.SESSION)
    ]
