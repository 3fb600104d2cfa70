"""The port: what the pipeline needs of a durable record, whatever keeps it.

Two back ends fulfil it: SQLite (the default) and memory (tests, simulation). Nothing in it is
particular to either, so that a server database can follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pydantic import JsonValue

from longshore.documents import Document
from longshore.journal._records import (
    Abandoned,
    Counters,
    DocumentRecord,
    Message,
    RunRecord,
    Taken,
    UnitRecord,
    Write,
)
from longshore.lifecycle import Outcome

__all__ = ["Journal"]


class Journal(Protocol):
    """The durable record of runs. Every method that writes is durable when it returns."""

    # ------------------------------------------------------------------ runs

    async def create_run(self, run: RunRecord) -> None:
        """Write a new run and its ``prepare`` unit (of the run's id)."""
        ...

    async def change_run(self, run_id: str, **changes: object) -> None:
        """Change fields of a run's record; its account, target and beginning stay."""
        ...

    async def run(self, run_id: str) -> RunRecord:
        """Return a run; a unique beginning of its id will do.

        Raises:
            RunNotFound: there is none, or several begin like this; "" begins none, for a variable
                may be empty.
        """
        ...

    async def runs(self) -> tuple[RunRecord, ...]:
        """Return all runs, oldest first: as they were made, whatever the clock said."""
        ...

    async def forget_run(self, run_id: str) -> None:
        """Delete a run and all that belongs to it, but for its claims.

        Another run may ask what became of a request of its own: a job of this one is no answer.
        """
        ...

    def lock_run(self, run_id: str) -> AbstractAsyncContextManager[None]:
        """Hold a run, so that no other process executes it; freed when the process dies.

        Raises:
            RunInUse: another process holds it.
        """
        ...

    async def enqueue(
        self, units: Sequence[UnitRecord], documents: Sequence[DocumentRecord]
    ) -> None:
        """Write planned batches with their documents, and refused documents, in one commit."""
        ...

    # ------------------------------------------------------------------ units

    async def take(self, *unit_ids: str) -> tuple[Taken, ...]:
        """Raise the epoch of each unit and return all that is known about them, in this order.

        Raises:
            RunNotFound: one is not there; its run may have been forgotten. None was taken.
        """
        ...

    async def commit(self, unit_id: str, epoch: int, writes: Sequence[Write]) -> None:
        """Do all writes, or none.

        Raises:
            StaleEpoch: another executor took the unit since.
            ClaimTaken: a job to be claimed belongs to another unit.
            JournalError: it cannot be written (disk full, ...).
        """
        ...

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
        """Return batches that are not settled and due, oldest ``at`` first.

        Args:
            run_id: the run.
            now: those with a later ``at`` are not due.
            limit: at most so many.
            besides: not these.
            unsent: only those without a vendor job.
            begun: only those that have an ``at`` and run: they were begun, and wait for their
                moment, not for a person.
        """
        ...

    async def units(
        self, run_id: str, *, after: str = "", limit: int = 1000, amiss: bool = False
    ) -> tuple[UnitRecord, ...]:
        """Return batches in the order of their ids, a page at a time (without ``prepare``).

        Args:
            run_id: the run.
            after: the last id of the page before.
            limit: at most so many.
            amiss: only those that have a vendor job and did not succeed, or not yet.
        """
        ...

    async def unit(self, unit_id: str) -> UnitRecord:
        """Return one unit's record without taking it."""
        ...

    async def facts(self, unit_id: str) -> Taken:
        """Return all that is known about a unit without taking it."""
        ...

    # ------------------------------------------------------------------ documents

    async def documents(
        self, run_id: str, *, after: int = -1, limit: int = 1000
    ) -> tuple[tuple[int, DocumentRecord], ...]:
        """Return documents with their place in the run's order, a page at a time."""
        ...

    async def change_documents(
        self, run_id: str, changes: Mapping[str, Mapping[str, object]]
    ) -> None:
        """Change records of documents, by document id, outside of any unit."""
        ...

    async def outcomes(self, run_id: str) -> dict[Outcome, int]:
        """Count the run's documents by outcome."""
        ...

    async def size(self, run_id: str) -> int:
        """Sum up the bytes of the run's documents that travel with a batch."""
        ...

    async def cost(self, run_id: str) -> Counters:
        """Sum up what all units of a run cost so far, ``prepare`` included."""
        ...

    # ------------------------------------------------------------------ across runs

    async def claims(self, account: str, *, since: float, besides: str) -> frozenset[str]:
        """Return vendor job ids claimed by other units of this account since then."""
        ...

    async def rivals(
        self, account: str, flow: str, name: str, *, besides: str
    ) -> tuple[Document, ...]:
        """Return documents of other units of this account that may have the same job.

        Those are the units with an open intent of this step, and those that have the receipt of
        this transfer but no claimed job yet.
        """
        ...

    async def find_job(self, job_id: str, *, target: str = "") -> tuple[UnitRecord, ...]:
        """Return the units that own this vendor job."""
        ...

    async def reopen(self, run_id: str, *, sooner: float = 0.0) -> int:
        """Look again, and now, at every batch that waits for somebody.

        Those need action, are unknown, or run on at the vendor though nobody asks about them any
        more (``poll_timeout``). A batch that moves by itself keeps its time.

        Args:
            run_id: the run.
            sooner: seconds by which the clock was set back since those times were written.

        Returns:
            How many batches are not settled now.
        """
        ...

    async def abandoned(self, run_id: str | None = None) -> tuple[Abandoned, ...]:
        """Return the sessions that are still to be given back."""
        ...

    async def change_abandoned(self, id: int, *, tries: int, at: float) -> None:
        """Remember a failed try to give a session back."""
        ...

    async def drop_abandoned(self, id: int) -> None:
        """The session was given back (or can never be)."""
        ...

    # ------------------------------------------------------------------ mailbox

    async def post(
        self, run_id: str, verb: str, body: dict[str, JsonValue], *, once: bool = False
    ) -> bool:
        """Leave a message for the executor of a run.

        Returns:
            False when it was to be left once, and the same waits there already.
        """
        ...

    async def mail(self, run_id: str) -> tuple[Message, ...]:
        """Return the messages for a run, oldest first."""
        ...

    async def drop_mail(self, ids: Sequence[int]) -> None:
        """Delete messages that were dealt with."""
        ...

    async def close(self) -> None:
        """Finish what was begun and close."""
        ...
