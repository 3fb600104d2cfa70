"""From the journal to rows: what a run did, and the results that the vendor has for it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from longshore.errors import AccountError, LongshoreError, UsageError
from longshore.evaluate._agreement import values_of
from longshore.evaluate._details import Budget, Detail, Measures, match_results
from longshore.evaluate._figures import TROUBLES
from longshore.evaluate._rows import Row
from longshore.evaluate._runs import Entry
from longshore.journal import (
    DocumentRecord,
    Journal,
    RunRecord,
    UnitRecord,
    documents_of,
    units_of,
)
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    Engine,
    Environment,
    Listener,
    Notice,
    Unit,
    fetch_results,
    open_engine,
)
from longshore.provider import DocumentResult, Results
from longshore.redaction import Redactor

__all__ = ["Key", "gather", "number"]

Key = tuple[str, int, int]
"""Target, round, document."""

Numbers = dict[tuple[str, str, int], int]
"""Numbers of documents, by path, name, and how many of those came before in the same run."""

_MANY = 100
"""Jobs whose results take so long to fetch that somebody should know."""

_WITH_RESULTS = (Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.NEEDS_ACTION)


_Kept = tuple[Detail, Measures]
"""What is kept of a document's result, and how large the whole was."""


@dataclass(slots=True)
class _Fetched:
    """The results of one job, or why there are none.

    Attributes:
        results: what they tell of the job as a whole.
        size: bytes of the raw reply.
        documents: document id -> what is kept of its result.
    """

    state: str
    note: str | None = None
    results: Results = field(default_factory=Results)
    size: int | None = None
    documents: dict[str, _Kept] = field(default_factory=dict)


async def number(journal: Journal, run: RunRecord) -> Numbers:
    """Number the documents in the order of a run: the same for all targets and rounds."""
    numbers: Numbers = {}
    seen: Counter[tuple[str, str]] = Counter()
    async for record in documents_of(journal, run.id):
        _number(record, numbers, seen)
    return numbers


def _number(record: DocumentRecord, numbers: Numbers, seen: Counter[tuple[str, str]]) -> int:
    same = (record.path, record.document.name)
    found = numbers.setdefault((*same, seen[same]), len(numbers) + 1)
    seen[same] += 1
    return found


async def gather(
    journal: Journal,
    entry: Entry,
    environment: Environment,
    *,
    comparison: str,
    numbers: Numbers,
    budget: Budget,
    stop: asyncio.Event,
    folder: Path | None = None,
    listener: Listener | None = None,
) -> tuple[list[Row], dict[Key, Detail], bool]:
    """Measure a run and fetch its results.

    Args:
        journal: the durable record.
        entry: the run.
        environment: of the machine.
        comparison: its id.
        numbers: of documents; new ones are added.
        budget: how much of each result is kept.
        stop: when it is set, no more results are fetched.
        folder: where whole results are written, one JSON file for each job.
        listener: is told what happens meanwhile.

    Returns:
        The rows, what is kept of the results, and whether it is worth asking for more later.
    """
    units = {unit.id: unit async for unit in units_of(journal, entry.run.id)}
    records = [record async for record in documents_of(journal, entry.run.id)]
    of_job: defaultdict[str, list[DocumentRecord]] = defaultdict(list)
    for record in records:
        if (unit := units.get(record.unit_id or "")) is not None and unit.job_id:
            of_job[unit.id].append(record)
    wanted = {id: those for id, those in of_job.items() if any(map(_has_result, those))}
    fetcher = _Fetcher(
        journal, entry, environment, stop, budget=budget, listener=listener, folder=folder
    )
    fetched = await fetcher.all(wanted)
    rows: list[Row] = []
    details: dict[Key, Detail] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for record in records:
        batch = record.unit_id or ""
        row = _row(comparison, entry, _number(record, numbers, seen), record, units.get(batch))
        if batch in fetched and _has_result(record):
            kept = fetched[batch].documents.get(record.document.id)
            row = row.model_copy(update=_with_results(fetched[batch], kept))
            if kept is not None:
                details[row.target, row.round, row.document] = kept[0]
        rows.append(row)
    return rows, details, fetcher.trouble is not None


def _has_result(record: DocumentRecord) -> bool:
    return record.outcome in _WITH_RESULTS


# ------------------------------------------------------------------------------ results


class _Fetcher:
    """Asks one target for the results of many jobs, a few at a time, and keeps a part of each."""

    def __init__(
        self,
        journal: Journal,
        entry: Entry,
        environment: Environment,
        stop: asyncio.Event,
        *,
        budget: Budget,
        listener: Listener | None,
        folder: Path | None,
    ) -> None:
        self._journal = journal
        self._entry = entry
        self._environment = environment
        self._budget = budget
        self._listener = listener
        self._folder = folder
        self._stop = stop
        self.trouble: str | None = None
        """Why no more results can be had now."""

    async def all(self, jobs: Mapping[str, Sequence[DocumentRecord]]) -> dict[str, _Fetched]:
        """Fetch; what cannot be had says why.

        Args:
            jobs: the documents of each, by the id of their batch.
        """
        if not jobs:
            return {}
        entry = self._entry
        if not entry.target.provider.offers("results"):
            why = "the vendor documents no way to fetch results"
            return {id: _Fetched("not_offered", why) for id in jobs}
        if self._listener is not None and len(jobs) > _MANY:
            self._listener(Notice(f"fetching the results of {len(jobs)} jobs"))
        found: dict[str, _Fetched] = {}
        waiting = list(jobs)[::-1]
        async with open_engine(
            self._journal, entry.target, entry.run, self._environment, self._listener
        ) as engine:

            async def work() -> None:
                while waiting:
                    id = waiting.pop()
                    found[id] = await self._one(engine, id, jobs[id])

            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(engine.capabilities.concurrency, len(jobs))):
                        group.create_task(work())
            except ExceptionGroup as errors:  # a file that cannot be written stops them all
                raise errors.exceptions[0] from None
        return found

    async def _one(
        self, engine: Engine, unit_id: str, records: Sequence[DocumentRecord]
    ) -> _Fetched:
        if self._stop.is_set():
            self.trouble = "interrupted before they were fetched"
        if self.trouble is not None:
            return _Fetched("failed", self.trouble)
        try:
            job = Unit.load(await self._journal.facts(unit_id), alive_at=0.0).job
            assert job is not None
            results = await fetch_results(engine, job)
        except LongshoreError as error:
            words = engine.redactor.text(error.message)
            if isinstance(error, AccountError):  # the other jobs would fare no better
                self.trouble = words
            return _Fetched("failed", words)
        size = len(json.dumps(results.raw, ensure_ascii=False).encode())
        raw = json.dumps(engine.redactor.json(results.raw), ensure_ascii=False)
        if self._folder is not None:
            name = f"{self._entry.target.name}-{self._entry.round}-{unit_id}.json"
            await asyncio.to_thread(_write, self._folder / name, results)
        said = tuple(engine.redactor.text(word) for word in results.warnings)
        note = "; ".join(said)[: self._budget.characters] or None
        kept = {
            id: (self._detail(result, raw, said, engine.redactor), Measures.of(result))
            for id, result in match_results(records, results).items()
        }
        return _Fetched("fetched", note, self._slim(results, engine.redactor), size, kept)

    def _slim(self, results: Results, redactor: Redactor) -> Results:
        """Let the whole go with each job: all of them together may be too much for the memory."""
        usage = redactor.json(results.usage)
        if len(json.dumps(usage)) > self._budget.raw:
            usage = {}
        return results.model_copy(
            update={"raw": None, "documents": (), "usage": usage, "warnings": ()}
        )

    def _detail(
        self, result: DocumentResult, raw: str, said: Sequence[str], redactor: Redactor
    ) -> Detail:
        words = tuple(map(redactor.text, result.warnings))
        told = result.model_copy(update={"warnings": words})
        detail = Detail.of(told, self._budget, raw, said)
        detail.values = values_of(result)
        return detail


def _write(path: Path, results: Results) -> None:
    """Write a whole result; its links may open what they lead to, so it is for its owner alone.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.touch(mode=0o600)
        path.write_text(results.model_dump_json(indent=1), "utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}",
            hint="the same command with another folder; nothing is sent again",
        ) from None


# -------------------------------------------------------------------------------- rows


def _row(
    comparison: str, entry: Entry, number: int, record: DocumentRecord, unit: UnitRecord | None
) -> Row:
    document = record.document
    error = record.error or (unit.error if unit else None)
    row = Row(
        comparison=comparison,
        round=entry.round,
        target=entry.target.name,
        provider=entry.target.provider_name,
        document=number,
        path=record.path,
        name=document.name,
        size=document.size,
        media_type=document.media_type,
        sha256=document.sha256,
        run_id=entry.run.id,
        vendor_document_id=record.vendor_id,
        outcome=str(record.outcome),
        vendor_status=record.word or (unit.word if unit else None),
        error_kind=error.kind if error else None,
        error_message=error.message if error else None,
        parts=record.parts,
    )
    return row if unit is None else row.model_copy(update=_of_unit(entry, unit))


def _of_unit(entry: Entry, unit: UnitRecord) -> dict[str, object]:
    counters, spent = unit.counters, unit.seconds
    queued = spent.get("queued")
    began = unit.created_at + queued if queued is not None else None
    sending = spent.get("send")
    rate = counters.bytes_sent / sending if sending and counters.bytes_sent else None
    return {
        "batch_id": unit.id,
        "batch_documents": unit.documents,
        "vendor_job_id": unit.job_id,
        "started_at": began,
        "seconds_waiting": _rounded(queued),
        "seconds_to_accepted": _since(began, unit.accepted_at),
        "seconds_to_done": _since(began, unit.finished_at) if unit.accepted_at else None,
        "seconds_sending": _rounded(sending),
        "interrupted": _was_interrupted(entry, began, unit.finished_at),
        "bytes_sent": counters.bytes_sent,
        "bytes_per_second": round(rate, 1) if rate is not None else None,
        "requests": counters.requests,
        "retries": counters.retries,
        **_troubles(counters.troubles),
    }


def _since(began: float | None, at: float | None) -> float | None:
    return None if began is None or at is None else round(max(at - began, 0.0), 3)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _was_interrupted(entry: Entry, began: float | None, end: float | None) -> bool:
    moments = entry.run.notes.get("continued")
    if began is None or not isinstance(moments, list):
        return False
    return any(
        isinstance(at, int | float) and began < at and (end is None or at < end) for at in moments
    )


def _troubles(found: dict[str, int]) -> dict[str, int]:
    counts: dict[str, int] = dict.fromkeys(TROUBLES, 0)
    for kind, count in found.items():
        counts[_column(kind)] += count
    return counts


def _column(kind: str) -> str:
    named = {"429": "throttled", "not_sent": "not_sent", "answer_lost": "lost_answers"}
    if kind in named:
        return named[kind]
    return "server_errors" if kind.startswith("5") else "client_errors"


def _with_results(found: _Fetched, kept: _Kept | None) -> dict[str, object]:
    results = found.results
    times = results.times
    changes: dict[str, object] = {
        "results": found.state,
        "results_note": found.note,
        "result_bytes": found.size,
        "vendor_seconds_queued": _rounded(times.queued),
        "vendor_seconds_processing": _rounded(times.processing),
        "vendor_seconds_total": _rounded(times.total),
        "usage_pages": results.pages,
        "usage_credits": results.credits,
        "usage": json.dumps(results.usage, ensure_ascii=False) if results.usage else None,
    }
    if kept is not None:
        changes |= asdict(kept[1])
    elif found.state == "fetched":
        changes["results"] = "none"
        changes["results_note"] = found.note or "the reply names no result for this document"
    return changes
