"""The units that are in memory: taken from the journal when they are due, and let go again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from longshore.pipeline._advance import equip, take, take_all
from longshore.pipeline._aside import Aside
from longshore.pipeline._asked import Held
from longshore.pipeline._engine import Engine
from longshore.pipeline._unit import Unit

__all__ = ["LOOK", "Active"]

LOOK = 0.25
"""Seconds between two looks into the journal for units that are due: so late may a poll be."""

_SELDOM = 1.0
"""The same while many stand in the line: a few more would only cost time."""

_KEPT = 16_384
"""Documents whose jobs wait for their next poll in memory; 5 kB each."""


class Active:
    """Has units in memory as long as there is something to do about them.

    Args:
        engine: of the run.
        window: so many are taken; there are more only while something is asked of those.

    Attributes:
        units: by their ids.
        held: ids of units that the mailbox looks after.
        hungry: the journal may have more that are due.
    """

    def __init__(self, engine: Engine, window: int) -> None:
        self._engine = engine
        self._window = window
        self._aside = Aside(_KEPT)
        self._taking = asyncio.Lock()
        self._looked_at = 0.0
        self._left: set[str] = set()
        self.units: dict[str, Unit] = {}
        self.held: set[str] = set()
        self.hungry = True

    @property
    def full(self) -> bool:
        """True when no more are taken."""
        return len(self.units) >= self._window

    async def refill(self, *, lined_up: int, begun: bool) -> Sequence[Unit]:
        """Take more units, as long as there is room and the journal has any that are due.

        Args:
            lined_up: how many stand in the line.
            begun: only those that were begun.

        Returns:
            The units that were taken.
        """
        now = self._engine.clock.now()
        self.hungry |= now - self._looked_at >= LOOK  # units that left memory may be due
        plenty = lined_up and len(self.units) > self._window * 3 // 4
        if not self.hungry or self.full or (plenty and now - self._looked_at < _SELDOM):
            return ()
        async with self._taking:
            room = self._window - len(self.units)
            self._looked_at = now
            due = await self._due(now, room, begun=begun)
            taken = await self._take(due)
            self.units |= {unit.id: unit for unit in taken}
        self.hungry = len(due) == room
        return taken

    async def _due(self, now: float, room: int, *, begun: bool) -> tuple[str, ...]:
        """Choose units: half the room is for what was begun, if that is due.

        Else a job would only be asked about when every document has been sent.
        """
        if begun:
            return await self.find(now, room, begun=True)
        first = await self.find(now, room // 2, begun=True)
        return first + await self.find(now, room - len(first), besides=first)

    async def find(
        self, now: float, limit: int, *, besides: Iterable[str] = (), begun: bool = False
    ) -> tuple[str, ...]:
        """Name units that are due, as the journal has them: not in memory, nor gone far enough."""
        engine, known = self._engine, self._left.union(self.units, self.held, besides)
        return await engine.journal.due(
            engine.run.id,
            now,
            limit,
            besides=frozenset(known),
            unsent=engine.until is not None,
            begun=begun,
        )

    async def _take(self, due: Sequence[str]) -> list[Unit]:
        """Have units in memory, those that are not there any more in one go from the journal."""
        engine = self._engine
        kept = {unit.id: equip(engine, unit) for unit in map(self._aside.pop, due) if unit}
        if left := [unit_id for unit_id in due if unit_id not in kept]:
            kept |= {unit.id: unit for unit in await take_all(engine, left)}
        return [kept[unit_id] for unit_id in due]

    def let_go(self, unit: Unit) -> None:
        """Let a unit leave memory until it is due; the journal has all of it."""
        self._aside.put(unit)
        self.hungry = True
        self.units.pop(unit.id, None)
        self._engine.forget(unit)

    def drop(self, unit: Unit) -> None:
        """Be done with a unit; one that is not over, and has no job, is left for a resume."""
        if unit.job is None and not unit.record.settled:
            self._left.add(unit.id)
        self.units.pop(unit.id, None)
        self._engine.forget(unit)

    @asynccontextmanager
    async def hold(self, unit_id: str) -> AsyncIterator[Held]:
        """Give the mailbox a unit: the one in memory, or one that is not taken meanwhile."""
        try:
            async with self._taking:
                self.held.add(unit_id)
                if (unit := self.units.get(unit_id)) is not None:
                    held = Held(unit, scheduled=True)
                else:
                    self._aside.pop(unit_id)
                    held = Held(await take(self._engine, unit_id))
            yield held
            if held.unit.unwanted:  # few: those that may have a job
                self.units[unit_id] = held.unit
        finally:
            self.held.discard(unit_id)
