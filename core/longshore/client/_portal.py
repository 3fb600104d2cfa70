"""Calls into the event loop of another thread; an interrupt of the calling thread ends them."""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from threading import Event, get_ident
from typing import Any, TypeVar
from weakref import WeakSet

from anyio.from_thread import BlockingPortal, start_blocking_portal

from longshore.errors import UsageError

__all__ = ["Portal", "call"]

T = TypeVar("T")


class _Ends(Exception):
    """A work wants the program to end; its loop is not to end before the context is left."""

    def __init__(self, wish: BaseException) -> None:
        super().__init__()
        self.wish = wish


class Portal:
    """A thread with an event loop, in which an async context is open.

    Any thread may call into it. A forked process does not inherit the thread: there the portal is
    closed, and nothing is done to what the context holds.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._thread = 0

    def open(self, context: AbstractAsyncContextManager[object]) -> None:
        """Start the thread and enter the context there."""
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal("asyncio"))
            stack.enter_context(portal.wrap_async_context_manager(context))
            self._thread = portal.call(get_ident)
            self._stack, self._portal = stack.pop_all(), portal
        _OPEN.add(self)

    def close(self) -> None:
        """Leave the context and end the thread; closing twice is harmless."""
        self._portal = None
        _OPEN.discard(self)
        self._stack.close()

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a work there; see ``call``.

        Raises:
            UsageError: it is not open in this process, or this is its own thread.
        """
        if self._portal is None:
            raise UsageError(
                "the client is not open", hint="use it in a `with` block, of the same process"
            )
        if get_ident() == self._thread:
            raise UsageError(
                "a listener cannot call the client that waits for it",
                hint="do it afterwards, or in another thread",
            )
        return call(self._portal, work)

    def disown(self) -> None:
        """Close it in a forked process, where its thread would be waited for in vain."""
        portal, stack = self._portal, self._stack
        self._portal, self._stack = None, ExitStack()
        _OPEN.discard(self)
        if portal is not None:
            with suppress(StopIteration, RuntimeError):
                portal.stop().send(None)  # not by its loop, which nobody runs
        del stack  # no longer waits for the thread


_OPEN: WeakSet[Portal] = WeakSet()


def _disown_all() -> None:
    for portal in tuple(_OPEN):
        portal.disown()


@atexit.register
def _close_all() -> None:
    """Close what was left open: when it is deleted, in a moment, its thread will not answer."""
    for portal in tuple(_OPEN):
        portal.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)


def call(portal: BlockingPortal, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a work in the portal's thread; if this thread is interrupted, the work is cancelled.

    A portal by itself lets it go on, behind the caller's back. A second interrupt cancels what
    then ends in good order once more.

    Raises:
        BaseException: whatever the work raised, or this thread was interrupted by.
    """
    tasks: list[asyncio.Task[Any] | None] = []
    ended = Event()

    async def run() -> T:
        tasks.append(asyncio.current_task())
        try:
            return await work()
        except (KeyboardInterrupt, SystemExit) as error:
            raise _Ends(error) from None
        finally:
            ended.set()

    def cancel() -> None:
        for task in filter(None, tasks):
            task.cancel()

    try:
        return portal.start_task_soon(run).result()
    except _Ends as error:
        raise error.wish from None
    except BaseException:
        if not ended.is_set():
            for _ in range(2):
                with suppress(KeyboardInterrupt):  # then once more
                    portal.call(cancel)
                    if tasks:  # else it had not begun, and does not any more
                        ended.wait()
                    break
        raise
