"""A journal in memory: for tests and the simulator, where every write is a crash point."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from pydantic import JsonValue

from longshore._model import Frozen
from longshore.documents import Document
from longshore.errors import ClaimTaken, RunInUse, RunNotFound, StaleEpoch
from longshore.journal._records import (
    Abandoned,
    BesidesUnit,
    ChangeDocument,
    ChangeUnit,
    ClaimJob,
    Counters,
    DocumentRecord,
    DropFacts,
    DropMail,
    Fact,
    FactKind,
    Message,
    PutFact,
    QueueAbort,
    RunRecord,
    Taken,
    UnitRecord,
    Write,
)
from longshore.lifecycle import Outcome

__all__ = ["MemoryJournal"]

RecordT = TypeVar("RecordT", bound=Frozen)

_Key = tuple[FactKind, int, str, str]


class MemoryJournal:
    """The port, kept in dictionaries; values are immutable, so a crash loses nothing written.

    No step of a batch looks at all others: what a journal costs can be measured against this one.
    """

    def __init__(self) -> None:
        self._runs: dict[str, RunRecord] = {}
        self._units: dict[str, UnitRecord] = {}
        self._order: dict[str, int] = {}  # of units, as they came
        self._agenda: dict[str, list[tuple[float, int, str]]] = {}  # of runs: units not settled
        self._documents: dict[str, dict[str, DocumentRecord]] = {}  # of runs, as they came
        self._carried: dict[str, list[str]] = {}  # the documents that units have, or had
        self._facts: dict[str, dict[_Key, Fact]] = {}
        self._claims: dict[tuple[str, str], tuple[str, float]] = {}
        self._abandoned: dict[int, Abandoned] = {}
        self._messages: dict[int, Message] = {}
        self._locked: set[str] = set()
        self._ids = 0

    # ------------------------------------------------------------------ runs

    async def create_run(self, run: RunRecord) -> None:
        self._runs[run.id] = run
        self._documents[run.id] = {}
        self._agenda[run.id] = []
        self._keep(UnitRecord(id=run.id, run_id=run.id, created_at=run.created_at))

    async def change_run(self, run_id: str, **changes: object) -> None:
        self._runs[run_id] = _changed(await self.run(run_id), changes)

    async def run(self, run_id: str) -> RunRecord:
        if run_id in self._runs:
            return self._runs[run_id]
        found = [run for id, run in self._runs.items() if run_id and id.startswith(run_id)]
        if len(found) != 1:
            raise RunNotFound(f"no run {run_id!r}" if not found else f"{run_id!r} is ambiguous")
        return found[0]

    async def runs(self) -> tuple[RunRecord, ...]:
        return tuple(self._runs.values())

    async def forget_run(self, run_id: str) -> None:
        for unit_id in [unit.id for unit in self._units.values() if unit.run_id == run_id]:
            del self._units[unit_id], self._order[unit_id]
            self._facts.pop(unit_id, None)
            self._carried.pop(unit_id, None)
        for table in (self._abandoned, self._messages):
            for id in [id for id, entry in table.items() if entry.run_id == run_id]:
                del table[id]
        del self._runs[run_id], self._documents[run_id], self._agenda[run_id]

    @asynccontextmanager
    async def lock_run(self, run_id: str) -> AsyncIterator[None]:
        if run_id in self._locked:
            raise RunInUse(f"run {run_id} is in use")
        self._locked.add(run_id)
        try:
            yield
        finally:
            self._locked.discard(run_id)

    async def enqueue(
        self, units: Sequence[UnitRecord], documents: Sequence[DocumentRecord]
    ) -> None:
        for unit in units:
            self._keep(unit)
        for record in documents:
            self._documents[record.run_id][record.document.id] = record
            if record.unit_id is not None:
                self._carried.setdefault(record.unit_id, []).append(record.document.id)

    # ------------------------------------------------------------------ units

    def _keep(self, unit: UnitRecord) -> None:
        """Remember a unit, and when it is due."""
        agenda, known = self._agenda[unit.run_id], self._units.get(unit.id)
        order = self._order.setdefault(unit.id, len(self._order))
        if known is not None and not known.settled:
            del agenda[bisect_left(agenda, (known.at, order))]
        if not unit.settled:
            insort(agenda, (unit.at, order, unit.id))
        self._units[unit.id] = unit

    async def take(self, *unit_ids: str) -> tuple[Taken, ...]:
        for unit in [await self.unit(unit_id) for unit_id in unit_ids]:
            self._keep(unit.changed({"epoch": unit.epoch + 1}))
        return tuple([await self.facts(unit_id) for unit_id in unit_ids])

    async def facts(self, unit_id: str) -> Taken:
        unit = await self.unit(unit_id)
        documents = self._documents[unit.run_id]
        carried = (documents[id] for id in self._carried.get(unit_id, ()))
        mine = tuple(record for record in carried if record.unit_id == unit_id)
        return Taken(unit, mine, tuple(self._facts.get(unit_id, {}).values()))

    async def commit(self, unit_id: str, epoch: int, writes: Sequence[Write]) -> None:
        if (await self.unit(unit_id)).epoch != epoch:
            raise StaleEpoch(f"batch {unit_id} was taken over by another executor")
        for write in writes:
            if isinstance(write, ClaimJob):
                owner, at = self._claims.get((write.account, write.job_id), (unit_id, 0.0))
                if owner != unit_id and at >= write.planned_at:
                    raise ClaimTaken(f"job {write.job_id} belongs to another batch")
        changes: dict[str, object] = {}
        for write in writes:
            if isinstance(write, ChangeUnit):
                changes |= write.changes
            else:
                self._write(unit_id, write)
        if changes:
            self._keep(_changed(self._units[unit_id], changes))

    def _write(self, unit_id: str, write: BesidesUnit) -> None:
        unit = self._units[unit_id]
        facts = self._facts.setdefault(unit_id, {})
        match write:
            case PutFact(fact):
                if isinstance(fact.value, Frozen):
                    fact = fact._replace(value=fact.value.model_dump(mode="json"))
                facts[fact.kind, fact.attempt, fact.flow, fact.name] = fact
            case DropFacts():
                for key in [key for key, fact in facts.items() if _falls_under(fact, write)]:
                    del facts[key]
            case ChangeDocument(document_id, changes):
                self._change_document(unit.run_id, document_id, changes)
            case ClaimJob(account, job_id, at, planned_at):
                known = self._claims.get((account, job_id))
                if known is None or known[1] < planned_at:
                    self._claims[account, job_id] = (unit_id, at)
            case QueueAbort(attempt, session):
                self._ids += 1
                self._abandoned[self._ids] = Abandoned(
                    self._ids, unit.run_id, unit_id, attempt, session
                )
            case DropMail(id):
                self._messages.pop(id, None)

    def _change_document(
        self, run_id: str, document_id: str, changes: Mapping[str, object]
    ) -> None:
        records = self._documents[run_id]
        if document_id in records:
            before, now = records[document_id], _changed(records[document_id], changes)
            records[document_id] = now
            if now.unit_id is not None and now.unit_id != before.unit_id:
                self._carried.setdefault(now.unit_id, []).append(document_id)

    async def due(
        self,
        run_id: str,
        now: float,
        limit: int,
        *,
        besides: frozenset[str] = frozenset(),
        unsent: bool = False,
        begun: bool = False,
    ) -> tuple[str, ...]:
        agenda = self._agenda.get(run_id, [])
        first = bisect_left(agenda, (0.0, len(self._order))) if begun else 0
        due = islice(agenda, first, bisect_left(agenda, (now, len(self._order))))
        waiting = self._waiting(due, besides, unsent)
        if begun:
            waiting = (id for id in waiting if self._units[id].outcome is Outcome.RUNNING)
        return tuple(islice(waiting, limit))

    def _waiting(
        self,
        agenda: Iterable[tuple[float, int, str]],
        besides: frozenset[str] = frozenset(),
        unsent: bool = False,
    ) -> Iterator[str]:
        for _, _, id in agenda:
            if (
                id not in self._runs
                and id not in besides
                and not (unsent and self._units[id].job_id)
            ):
                yield id

    async def reopen(self, run_id: str, *, sooner: float = 0.0) -> int:
        for unit in [unit for unit in self._units.values() if unit.run_id == run_id]:
            moves = unit.outcome is Outcome.RUNNING and not unit.settled
            now = unit
            if unit.id != run_id and not unit.outcome.terminal and not moves:
                now = now.changed({"settled": False, "at": 0.0})
            if sooner > 0 and not now.settled:
                now = now.changed(now.sooner(sooner))
            if now is not unit:
                self._keep(now)
        return sum(1 for _ in self._waiting(self._agenda.get(run_id, [])))

    async def units(
        self, run_id: str, *, after: str = "", limit: int = 1000, amiss: bool = False
    ) -> tuple[UnitRecord, ...]:
        mine = [u for u in self._units.values() if u.run_id == run_id and u.id != run_id]
        if amiss:
            mine = [u for u in mine if u.job_id is not None and u.outcome is not Outcome.SUCCEEDED]
        return tuple(sorted((u for u in mine if u.id > after), key=lambda u: u.id)[:limit])

    async def unit(self, unit_id: str) -> UnitRecord:
        if unit_id not in self._units:
            raise RunNotFound(f"the journal holds no batch {unit_id}")
        return self._units[unit_id]

    # ------------------------------------------------------------------ documents

    async def documents(
        self, run_id: str, *, after: int = -1, limit: int = 1000
    ) -> tuple[tuple[int, DocumentRecord], ...]:
        numbered = enumerate(self._documents[run_id].values())
        return tuple(islice(numbered, after + 1, after + 1 + limit))

    async def change_documents(
        self, run_id: str, changes: Mapping[str, Mapping[str, object]]
    ) -> None:
        for document_id, change in changes.items():
            self._change_document(run_id, document_id, change)

    async def outcomes(self, run_id: str) -> dict[Outcome, int]:
        counts: dict[Outcome, int] = {}
        for record in self._documents[run_id].values():
            counts[record.outcome] = counts.get(record.outcome, 0) + 1
        return counts

    async def size(self, run_id: str) -> int:
        records = self._documents[run_id].values()
        return sum(record.document.size for record in records if record.unit_id is not None)

    async def cost(self, run_id: str) -> Counters:
        total = Counters()
        for unit in self._units.values():
            if unit.run_id == run_id:
                total = total.plus(unit.counters)
        return total

    # ------------------------------------------------------------------ across runs

    async def claims(self, account: str, *, since: float, besides: str) -> frozenset[str]:
        return frozenset(
            job_id
            for (owner_account, job_id), (unit_id, at) in self._claims.items()
            if owner_account == account and unit_id != besides and at >= since
        )

    async def rivals(
        self, account: str, flow: str, name: str, *, besides: str
    ) -> tuple[Document, ...]:
        found: list[Document] = []
        for unit_id, facts in self._facts.items():
            unit = self._units[unit_id]
            if unit_id == besides or self._runs[unit.run_id].account != account:
                continue
            open_intent = (FactKind.INTENT, unit.attempt, flow, name) in facts
            receipt = (FactKind.RECEIPT, unit.attempt, "", flow.partition("/")[2]) in facts
            if open_intent or (receipt and unit.job_id is None):
                found += [record.document for record in (await self.facts(unit_id)).documents]
        return tuple(found)

    async def find_job(self, job_id: str, *, target: str = "") -> tuple[UnitRecord, ...]:
        return tuple(
            unit
            for unit in self._units.values()
            if unit.job_id == job_id and target in ("", self._runs[unit.run_id].target)
        )

    async def abandoned(self, run_id: str | None = None) -> tuple[Abandoned, ...]:
        return tuple(a for a in self._abandoned.values() if run_id in (None, a.run_id))

    async def change_abandoned(self, id: int, *, tries: int, at: float) -> None:
        self._abandoned[id] = replace(self._abandoned[id], tries=tries, at=at)

    async def drop_abandoned(self, id: int) -> None:
        self._abandoned.pop(id, None)

    # ------------------------------------------------------------------ mailbox

    async def post(
        self, run_id: str, verb: str, body: dict[str, JsonValue], *, once: bool = False
    ) -> bool:
        waiting = ((m.verb, m.body) for m in self._messages.values() if m.run_id == run_id)
        if once and (verb, body) in waiting:
            return False
        self._ids += 1
        self._messages[self._ids] = Message(self._ids, run_id, verb, body)
        return True

    async def mail(self, run_id: str) -> tuple[Message, ...]:
        return tuple(m for m in self._messages.values() if m.run_id == run_id)

    async def drop_mail(self, ids: Sequence[int]) -> None:
        for id in ids:
            self._messages.pop(id, None)

    async def close(self) -> None:
        """Nothing to close."""


def _changed(record: RecordT, changes: Mapping[str, object]) -> RecordT:
    """Change fields of a record; one that it lacks is a mistake here as in a file."""
    record.check_fields(changes)
    return record.changed(changes)


def _falls_under(fact: Fact, drop: DropFacts) -> bool:
    """Tell whether a fact is one of those to be dropped; an ask belongs to its flow."""
    kinds, flow, name = drop
    mine = flow is None or fact.flow == flow or fact.flow.startswith(f"{flow}?")
    return mine and fact.kind in kinds and name in (None, fact.name)
