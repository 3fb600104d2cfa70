"""One process that executes a run: nothing is left of an earlier one but the journal."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from longshore.capabilities import Rate
from longshore.errors import LongshoreError, VendorUnavailable
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    BytesMoved,
    Engine,
    Next,
    Step,
    Unit,
    advance_unit,
    capabilities_of,
    give_back,
    prepare,
    ready,
    run_step,
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
from longshore.testing.simulation._world import Endless, World, drive
from longshore.transfer import Driver, Pace, Policy, retry_with_clock

if TYPE_CHECKING:
    from longshore.pipeline import Event

__all__ = ["BEAT", "Concurrent", "Scene", "Sequential"]

BEAT = 5.0
"""Seconds between signs of life, as the local executor gives them."""

_ROUNDS = 400
"""Looks at the units that one process may need."""

_ACTS = 5
"""How often somebody acts upon one batch that waits for a person, in one process."""

_DIGESTS = 2


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
        rate: requests that the vendor allows.
        pauses: spreads pauses.
    """

    world: World
    journal: SimulatedJournal
    vendor: Recorder
    sources: MemorySources
    watch: Watch
    run_id: str
    provider: Callable[[], Provider[ProviderSettings]]
    acts: bool = False
    concurrency: int = 4
    rate: Rate | None = None
    pauses: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311


class _Process:
    """What both kinds of process have.

    Attributes:
        engine: moves the units.
        born: when it was started, by the true time.
        error: what ended it; None while it runs, and when nothing did.
        finished: nothing was left to do.
    """

    def __init__(
        self, scene: Scene, provider: Callable[[], Provider[ProviderSettings]] | None = None
    ) -> None:
        self.scene = scene
        scene.watch.lives += 1
        self.life = scene.watch.lives
        self.born = scene.world.time
        self.engine = self._open((provider or scene.provider)())
        self.error: LongshoreError | None = None
        self.finished = False
        self._acts: dict[str, int] = {}
        scene.journal.alive(scene.run_id, scene.world.now())

    def _open(self, provider: Provider[ProviderSettings]) -> Engine:
        scene, world = self.scene, self.scene.world
        run = drive(scene.journal.run(scene.run_id))
        check_state_version(run, provider)
        transport = SimulatedTransport(world, scene.vendor, scene.watch, scene.sources)
        transport.follow(provider)
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

    async def _digest(self, document: Any) -> str:
        await self.scene.world.switch()
        return await self.scene.sources.digest(document)

    def _listen(self, event: Event) -> None:
        if not isinstance(event, BytesMoved):  # a number
            self.scene.watch.said.append(repr(event))

    def _note_poll(self, unit: Unit, step: Step) -> None:
        if step.verb == "poll":
            newest = drive(self.scene.journal.unit(unit.id)).epoch
            floor, overtaken = self.engine.capabilities.polls.floor, unit.record.epoch < newest
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
        since = (world.time - self.born) % BEAT
        self.scene.journal.alive(self.scene.run_id, world.now() - since)


async def clean_up(engine: Engine) -> float | None:
    """Give abandoned sessions back; return when to try again, None when nothing is left."""
    for entry in await engine.journal.abandoned(engine.run.id):
        if entry.at <= engine.clock.now():
            await give_back(engine, entry)
    left = await engine.journal.abandoned(engine.run.id)
    return min((entry.at for entry in left), default=None)


class Sequential(_Process):
    """One thing after another: what the exhaustive enumeration plays."""

    def __init__(
        self, scene: Scene, provider: Callable[[], Provider[ProviderSettings]] | None = None
    ) -> None:
        super().__init__(scene, provider)
        self.engine.follows = self._follows

    def run(self) -> None:
        """Prepare, then move every batch, until nothing moves any more.

        Raises:
            Endless: it does not come to its end.
        """
        drive(self._run())

    async def _run(self) -> None:
        engine = self.engine
        while True:
            outcome = await prepare(engine)
            if isinstance(outcome, LongshoreError):
                raise outcome
            if outcome.state == "finished":
                break
            await self._wait(outcome)
        for _ in range(_ROUNDS):
            if self._stopped():
                return
            if not await self._round():
                await clean_up(engine)
                self.finished = True
                return
        raise Endless(f"a process looked at its batches {_ROUNDS} times in vain")

    def _follows(self, _unit: Unit, _step: Step) -> bool:
        return not self._stopped()

    def _stopped(self) -> bool:
        return self.scene.world.stopping

    async def _wait(self, outcome: Next) -> None:
        trouble, world = self.engine.trouble, self.scene.world
        if outcome.state == "blocked" and not isinstance(trouble, VendorUnavailable):
            assert trouble is not None
            raise trouble
        world.advance(world.time + max(outcome.at - world.now(), 0.0))

    async def _round(self) -> bool:
        """Look at every batch once; False when nothing moves without somebody's help."""
        engine, due = self.engine, []
        for record in await engine.journal.units(engine.run.id):
            acts = record.outcome is Outcome.NEEDS_ACTION
            if record.settled or (acts and not self.scene.acts):
                continue
            unit = await take(engine, record.id)
            self.scene.world.current = unit.id
            acted = self._acts_on(unit)
            outcome = await self._advance(unit)
            if outcome.state in ("later", "blocked") and (acted or not acts):
                due.append(outcome)
        if due:
            await self._wait(min(due, key=lambda outcome: outcome.at))
        return bool(due)

    async def _advance(self, unit: Unit) -> Next:
        poll = self.engine.provider.poll

        def noted(job: Any) -> Any:
            self._note_poll(unit, Step("poll"))
            return poll(job)

        vars(self.engine.provider)["poll"] = noted
        try:
            return await advance_unit(unit, engine=self.engine, stop=self._stopped)
        finally:
            vars(self.engine.provider)["poll"] = poll


@dataclass(slots=True, eq=False)
class _Task:
    work: Coroutine[Any, Any, Next | None]
    wake: float
    unit: Unit | None = None
    step: Step | None = None


class Concurrent(_Process):
    """Many steps at once, in a seeded order, as the local executor runs them."""

    def __init__(
        self, scene: Scene, provider: Callable[[], Provider[ProviderSettings]] | None = None
    ) -> None:
        super().__init__(scene, provider)
        assert scene.world.rng is not None
        self._rng = scene.world.rng
        self.engine.follows = self._follows
        self.engine.small = self._rng.choice((0, self.engine.small))
        self._units: list[Unit] = []
        self._due: dict[str, float] = {}
        self._starved: set[str] = set()  # wait for room to compute a digest
        self._paused_until = 0.0
        self._fatal: LongshoreError | None = None
        self._tidied = False
        self._turns = 0
        self._tasks = [_Task(self._begin(), self.born)]

    async def _begin(self) -> None:
        engine, world = self.engine, self.scene.world
        while True:
            outcome = await prepare(engine)
            if isinstance(outcome, LongshoreError):
                raise outcome
            if outcome.state == "finished":
                break
            if outcome.state == "blocked" and not isinstance(engine.trouble, VendorUnavailable):
                assert engine.trouble is not None
                raise engine.trouble
            await world.sleep(max(outcome.at - world.now(), 0.0))
        for record in await engine.journal.units(engine.run.id):
            if not record.settled:
                self._units.append(await take(engine, record.id))

    # ------------------------------------------------------------------ its turn

    @property
    def over(self) -> bool:
        """True when it has ended."""
        return self.finished or self.error is not None or (not self._tasks and self._ending())

    def _ending(self) -> bool:
        return self._fatal is not None or self.scene.world.stopping

    def wakes(self) -> float:
        """When it can do something next, by the true time."""
        times = [task.wake for task in self._tasks]
        if not self._ending() and len(self._tasks) < self.scene.concurrency:
            skew = self.scene.world.skew
            times += [max(at, self._paused_until) - skew for at in self._due.values()]
        return min(times, default=self.scene.world.time)

    def turn(self) -> bool:
        """Do one thing: let a task go on, or begin a step; False when it has to wait.

        Raises:
            Crash: the process ends here.
            Endless: it does not come to its end.
        """
        self._turns += 1
        if self._turns > 50 * _ROUNDS:
            raise Endless("a process does not come to its end")
        now, tasks = self.scene.world.time, self._tasks
        awake = [task for task in tasks if task.wake <= now] if tasks else tasks
        if self._due and (not awake or self._rng.random() < 0.5) and self._launch():
            return True
        if awake:
            self._go_on(awake[0] if len(awake) == 1 else self._rng.choice(awake))
            return True
        if tasks or self._due or self._ending():
            return False
        self._close()
        return True

    def _go_on(self, task: _Task) -> None:
        world = self.scene.world
        world.current = task.unit.id if task.unit else ""
        world.alone = world.executors == 1 and len(self._tasks) == 1 and not self._due
        try:
            task.wake = task.work.send(None).until
            return
        except StopIteration as stop:
            outcome: Next | None = stop.value
        except LongshoreError as error:
            self.kill()
            self.error = error
            return
        self._tasks.remove(task)
        if task.unit is not None:
            self._due.update(dict.fromkeys((task.unit.id, *self._starved), 0.0))
            self._starved.clear()
        else:
            self._due.update(dict.fromkeys((unit.id for unit in self._units), 0.0))
        if outcome is not None:
            self._blocked(outcome)

    def _follows(self, _unit: Unit, step: Step) -> bool:
        """Tell whether a step may follow at once; often it may, but has to wait for its turn."""
        ends = self._ending() or self.scene.world.now() < self._paused_until
        return step.verb == "conclude" or (not ends and self._rng.random() < 0.7)

    def _blocked(self, outcome: Next) -> None:
        if isinstance(self.engine.trouble, VendorUnavailable):
            self._paused_until = max(self._paused_until, outcome.at)
        else:
            self._fatal = self.engine.trouble

    def _launch(self) -> bool:
        """Begin one step of a unit; False when there is none that may begin now."""
        now = self.scene.world.now()
        if len(self._tasks) >= self.scene.concurrency or now < self._paused_until:
            return False
        if self._ending():
            return False
        due = [unit for unit in self._units if self._due.get(unit.id, now + 1) <= now]
        if len(due) > 1:
            self._rng.shuffle(due)
        return any(self._look_at(unit, now) for unit in due)

    def _look_at(self, unit: Unit, now: float) -> bool:
        engine = self.engine
        del self._due[unit.id]
        acts = not unit.running and self._acts_on(unit)
        if unit.record.outcome is Outcome.NEEDS_ACTION and not (acts or unit.asked):
            return False
        steps = ready(unit, now, engine.capabilities, checksum=engine.checksum)
        if isinstance(steps, Next):
            if steps.state in ("later", "blocked"):
                self._due[unit.id] = max(steps.at, now + 0.001)
            return False
        self._due[unit.id] = 0.0
        hashing = sum(t.step is not None and t.step.verb == "digest" for t in self._tasks)
        free = [step for step in steps if step.verb != "digest" or hashing < _DIGESTS]
        if not free:
            self._starved.add(unit.id)
            del self._due[unit.id]
            return False
        step = self._rng.choice(free)
        unit.running.add(step.flow)
        self._note_poll(unit, step)
        self._tasks.append(_Task(run_step(engine, unit, step), self.scene.world.time, unit, step))
        return True

    def _close(self) -> None:
        """Nothing runs and nothing is waited for: give back what was given up, and end."""
        self.finished = self._tidied
        if not self._tidied:
            self._tidied = True
            self._tasks = [_Task(self._tidy(), self.scene.world.time)]

    async def _tidy(self) -> None:
        await clean_up(self.engine)

    def kill(self) -> None:
        """End it here; what it was doing is never heard of again."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.work.close()
        self._due.clear()

    @property
    def trouble(self) -> LongshoreError | None:
        """Why it ended before its time."""
        return self.error or self._fatal
