"""One process that executes a run: nothing is left of an earlier one but the journal."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from longshore.errors import LongshoreError, VendorUnavailable
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    BytesMoved,
    Engine,
    Next,
    Step,
    Unit,
    capabilities_of,
    give_back,
    prepare,
    take,
)
from longshore.pipeline._run import check_state_version
from longshore.provider import Provider, ProviderSettings
from longshore.redaction import Redactor
from longshore.sandbox import Recorder
from longshore.testing.simulation._journal import SimulatedJournal
from longshore.testing.simulation._sources import MemorySources
from longshore.testing.simulation._transport import SimulatedTransport
from longshore.testing.simulation._watch import Watch
from longshore.testing.simulation._world import World, drive
from longshore.transfer import Driver, Pace, Policy, retry_with_clock

if TYPE_CHECKING:
    from longshore.pipeline import Event

__all__ = ["ROUNDS", "Maker", "Process", "Scene", "clean_up"]

_BEAT = 5.0
"""Seconds between signs of life, as the local executor gives them."""

ROUNDS = 400
"""Looks at the units that one process may need."""

_ACTS = 5
"""How often somebody acts upon one batch that waits for a person, in one process."""

Maker = Callable[[], Provider[ProviderSettings]]


@dataclass(slots=True)
class Scene:
    """What outlives a process.

    Attributes:
        world: time, and what goes wrong.
        journal: the durable record.
        vendor: the vendor's side.
        sources: the documents.
        watch: notes what leaves and what is written.
        run_id: the run.
        provider: makes the adapter, afresh for every process.
        acts: somebody does what a job that waits for a person offers.
        concurrency: requests in flight.
        pauses: spreads pauses.
    """

    world: World
    journal: SimulatedJournal
    vendor: Recorder
    sources: MemorySources
    watch: Watch
    run_id: str
    provider: Maker
    acts: bool = False
    concurrency: int = 4
    pauses: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311


class Process:
    """What both kinds of process have.

    Attributes:
        scene: what outlives it.
        make: makes the adapter.
        engine: moves the units.
        born: when it was started, by the true time.
        error: what ended it; None while it runs, and when nothing did.
        finished: nothing was left to do.
    """

    def __init__(self, scene: Scene, make: Maker) -> None:
        self.scene = scene
        self.make = make
        scene.watch.lives += 1
        self.life = scene.watch.lives
        self.born = scene.world.time
        self._epochs: dict[str, int] = {}  # of the units as this process took them
        self.engine = self._open(make())
        self.error: LongshoreError | None = None
        self.finished = False
        self._acts: dict[str, int] = {}
        scene.journal.alive(scene.run_id, scene.world.now())

    def _open(self, provider: Provider[ProviderSettings]) -> Engine:
        scene, world = self.scene, self.scene.world
        run = drive(scene.journal.run(scene.run_id))
        check_state_version(run, provider)
        transport = SimulatedTransport(
            world, scene.vendor, scene.watch, scene.sources, self._is_overtaken
        )
        capabilities = capabilities_of(provider)
        driver = Driver(
            provider,
            transport=transport,
            clock=world,
            sources=scene.sources,
            pace=Pace(world, capabilities.rate, capabilities.read_rate),
            retries=retry_with_clock(world),
            rng=scene.pauses,
            policy=Policy(tries=3, seconds=600.0),
            learn=scene.watch.secrets.update,
        )
        transport.follow(driver, provider.settings.base_url)
        return Engine(
            run=run,
            provider=provider,
            capabilities=capabilities,
            journal=scene.journal,
            driver=driver,
            clock=world,
            digest=self._digest,
            redactor=Redactor(scene.watch.secrets),
            listener=self._listen,
        )

    async def _prepare(self) -> None:
        """Prepare the run, however long that takes."""
        while True:
            outcome = await prepare(self.engine)
            if isinstance(outcome, LongshoreError):
                raise outcome
            if outcome.state == "finished":
                return
            await self._wait(outcome)

    async def _wait(self, outcome: Next) -> None:
        """Wait until something can be done; raise what no waiting helps against."""
        trouble, world = self.engine.trouble, self.scene.world
        if outcome.state == "blocked" and not isinstance(trouble, VendorUnavailable):
            assert trouble is not None
            raise trouble
        await world.sleep(max(outcome.at - world.now(), 0.0))

    async def _digest(self, document: Any) -> str:
        await self.scene.world.switch()
        return await self.scene.sources.digest(document)

    def _listen(self, event: Event) -> None:
        """Note what an event shows; the run, which most of them hold, is looked at in the end."""
        if not isinstance(event, BytesMoved):  # a number
            values = [getattr(event, name) for name in event.__slots__]
            shown = [value for value in values if value is not self.engine.run]
            self.scene.watch.said.append(f"{event.__class__.__name__} {shown}")

    async def _take(self, unit_id: str) -> Unit:
        unit = await take(self.engine, unit_id)
        self._epochs[unit_id] = unit.record.epoch
        return unit

    def _is_overtaken(self, unit_id: str) -> bool:
        """Tell whether another process took a unit since: a younger one, or an older one again."""
        return self._epochs[unit_id] < drive(self.scene.journal.unit(unit_id)).epoch

    def _note_poll(self, unit: Unit, step: Step) -> None:
        if step.verb == "poll":
            floor, overtaken = self.engine.capabilities.polls.floor, self._is_overtaken(unit.id)
            self.scene.watch.polls(unit.id, floor, self.life, overtaken=overtaken)

    def _acts_on(self, unit: Unit) -> bool:
        """Do as a person would with a job that waits for one."""
        waits = unit.record.outcome is Outcome.NEEDS_ACTION and not unit.asked
        if not (self.scene.acts and waits and unit.status and unit.status.actions):
            return False
        self._acts[unit.id] = self._acts.get(unit.id, 0) + 1
        if self._acts[unit.id] > _ACTS:
            return False
        unit.asked.append(Step("act", str(unit.status.actions[0])))
        return True

    def ends(self) -> None:
        """Note the last sign of life that it gave."""
        world = self.scene.world
        since = (world.time - self.born) % _BEAT
        self.scene.journal.alive(self.scene.run_id, world.now() - since)


async def clean_up(engine: Engine) -> float | None:
    """Give abandoned sessions back; return when to try again, None when nothing is left."""
    for entry in await engine.journal.abandoned(engine.run.id):
        if entry.at <= engine.clock.now():
            await give_back(engine, entry)
    left = await engine.journal.abandoned(engine.run.id)
    return min((entry.at for entry in left), default=None)
