"""Calls into the event loop of another thread; an interrupt of the calling thread ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal

__all__ = ["call"]

T = TypeVar("T")


def call(
    portal: BlockingPortal,
    work: Callable[[], Coroutine[Any, Any, T]],
    *,
    stop: asyncio.Event | None = None,
) -> T:
    """Run a work in the portal's thread; if this thread is interrupted, the work ends, too.

    A portal by itself lets it go on, behind the caller's back.

    Args:
        portal: to the loop.
        work: what to run there.
        stop: makes it end in good order; without it, or at a second interrupt, it is cancelled.

    Raises:
        BaseException: whatever the work raised, or this thread was interrupted by.
    """
    tasks: list[asyncio.Task[Any] | None] = []

    async def run() -> T:
        tasks.append(asyncio.current_task())
        return await work()

    def cancel() -> None:
        for task in filter(None, tasks):
            task.cancel()

    running = portal.start_task_soon(run)
    try:
        return running.result()
    except BaseException:
        if not running.done():
            _end(portal, running, [stop.set, cancel] if stop else [cancel])
        raise


def _end(
    portal: BlockingPortal, running: Future[Any], ways: Iterable[Callable[[], object]]
) -> None:
    """End a work and wait for its end; if that is interrupted, in the next way."""
    for way in ways:
        with suppress(KeyboardInterrupt):
            portal.call(way)
            wait([running])
            return
