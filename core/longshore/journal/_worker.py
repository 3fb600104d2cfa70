"""The thread of a connection: whatever waits at a moment is done in one transaction."""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Generic, TypeVar

from longshore.errors import JournalError
from longshore.journal._database import journal_error

__all__ = ["Work", "Worker"]

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], T]
"""Something to be done with the database, within a transaction of its caller."""

_LARGEST_GROUP = 512  # bounds how long the first of a group waits for the last


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    work: Work[T]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[T]
    result: T | None = None
    error: Exception | None = None


class Worker:
    """Does works one after the other, several in one transaction, each undone by itself.

    Whoever waits is told only after the commit has reached the disk.

    Args:
        connection: used by no other thread from now on.
        path: of the journal.
        writes: False for one that only reads; what its works see is of one moment.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, writes: bool) -> None:
        self._connection = connection
        self._path = path
        self._begin, self._end = ("BEGIN IMMEDIATE", "COMMIT") if writes else ("BEGIN", "ROLLBACK")
        # What comes in one turn of a loop is handed over at once: waking the thread costs more.
        self._coming: dict[asyncio.AbstractEventLoop, list[_Job[Any]]] = {}
        self._jobs: queue.SimpleQueue[list[_Job[Any]] | None] = queue.SimpleQueue()
        self._closed = False
        self._process = os.getpid()
        self._ended: Future[None] = Future()
        self._ended.set_running_or_notify_cancel()  # who waits for it cannot cancel it
        name = "longshore-journal" if writes else "longshore-journal-read"
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def do(self, work: Work[T]) -> T:
        """Do a work. If the waiting task is cancelled, it is done all the same.

        Raises:
            JournalError: it cannot be read or written.
            Exception: whatever the work raised; then nothing of it was written.
        """
        if self._closed:
            raise JournalError(f"the journal {self._path} is closed")
        if self._process != os.getpid():  # the thread is in the parent only
            raise JournalError(
                f"the journal {self._path} was opened before this process was forked",
                hint="open it, and clients, in the process that uses them",
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        coming = self._coming.setdefault(loop, [])
        coming.append(_Job(work, loop, future))
        if len(coming) == 1:
            loop.call_soon(self._hand_over, loop)
        return await future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        if coming := self._coming.pop(loop, None):
            self._jobs.put(coming)

    async def close(self) -> None:
        """Do what is waiting, then close the connection."""
        if self._process != os.getpid():
            return  # a connection belongs to the process that opened it
        if not self._closed:
            self._closed = True
            for loop in list(self._coming):
                self._hand_over(loop)
            self._jobs.put(None)
        # No other thread to wait in: there is none any more when the interpreter ends.
        await asyncio.wrap_future(self._ended)
        self._thread.join()

    # ------------------------------------------------------------------ in the thread

    def _run(self) -> None:
        ended = False
        while not ended:
            group, ended = self._next_group()
            if group:  # at the end there may be none, and no reason to wait for another's lock
                self._commit(group)
            for loop in {job.loop for job in group}:
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    mine = [job for job in group if job.loop is loop]
                    loop.call_soon_threadsafe(_tell, mine)
        self._connection.close()
        self._ended.set_result(None)

    def _next_group(self) -> tuple[list[_Job[Any]], bool]:
        group: list[_Job[Any]] = []
        jobs = self._jobs.get()
        while jobs is not None:
            group += jobs
            if len(group) >= _LARGEST_GROUP or self._jobs.empty():
                return group, False
            jobs = self._jobs.get()
        return group, True

    def _commit(self, group: list[_Job[Any]]) -> None:
        """Do all of a group in one transaction; if one fails, each in one of its own."""
        begun = False
        try:
            self._connection.execute(self._begin)
            begun = True
            for job in group:
                job.result = job.work(self._connection)
            self._connection.execute(self._end)
        except Exception as error:  # noqa: BLE001 - it is raised where the work came from
            with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                self._connection.execute("ROLLBACK")
            if begun and len(group) > 1:
                for job in group:
                    self._commit([job])
                return
            for job in group:  # what kept all from beginning would keep each, after as long a wait
                job.error = error
                if isinstance(error, sqlite3.Error):
                    job.error = journal_error(error, self._path)


def _tell(jobs: list[_Job[Any]]) -> None:
    for job in jobs:
        if job.future.done():
            continue  # cancelled
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
