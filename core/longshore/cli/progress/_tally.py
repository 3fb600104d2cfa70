"""How far a run is, as its events or its journal tell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from longshore.cli._text import printable
from longshore.cli.progress._afresh import Afresh
from longshore.cli.progress._budget import Budget
from longshore.cli.progress._meter import Meter
from longshore.cli.progress._waits import Waits

if TYPE_CHECKING:
    from longshore.journal import Journal, RunRecord
    from longshore.pipeline import DocumentFinished, Event

__all__ = ["Standing", "Tally", "never_sent"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is that another process executes, as its journal tells.

    Attributes:
        documents: in the run.
        finished: that have an outcome.
        size: bytes to carry.
        carried: bytes that are there.
    """

    documents: int
    finished: int
    size: int
    carried: int


@dataclass
class Tally:
    """How far a run is, as far as its events tell.

    Attributes:
        documents: in the run.
        finished: that have an outcome, also from earlier commands.
        size: bytes to carry; not those of documents that ended before any of them left.
        moved: counts bytes that left in this command; what is sent again counts again.
        before: bytes of documents that were finished before this command.
        jobs: batch -> the vendor's last word, for jobs that are polled.
        waits: what batches wait for.
        afresh: why batches begin afresh.
        budget: what the vendor allows, where that is known.
    """

    documents: int = 0
    finished: int = 0
    size: int = 0
    moved: Meter = field(default_factory=Meter)
    before: int = 0
    jobs: dict[str, str] = field(default_factory=dict)
    waits: Waits = field(default_factory=Waits)
    afresh: Afresh = field(default_factory=Afresh)
    budget: Budget | None = None
    _unsent: int = 0

    def see(self, event: Event) -> str:
        """Count one event; returns what is to be said at once, if anything is."""
        from longshore.pipeline import (
            BytesMoved,
            DocumentFinished,
            JobAccepted,
            Polled,
            RunStarted,
            StepEnded,
        )

        match event:
            case RunStarted(_, documents, size, finished):
                self.documents, self.size, self.finished = documents, size, finished
                self._unsent = documents - finished
            case BytesMoved(_, count):
                self.moved.add(count)
            case StepEnded(verb=verb, requests=requests) if self.budget is not None:
                self.budget.add(requests, read=verb == "poll")
            case JobAccepted(documents=accepted):
                self._unsent -= len(accepted)
            case Polled(unit_id, _, outcome, word):
                if outcome.terminal:
                    self.jobs.pop(unit_id, None)
                else:
                    self.jobs[unit_id] = word
            case DocumentFinished(_, record, _):
                if size := never_sent(event):
                    self.size -= size
                    self._unsent -= 1
                if record.unit_id is not None:  # else the plan refused it: finished from the start
                    self.finished = min(self.finished + 1, self.documents)
                self.jobs.pop(record.unit_id or "", None)
            case _:
                pass
        return self.waits.see(event) or self.afresh.see(event)

    def look(self, standing: Standing) -> None:
        """Take over how far a run is that another process executes."""
        if not self.documents:
            self.before = standing.carried
        self.documents, self.finished = standing.documents, standing.finished
        self.size = standing.size
        self.moved.add(max(standing.carried - self.before - self.moved.total, 0))

    async def look_back(self, journal: Journal, run: RunRecord) -> None:
        """Count the bytes of what earlier commands finished."""
        from longshore.journal import documents_of

        async for record in documents_of(journal, run.id):
            if record.outcome.terminal and record.unit_id:
                self.before += record.document.size

    @property
    def carried(self) -> int:
        """Bytes that are there, as far as known."""
        return min(self.before + self.moved.total, self.size)

    @property
    def left(self) -> float | None:
        """Seconds until all is sent; None while nobody can tell, or it is."""
        rate, budget = self.moved.rate, self.budget
        spent = budget is not None and budget.text()  # then nothing may have gone for a while
        if self.carried >= self.size or not (rate or spent):
            return None
        least = budget.least(max(self._unsent, 0)) if budget is not None else 0.0
        return max((self.size - self.carried) / rate if rate else 0.0, least) or None

    def text(self) -> str:
        """Say in one line how far the run is."""
        from longshore.units import format_bytes, format_seconds

        words = [
            f"{self.finished} of {self.documents} documents",
            f"{format_bytes(self.carried)} of {format_bytes(self.size)}",
        ]
        if self.carried < self.size and (rate := self.moved.rate):
            words.append(f"{format_bytes(rate)}/s")
        if left := self.left:
            words.append(f"about {format_seconds(left)} left")
        return ", ".join([*words, *self.remarks()])

    def remarks(self) -> list[str]:
        """Say what the jobs do that are being polled, and why it does not go faster."""
        counted = Counter(self.jobs.values()).most_common()
        polled = ", ".join(f"{count} {printable(word)}" for word, count in counted)
        budget = self.budget.text() if self.budget is not None else ""
        return [text for text in (polled and f"jobs: {polled}", budget, self.waits.text()) if text]


def never_sent(event: DocumentFinished) -> int:
    """Return the size of a document that was to travel, and ended before anything of it left."""
    record, unit = event.record, event.unit
    ended = record.outcome.terminal and record.outcome not in ("succeeded", "partial")
    sent = unit is not None and unit.counters.bytes_sent
    return record.document.size if record.unit_id and ended and not sent else 0
