"""Jobs that are to be asked about later: kept in memory, so that they need not be read again.

The journal knows all of each. What finds no room here, or waits for something else, is taken from
there when its time comes.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_core import to_json

from longshore.journal import Taken
from longshore.lifecycle import Job, Status
from longshore.pipeline._unit import Unit

__all__ = ["Aside"]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is needed of a unit to ask about its job: less than half of it."""

    known: Taken
    job: Job
    status: Status
    secrets: tuple[str, ...]
    weight: int


class Aside:
    """Keeps units, as long as there is room.

    They come back in turn: to make room for the newest by dropping the oldest would let none of
    them come back from here.

    Args:
        room: documents of all units together, and kilobytes of the replies that are kept with
            their jobs; bounds the memory.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: dict[str, _Kept] = {}

    def put(self, unit: Unit) -> None:
        """Keep a unit of which everything is durable, if it fits."""
        scratch = unit.intents or unit.answers or unit.timers
        if unit.job is None or unit.status is None or scratch:
            return
        weight = len(unit.documents) + len(to_json(unit.status.raw)) // 1024
        if weight > self._room:
            return
        self._room -= weight
        known = Taken(unit.record, tuple(unit.documents.values()), facts=())
        self._kept[unit.id] = _Kept(known, unit.job, unit.status, unit.secrets, weight)

    def pop(self, unit_id: str) -> Unit | None:
        """Give a unit back, yet to be equipped; None when it is not kept."""
        kept = self._kept.pop(unit_id, None)
        if kept is None:
            return None
        self._room += kept.weight
        unit = Unit.load(kept.known, alive_at=0.0)
        unit.job, unit.status, unit.secrets = kept.job, kept.status, kept.secrets
        return unit
