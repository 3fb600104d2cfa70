"""An event loop whose time jumps: nothing waits, and the same work always happens in one order."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

from typing_extensions import TypeVarTuple, Unpack

__all__ = ["LoopClock", "VirtualLoop", "run_virtually"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _NoWait(selectors.DefaultSelector):
    """Instead of waiting for a socket, lets the loop's time pass."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("the work waits for something that will never come")
        if not ready and timeout:
            self.passed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only when nothing is left to do; what is meant for a thread runs at once."""

    def __init__(self) -> None:
        self._no_wait = _NoWait()
        super().__init__(self._no_wait)

    def time(self) -> float:
        """Return the seconds that passed since the loop was made."""
        return self._no_wait.passed

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call a function here and now, so that no thread can change the order of things."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever awaits it deals with it
            future.set_exception(error)
        return future


class LoopClock:
    """The time of the running loop as a date.

    Args:
        start: seconds since the epoch when the loop began.
    """

    def __init__(self, start: float) -> None:
        self._start = start

    def now(self) -> float:
        """Return seconds since the epoch, to the microsecond."""
        return round(self._start + asyncio.get_running_loop().time(), 6)

    async def sleep(self, seconds: float) -> None:
        """Wait on the loop."""
        await asyncio.sleep(seconds)


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a fresh ``VirtualLoop``."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
