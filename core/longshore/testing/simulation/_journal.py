"""Memory that survives a crash: one may come before and after every write."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from longshore.errors import JournalError
from longshore.journal import (
    ChangeUnit,
    Fact,
    FactKind,
    MemoryJournal,
    PutFact,
    Taken,
    Write,
)
from longshore.testing.simulation._watch import Watch
from longshore.testing.simulation._world import World

__all__ = ["SimulatedJournal"]


class SimulatedJournal(MemoryJournal):
    """A journal with a point before and after every write.

    Args:
        world: in which it happens.
        watch: notes what was written.
    """

    def __init__(self, world: World, watch: Watch) -> None:
        super().__init__()
        self._world = world
        self._watch = watch

    async def take(self, *unit_ids: str) -> tuple[Taken, ...]:
        taken: list[Taken] = []
        for unit_id in unit_ids:  # one by one, so that it may end between two of them
            self._pass("before", "take", unit_id)
            taken += await super().take(unit_id)
            self._pass("after", "take", unit_id)
        return tuple(taken)

    async def commit(self, unit_id: str, epoch: int, writes: Sequence[Write]) -> None:
        world = self._world
        names = "+".join([write.__class__.__name__ for write in writes])
        await world.switch()
        world.current = unit_id
        self._pass("before", "commit", names)
        await super().commit(unit_id, epoch, writes)
        for write in writes:
            if isinstance(write, PutFact) and write.fact.kind in _WATCHED:
                self._watch.wrote(unit_id, write.fact)
            elif isinstance(write, ChangeUnit):
                at = write.changes.get("polled_at")
                if isinstance(at, float):
                    self._watch.heard(unit_id, at)
        self._pass("after", "commit", names)
        await world.switch()
        world.current = unit_id

    def _pass(self, side: str, verb: str, what: str) -> None:
        if self._world.point(f"{side} {verb} {what}") == "full":
            raise JournalError("the journal cannot be written: no space left on device")

    # ------------------------------------------------------------------ what nobody may refuse

    def alive(self, run_id: str, at: float) -> None:
        """Note an executor's sign of life."""
        self._runs[run_id] = self._runs[run_id].changed({"alive_at": at})

    def kept(self, unit_id: str) -> Collection[Fact]:
        """Return the facts that a unit has."""
        return self._facts.get(unit_id, {}).values()


_WATCHED = frozenset({FactKind.SESSION, FactKind.RECEIPT})
