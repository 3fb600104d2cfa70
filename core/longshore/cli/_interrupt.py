"""Ctrl-C and SIGTERM: once, the run ends in good order; twice, it stops at once."""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from longshore.cli._codes import INTERRUPTED
from longshore.cli._terminal import Terminal

__all__ = ["Interrupt", "ended_by_signals", "run_async"]

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_OPEN_FILES = 8192


class Interrupt:
    """What signals do while a command works.

    Before anything was sent a signal simply ends the command. Then the first one sets ``stop``,
    the second cuts off the work, a third ends the process. One that the process was told to ignore
    when it began, such as the Ctrl-C of a background job of a script, stays ignored.

    Attributes:
        stop: set by the first signal.
        sending: true once there is a run that can be resumed.
        at_once: a second signal came.
        also: the last line, where more is left than what was under way.
    """

    def __init__(self, terminal: Terminal) -> None:
        self.stop = asyncio.Event()
        self.sending = False
        self.at_once = False
        self.also = ""
        self._terminal = terminal
        self._work: asyncio.Task[Any] | None = None
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Interrupt:
        """Catch the signals until ``run_async`` ends; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    # Not the loop's own handlers: those cannot end a read from a terminal.
                    signal.signal(number, self._caught)
        return self

    def __exit__(self, *exc: object) -> None:
        """There is nothing left that could end in good order."""
        self.sending = False

    async def until_cut_off(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Do a work that ends in good order by ``stop``; None where a second signal cuts it off.

        What follows tells how it stands then.
        """
        self._work = asyncio.current_task()
        try:
            return await work
        except asyncio.CancelledError:
            if not self.at_once:
                raise
            return None
        finally:
            self._work = None

    def deaf(self) -> None:
        """Nobody reads stdout any more: end as if they had pressed Ctrl-C."""
        self._terminal.deaf()
        self.stop.set()

    def told(self) -> None:
        """All is told: end the process if a second signal came; else one that comes now does."""
        if self.at_once:  # without waiting for threads, which may be reading large files
            if self.also:
                self._terminal.last(self.also)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        self.at_once = self.stop.is_set()

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.at_once:
            os._exit(INTERRUPTED)  # the journal is made for it
        if not self.sending:
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self.interrupt)

    def interrupt(self) -> None:
        """Do what a signal does."""
        if not self.stop.is_set():
            self.stop.set()
            self._terminal.note(
                "longshore: stopping; requests in flight may end. Ctrl-C again stops at once"
            )
        elif not self.at_once:
            self.at_once = True
            if self._work is not None:
                self._work.cancel()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine."""
    _allow_open_files()
    # What Python takes apart at its end would print a traceback into the last lines.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with _fewer_collections(), ended_by_signals():
        return asyncio.run(_woken(work))


async def _woken(work: Coroutine[Any, Any, T]) -> T:
    """Do the work, woken by each signal: Python's handlers run only when the loop does.

    One that comes right before the loop waits, or to another thread, would wait as long.
    """
    if threading.current_thread() is not threading.main_thread():
        return await work
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_told_by_the_loop)
    ours, theirs = socket.socketpair()
    with ours, theirs, _not_lost(loop):
        ours.setblocking(False)
        theirs.setblocking(False)
        loop.add_reader(ours, ours.recv, 4096)
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            return await work
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(ours)


@contextmanager
def _not_lost(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Raise anew what a signal raised where Python ignores it, as in a weak reference's callback.

    The command would go on as if nobody had pressed Ctrl-C.
    """
    before = sys.unraisablehook

    def told(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            loop.call_soon_threadsafe(_end)
        else:
            before(unraisable)

    sys.unraisablehook = told
    try:
        yield
    finally:
        sys.unraisablehook = before


def _told_by_the_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # Another signal while a first one ends the tasks: no traceback below the last line.
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


def _end(*_: object) -> None:
    # asyncio's own handler of SIGINT cannot end a read from a terminal, either; and without one
    # SIGTERM would leave on the disk what a command removes at its end.
    raise KeyboardInterrupt


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let a signal end the command where nothing catches it; give the signals back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
