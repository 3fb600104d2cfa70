"""Works that end in good order when what waits for them is cancelled, as by Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from longshore.errors import LongshoreError, UsageError

__all__ = ["GRACE", "end_soon", "on_own_loop", "stoppable"]

GRACE = 10.0
"""Seconds that requests in flight get when the run is interrupted."""

T = TypeVar("T")


def on_own_loop(work: Callable[[], Coroutine[Any, Any, T]], *, hint: str) -> T:
    """Do a work for a caller who has no event loop.

    Raises:
        UsageError: one runs here already, as in a notebook; ``hint`` says what to await instead.
    """
    with suppress(RuntimeError):  # there is none
        asyncio.get_running_loop()
        raise UsageError("an event loop runs here already", hint=hint)
    return asyncio.run(work())


async def stoppable(work: Callable[..., Coroutine[Any, Any, T]], *stops: asyncio.Event | None) -> T:
    """Do a work that ends in good order when it is told to stop; a cancellation tells it to.

    Requests in flight may then end, so that no answer is lost. A second cancellation, or one
    after a stop, waits for nothing.

    Args:
        work: takes ``stop``, which tells it to, and no other work.
        stops: tell it to when they are set, or if they are already; others may share them.
    """
    given = [stop for stop in stops if stop is not None]
    own = asyncio.Event()
    if any(stop.is_set() for stop in given):
        own.set()
    doing = asyncio.create_task(work(stop=own))
    following = [asyncio.create_task(_follow(stop, own)) for stop in given]
    try:
        await asyncio.wait([doing])
    except asyncio.CancelledError:
        from anyio import CancelScope  # rarely needed; it would make every start slower

        if any(stop.is_set() for stop in (own, *given)):
            doing.cancel()
        own.set()
        with CancelScope(shield=True), suppress(LongshoreError):
            await doing
        raise
    finally:
        for task in following:
            task.cancel()
    return await doing


async def _follow(stop: asyncio.Event, own: asyncio.Event) -> None:
    await stop.wait()
    own.set()


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
