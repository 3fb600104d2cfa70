"""Ctrl-C and SIGTERM: once, the run ends in good order; twice, it stops at once."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn, TypeVar

from longshore.cli._command import INTERRUPTED
from longshore.cli._terminal import Terminal

__all__ = ["Interrupt", "leave_at_once", "run_async"]

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_OPEN_FILES = 8192


class Interrupt:
    """What signals do while a command works.

    Before anything was sent a signal simply ends the command. Then the first one sets ``stop``,
    the second cancels the command's task.

    Attributes:
        stop: set by the first signal.
        sending: true once there is a run that can be resumed.
        at_once: a second signal came.
    """

    def __init__(self, terminal: Terminal) -> None:
        self.stop = asyncio.Event()
        self.sending = False
        self.at_once = False
        self._terminal = terminal
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        """Catch the signals; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            # Not the loop's own handlers: those cannot end a read from a terminal.
            self._before = {number: signal.signal(number, self._caught) for number in _SIGNALS}
        return self

    def __exit__(self, *exc: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if not self.sending:
            raise KeyboardInterrupt
        if self.at_once:
            os._exit(INTERRUPTED)  # the journal is made for it
        self._loop.call_soon_threadsafe(self.interrupt)

    def interrupt(self) -> None:
        """Do what a signal does."""
        if not self.stop.is_set():
            self.stop.set()
            self._terminal.note(
                "longshore: stopping; requests in flight may end. Ctrl-C again stops at once"
            )
        elif self._task is not None and not self.at_once:
            self.at_once = True
            self._task.cancel()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine.

    Raises:
        KeyboardInterrupt: a second signal came when what it was to cancel had just ended.
    """
    _allow_open_files()
    with _fewer_collections():
        try:
            return asyncio.run(work)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


def _allow_open_files() -> None:
    """Take as many open files as this machine lets us have, up to what a run may need.

    A form holds up to a hundred, and dozens of requests leave at once; but a process begins with
    1,024 on Linux and with 256 on macOS.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # then requests wait for each other's files
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Have Python look for garbage in cycles after 10,000 new objects, not after 700.

    Documents come in waves that pass 700 all the time, and leave no cycles: the looking was 5 to
    15 % of the CPU. It is a setting of the whole process, so a command may choose it, and the
    library may not.
    """
    before = gc.get_threshold()
    gc.set_threshold(10_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def leave_at_once() -> NoReturn:
    """End the process without waiting for its threads, which may be reading large files."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
