"""Ending in good order when the task that waits is cancelled, as by Ctrl-C or a time-out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from longshore.errors import LongshoreError

__all__ = ["GRACE", "end_soon", "stoppable"]

GRACE = 10.0
"""Seconds that requests in flight get when the run is interrupted."""

T = TypeVar("T")


async def stoppable(
    work: Callable[..., Coroutine[Any, Any, T]], stop: asyncio.Event | None = None
) -> T:
    """Do a work that ends in good order when it is told to stop; a cancellation tells it to.

    Requests in flight may then end, so that no answer is lost. A second cancellation, or one
    after the stop, waits for nothing.

    Args:
        work: takes ``stop``, which tells it to.
        stop: that, where somebody else may set it, too.
    """
    stop = stop or asyncio.Event()
    doing = asyncio.create_task(work(stop=stop))
    try:
        await asyncio.wait([doing])
    except asyncio.CancelledError:
        from anyio import CancelScope  # rarely needed; it would make every start slower

        if stop.is_set():
            doing.cancel()
        stop.set()
        with CancelScope(shield=True), suppress(LongshoreError):
            await doing
        raise
    return await doing


async def end_soon(
    work: Coroutine[Any, Any, T], stop: asyncio.Event, seconds: Callable[[], float]
) -> T | None:
    """Do a work and return its result; None when it was cancelled some seconds after the stop."""
    doing, told = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([doing, told], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([doing], timeout=seconds())
        return await doing if doing.done() else None
    finally:
        doing.cancel()
        told.cancel()
        await asyncio.gather(doing, told, return_exceptions=True)
