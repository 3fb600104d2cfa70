"""A process that does one thing after another: what the exhaustive enumeration plays."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from longshore.errors import LongshoreError
from longshore.lifecycle import Outcome
from longshore.pipeline import Next, Step, Unit, advance_unit
from longshore.testing.simulation._process import ROUNDS, Maker, Process, Scene, clean_up
from longshore.testing.simulation._world import Endless, drive

__all__ = ["Sequential"]


class Sequential(Process):
    """One thing after another: what the exhaustive enumeration plays."""

    def __init__(self, scene: Scene, make: Maker) -> None:
        super().__init__(scene, make)
        self.engine.follows = self._follows
        scene.world.overtake = self._overtaken

    def run(self) -> None:
        """Prepare, then move every batch, until nothing moves any more.

        Raises:
            Endless: it does not come to its end.
        """
        drive(self._run())

    async def _run(self) -> None:
        await self._prepare()
        for _ in range(ROUNDS):
            if self._stopped():
                return
            if not await self._round():
                await clean_up(self.engine)
                self.finished = True
                return
        raise Endless(f"a process looked at its batches {ROUNDS} times in vain")

    def _overtaken(self) -> None:
        """Stand still while another executor does all that is left to do, then go on."""
        world, current = self.scene.world, self.scene.world.current
        other = Sequential(self.scene, self.make)
        with suppress(LongshoreError):  # as its own process would end, too
            other.run()
        other.ends()
        world.current, world.overtake = current, self._overtaken

    def _follows(self, _unit: Unit, _step: Step) -> bool:
        return not self._stopped()

    def _stopped(self) -> bool:
        return self.scene.world.stopping

    async def _round(self) -> bool:
        """Look at every batch once; False when nothing moves without somebody's help."""
        engine, due = self.engine, []
        for record in await engine.journal.units(engine.run.id):
            acts = record.outcome is Outcome.NEEDS_ACTION
            if record.settled or (acts and not self.scene.acts):
                continue
            unit = await self._take(record.id)
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
