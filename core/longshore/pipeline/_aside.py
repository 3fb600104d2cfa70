"""Jobs that are to be asked about later: kept in memory, so that they need not be read again.

The journal knows all of each. What finds no room here, or waits for something else, is taken from
there when its time comes.
"""

from __future__ import annotations

from dataclasses import dataclass

from longshore.journal import DocumentRecord, UnitRecord
from longshore.lifecycle import Job, Setup, Status
from longshore.pipeline._unit import Unit

__all__ = ["Aside"]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is needed of a unit to ask about its job: less than half of it."""

    record: UnitRecord
    documents: tuple[DocumentRecord, ...]
    setup: Setup
    job: Job
    status: Status
    callback: str | None
    small: bool


class Aside:
    """Keeps units, as long as there is room.

    They come back in turn: to make room for the newest by dropping the oldest would let none of
    them come back from here.

    Args:
        room: documents of all units together; bounds the memory.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: dict[str, _Kept] = {}

    def put(self, unit: Unit) -> None:
        """Keep a unit of which everything is durable, if it fits."""
        scratch = unit.intents or unit.answers or unit.timers
        if unit.job is None or unit.status is None or scratch or len(unit.documents) > self._room:
            return
        self._room -= len(unit.documents)
        self._kept[unit.id] = _Kept(
            unit.record,
            tuple(unit.documents.values()),
            unit.setup,
            unit.job,
            unit.status,
            unit.callback,
            unit.small,
        )

    def pop(self, unit_id: str) -> Unit | None:
        """Give a unit back; None when it is not kept."""
        kept = self._kept.pop(unit_id, None)
        if kept is None:
            return None
        self._room += len(kept.documents)
        return Unit(
            kept.record,
            {record.document.id: record for record in kept.documents},
            setup=kept.setup,
            job=kept.job,
            status=kept.status,
            callback=kept.callback,
            small=kept.small,
            counters=kept.record.counters,
            seconds=dict(kept.record.seconds),
        )
