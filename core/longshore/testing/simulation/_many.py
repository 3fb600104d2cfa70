"""Many histories in several processes, with a word about them every few seconds."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import NamedTuple

from longshore.testing.simulation._case import Case
from longshore.testing.simulation._enumerate import (
    Tally,
    enumerate_pairs,
    enumerate_points,
    enumerate_seeds,
)
from longshore.testing.simulation._world import Event

__all__ = ["Job", "Progress", "jobs_of", "play_job", "tallies"]

_CHUNK = 250
"""Seeds of one case in one job: some seconds."""

_SLICES = 12
"""Jobs into which the pairs of one case are cut."""

_EVERY = 10.0
"""Seconds between words."""


class Job(NamedTuple):
    """What one process plays at a time.

    Attributes:
        kind: ``points``, ``pairs`` or ``random``.
        case: its name.
        kinds: of faults; None: all.
        begin: the first seed; of pairs: the number of the slice.
        end: the seed after the last one.
    """

    kind: str
    case: str
    kinds: frozenset[Event] | None = None
    begin: int = 0
    end: int = 0


def jobs_of(
    cases: Sequence[Case],
    *,
    points: bool,
    pairs: bool,
    seeds: range,
    kinds: frozenset[Event] | None,
    first_kinds: frozenset[Event] | None,
) -> list[Job]:
    """List what is to be played, the seeds in their order.

    Args:
        cases: in which.
        points: each single fault.
        pairs: each fault with a crash after it.
        seeds: of random histories.
        kinds: of the single faults; None: all.
        first_kinds: of the first fault of a pair; None: all.
    """
    names = [case.name for case in cases]
    jobs = [Job("points", name, kinds) for name in names if points]
    if pairs:
        jobs += [Job("pairs", name, first_kinds, n) for name in names for n in range(_SLICES)]
    for begin in range(seeds.start, seeds.stop, _CHUNK):
        end = min(begin + _CHUNK, seeds.stop)
        jobs += [Job("random", name, None, begin, end) for name in names]
    return jobs


def play_job(cases: Callable[[], Sequence[Case]], job: Job) -> Tally:
    """Play one job."""
    case = next(case for case in cases() if case.name == job.case)
    if job.kind == "points":
        return enumerate_points(case, job.kinds)
    if job.kind == "pairs":
        return enumerate_pairs(case, job.kinds, every=_SLICES, offset=job.begin)
    return enumerate_seeds(case, range(job.begin, job.end), job.kinds)


def tallies(
    play: Callable[[Job], Tally], jobs: Sequence[Job], processes: int, progress: Progress
) -> Iterator[tuple[Job, Tally]]:
    """Play all jobs; yield each with what it found, as it ends.

    Args:
        play: picklable; plays one job.
        jobs: all of them.
        processes: how many work at once.
        progress: says how far it is.
    """
    with ProcessPoolExecutor(processes, initializer=_deaf) as pool:
        open_jobs: dict[Future[Tally], Job] = {pool.submit(play, job): job for job in jobs}
        pending = set(open_jobs)
        try:
            while pending:
                done, pending = wait(pending, timeout=_EVERY, return_when=FIRST_COMPLETED)
                for future in done:
                    progress.add(open_jobs[future], future.result())
                    yield open_jobs[future], future.result()
                progress.tell()
        finally:
            pool.shutdown(cancel_futures=True)


def _deaf() -> None:
    """Ctrl-C is for the process that waits: it lets the others end what they play."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Progress:
    """Says on stderr how far it is, how fast, and where to go on.

    Args:
        jobs: all of them.
        now: a clock that never goes back, in seconds.
    """

    def __init__(self, jobs: Sequence[Job], now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._left = dict.fromkeys(jobs)
        self._jobs = len(jobs)
        self._histories = self._broken = 0
        self._began = self._told = now()

    def add(self, job: Job, tally: Tally) -> None:
        """Count a job that ended."""
        del self._left[job]
        self._histories += tally.histories
        self._broken += len(tally.failures)

    @property
    def first(self) -> int | None:
        """The first seed that some case has still to play; None when there is none."""
        return min((job.begin for job in self._left if job.kind == "random"), default=None)

    def tell(self) -> None:
        """Say it, unless it was just said."""
        now = self._now()
        if now - self._told < _EVERY or not self._left:
            return
        self._told = now
        sys.stderr.write(f"{self.line()}\n")
        sys.stderr.flush()

    def line(self) -> str:
        """Where it is, in one line."""
        seconds = max(self._now() - self._began, 0.001)
        done = self._jobs - len(self._left)
        first = "" if self.first is None else f"; all seeds below {self.first} are done"
        return (
            f"{seconds:5.0f} s: {self._histories} histories, {self._histories / seconds:.0f} a "
            f"second, {done} of {self._jobs} jobs, {self._broken} broken{first}"
        )
