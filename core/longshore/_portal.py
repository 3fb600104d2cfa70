"""Calls into the event loop of another thread; an interrupt of the calling thread ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Event
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal

__all__ = ["call"]

T = TypeVar("T")


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
        finally:
            ended.set()

    def cancel() -> None:
        for task in filter(None, tasks):
            task.cancel()

    try:
        return portal.start_task_soon(run).result()
    except BaseException:
        if not ended.is_set():
            for _ in range(2):
                with suppress(KeyboardInterrupt):  # then once more
                    portal.call(cancel)
                    if tasks:  # else it had not begun, and does not any more
                        ended.wait()
                    break
        raise
