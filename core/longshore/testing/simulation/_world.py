"""A world without time, network or disk.

Every exchange and every journal write is a point at which something may go wrong: as the plan
says, or as chance has it. Coroutines are driven by hand; nothing ever really waits.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from longshore.testing.simulation._faults import EVERYWHERE, faults_at

__all__ = [
    "EPOCH",
    "Chance",
    "Crash",
    "Endless",
    "Event",
    "Happened",
    "Pause",
    "Plan",
    "World",
    "drive",
]

T = TypeVar("T")

Event: TypeAlias = str
"""What goes wrong at a point; see ``FAULTS``."""

Plan: TypeAlias = Mapping[int, Event]
"""Point number, from 1, -> what happens there."""

EPOCH = 1_700_000_000.0
"""When every history begins, in seconds."""

_MOST_POINTS = 5000
_JUMP = {"jump": 7200.0, "back": -30.0}


class Crash(BaseException):
    """The process ends here; only what the journal holds is left."""


class Endless(Exception):
    """A history does not come to its end."""


_NOTHING: Iterator[Pause] = iter(())


class _AtOnce:
    """Awaited where nobody else could go on."""

    def __await__(self) -> Generator[Pause, None, None]:
        return cast("Generator[Pause, None, None]", _NOTHING)


_AT_ONCE = _AtOnce()


class Pause:
    """What a coroutine yields when it lets others go on, or time pass."""

    __slots__ = ("until", "world")

    def __init__(self, world: World, until: float) -> None:
        self.world = world
        self.until = until

    def __await__(self) -> Generator[Pause, None, None]:
        yield self


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, alone, without an event loop: while it waits, time passes."""
    try:
        while True:
            pause = work.send(None)
            if not isinstance(pause, Pause):
                raise AssertionError("the coroutine waits for something outside the simulation")
            pause.world.advance(pause.until)
    except StopIteration as stop:
        result: T = stop.value
        return result


class Happened(NamedTuple):
    """A fault that came true.

    Attributes:
        number: of its point.
        fault: its name.
        what: the point.
        unit: whose step it hit; "" for none.
    """

    number: int
    fault: Event
    what: str
    unit: str


class Chance:
    """Draws faults where the plan is silent, a few in a history, so that it ends.

    Args:
        rng: seeded.
        budget: faults at most.
        rate: of the points, how many have one.
        faults: which may come; None: all.
    """

    def __init__(
        self,
        rng: random.Random,
        budget: int,
        rate: float,
        faults: frozenset[Event] | None = None,
    ) -> None:
        self._rng = rng
        self._budget = budget
        self._rate = rate
        self._faults = faults

    def draw(self, what: str) -> Event | None:
        """Draw what goes wrong at a point; mostly nothing."""
        if not self._budget:
            return None
        exchange = what.startswith(("request", "answer"))
        if self._rng.random() >= self._rate * (2 if exchange else 1):
            return None
        known = [f for f in faults_at(what) if self._faults is None or f in self._faults]
        special = [fault for fault in known if fault not in EVERYWHERE]
        if special and self._rng.random() < 0.7:
            known = special
        if not known:
            return None
        self._budget -= 1
        return self._rng.choice(known)


@dataclass(slots=True)
class World:
    """The time, the plan, and what happened so far.

    Attributes:
        plan: what is to happen at which point.
        time: the true time, by which the vendor lives, in seconds since the epoch.
        skew: seconds by which our own clock is ahead.
        log: one line per point: its number is its place in the list, from 1.
        rng: seeded; None where one thing happens after another.
        chance: draws more faults than the plan holds.
        happened: the faults that came true.
        current: the unit whose step is being run.
        alone: nothing else could go on now: whoever lets others go on, or time pass, goes on.
        executors: processes that are alive.
        stopping: somebody wants the run to end in good order.
        rival: somebody starts a second executor, which goes on beside the first one.
        overtake: where one thing happens after another: a second executor does all that is left.
    """

    plan: Plan = field(default_factory=dict)
    time: float = EPOCH
    skew: float = 0.0
    log: list[str] = field(default_factory=list)
    rng: random.Random | None = None
    chance: Chance | None = None
    happened: list[Happened] = field(default_factory=list)
    current: str = ""
    alone: bool = True
    executors: int = 1
    stopping: bool = False
    rival: bool = False
    overtake: Callable[[], None] = lambda: None
    _later: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)

    # ------------------------------------------------------------------ time

    def now(self) -> float:
        """Return the time as our own clock shows it (the engine's clock)."""
        return self.time + self.skew

    def switch(self) -> Awaitable[None]:
        """Let others go on, at the same time."""
        return _AT_ONCE if self.alone else Pause(self, self.time)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if self.alone:
            self.advance(self.time + seconds)
        else:
            await Pause(self, self.time + seconds)

    def at(self, time: float, act: Callable[[], object]) -> None:
        """Have something happen later, whatever becomes of the process."""
        heapq.heappush(self._later, (time, len(self.log), act))

    def advance(self, time: float) -> None:
        """Let time pass, and happen what is due meanwhile."""
        while self._later and self._later[0][0] <= time:
            due, _, act = heapq.heappop(self._later)
            self.time = max(self.time, due)
            act()
        self.time = max(self.time, time)

    def settle(self) -> None:
        """Let everything happen that is still to come."""
        while self._later:
            self.advance(self._later[0][0])

    # ------------------------------------------------------------------ points

    def point(self, what: str) -> Event | None:
        """Pass a point at which something may happen.

        Raises:
            Crash: the process ends here.
        """
        self.log.append(what)
        number = len(self.log)
        if number > _MOST_POINTS:
            raise Endless(f"it does not end: {number} points, the last one {what}")
        fault = self.plan.get(number)
        if fault is None and self.chance is not None:
            fault = self.chance.draw(what)
        if fault is None:
            return None
        self.happened.append(Happened(number, fault, what, self.current))
        if fault.startswith("crash"):
            raise Crash(fault)
        self.skew += _JUMP.get(fault, 0.0)
        self.stopping |= fault == "stop"
        if fault == "rival":
            self.overtake()
            self.rival, self.alone = self.rng is not None, self.alone and self.rng is None
        return fault
