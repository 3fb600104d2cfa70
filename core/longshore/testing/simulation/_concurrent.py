"""A process that does many steps at once, in a seeded order, as the local executor does."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from longshore.errors import LongshoreError, VendorUnavailable
from longshore.lifecycle import Outcome
from longshore.pipeline import Next, Step, Unit, ready, run_step
from longshore.testing.simulation._process import ROUNDS, Maker, Process, Scene, clean_up
from longshore.testing.simulation._world import Endless

__all__ = ["Concurrent"]

_DIGESTS = 2
"""Digests that are computed at once."""


@dataclass(slots=True, eq=False)
class _Task:
    work: Coroutine[Any, Any, Next | None]
    wake: float
    unit: Unit | None = None
    step: Step | None = None


class Concurrent(Process):
    """Many steps at once, in a seeded order, as the local executor runs them."""

    def __init__(self, scene: Scene, make: Maker) -> None:
        super().__init__(scene, make)
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
        await self._prepare()
        engine = self.engine
        for record in await engine.journal.units(engine.run.id):
            if not record.settled:
                self._units.append(await self._take(record.id))

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
        if self._turns > 50 * ROUNDS:
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
