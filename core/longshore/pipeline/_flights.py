"""The steps that are being run: which have requests to come, which have ended."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Coroutine, Iterator
from typing import Any, TypeAlias

from longshore.pipeline._ready import Next
from longshore.pipeline._unit import Step, Unit

__all__ = ["Flights"]

Task: TypeAlias = asyncio.Task[Next | None]


class Flights:
    """Runs steps as tasks and hands them back when they have ended, oldest first."""

    def __init__(self) -> None:
        self._tasks: dict[Task, tuple[Unit, Step]] = {}
        self._ended: deque[Task] = deque()  # not yet handed back
        self._landed: set[Task] = set()  # of which only the commit is left
        self._hashing = 0
        self._wake = asyncio.Event()
        self._alarm: asyncio.Handle | None = None
        self._rings_at = math.inf  # by the loop's clock; not every loop's handle knows

    def __bool__(self) -> bool:
        return bool(self._tasks)

    @property
    def in_flight(self) -> int:
        """Steps with requests still to come; a digest has none, nor has a step being committed."""
        return len(self._tasks) - self._hashing - len(self._landed)

    @property
    def landed(self) -> int:
        """Steps that had their last answer, which is not durable yet."""
        return len(self._landed)

    def begin(self, work: Coroutine[Any, Any, Next | None], unit: Unit, step: Step) -> None:
        """Run a step."""
        task = asyncio.create_task(work)
        self._tasks[task] = (unit, step)
        self._hashing += step.verb == "digest"
        task.add_done_callback(self._note_end)

    def note_landing(self, step: Step) -> None:
        """The running step had its last answer; called by itself."""
        task = asyncio.current_task()
        if task in self._tasks and step.verb != "digest":
            self._landed.add(task)
            self.wake()

    def turn_to(self, step: Step) -> bool:
        """Let another step of its unit take the place of the running one, which calls this.

        Returns:
            False when it was not begun here: somebody else decides what comes after it.
        """
        task = asyncio.current_task()
        if task not in self._tasks:
            return False
        unit, before = self._tasks[task]
        self._hashing += (step.verb == "digest") - (before.verb == "digest")
        self._tasks[task] = (unit, step)
        return True

    def wake(self) -> None:
        """End ``wait``."""
        self._wake.set()

    async def wait(self, seconds: float) -> None:
        """Wait until a step ends or lands, somebody wakes, or at most so long.

        An earlier alarm is left as it is, and wakes for nothing: that is cheaper than one for
        each step.
        """
        loop = asyncio.get_running_loop()
        at = loop.time() + max(seconds, 0.0)
        if at < self._rings_at:
            self._silence()
            self._alarm, self._rings_at = loop.call_at(at, self._ring), at
        await self._wake.wait()

    def _ring(self) -> None:
        self._alarm, self._rings_at = None, math.inf
        self.wake()

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm, self._rings_at = None, math.inf

    def ended(self) -> Iterator[tuple[Task, Unit, Step]]:
        """Hand the steps back that have ended."""
        self._wake.clear()
        while self._ended:
            task = self._ended.popleft()
            unit, step = self._tasks.pop(task)
            self._landed.discard(task)
            self._hashing -= step.verb == "digest"
            yield task, unit, step

    async def drain(self, grace: float, patience: float) -> None:
        """Let what is in flight end; what must not be sent twice gets longer.

        Args:
            grace: seconds for every step. A digest gets none, it can be computed again; nor does
                one that only waits until its next try.
            patience: more seconds for those that must not be repeated.
        """
        for task, (unit, step) in self._tasks.items():
            if step.verb == "digest" or _idle(unit, step):
                task.cancel()
        _, late = await asyncio.wait(self._tasks, timeout=grace)
        once = {task for task in late if _once(*self._tasks[task])}
        if once:
            await asyncio.wait(once, timeout=patience)
        await asyncio.sleep(0)  # what has ended says so in a turn of its own

    def patience(self) -> float:
        """Seconds that open requests may take whose repetition could do harm; 0: there are none."""
        once = [(unit, step) for unit, step in self._tasks.values() if _once(unit, step)]
        tallies = [unit.tallies.get(step.flow) for unit, step in once]
        return max([tally.patience for tally in tallies if tally is not None], default=0.0)

    async def cancel(self, *besides: asyncio.Task[None]) -> None:
        """End them all now, and what goes on beside them.

        In one go: should this be cancelled, too, nothing is left that nobody told to end.
        """
        self._silence()
        tasks: list[asyncio.Task[Any]] = [*self._tasks, *besides]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _note_end(self, task: Task) -> None:
        self._ended.append(task)
        self.wake()


def _once(unit: Unit, step: Step) -> bool:
    return not _idle(unit, step) and any(flow == step.flow for flow, _ in unit.intents)


def _idle(unit: Unit, step: Step) -> bool:
    tally = unit.tallies.get(step.flow)
    return tally is not None and tally.waits
