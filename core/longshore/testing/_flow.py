"""One flow, run to its end by whoever has the answers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from longshore.errors import PluginError, WaitExpired
from longshore.provider import Flow, Refused, Request, Response, Wait

__all__ = ["drive_flow", "kind_of"]

T = TypeVar("T")

_MOST_REQUESTS = 1000  # of one flow call; documents here are tiny


def drive_flow(
    flow: Flow[T],
    answer: Callable[[Request], Response],
    *,
    wait: Callable[[Wait], None] = lambda _wait: None,
    watch: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> T:
    """Run one flow to its end.

    Args:
        flow: the generator.
        answer: gives the response; what it raises as ``Refused`` is thrown into the flow.
        wait: is told of a ``Wait``; ends the flow by an exception, or raises ``WaitExpired``.
        watch: a context in which the flow's own code runs.

    Raises:
        Refused: the flow does not deal with a refusal.
        PluginError: it is no flow, yields something odd, or never ends.
    """
    if not isinstance(flow, Generator):
        raise PluginError(
            f"a flow is a generator, not {kind_of(flow)}: yield requests in it, or return "
            "immediately(...) where there are none"
        )
    said: Any = None  # what a flow hears first
    refused: Exception | None = None
    try:
        for _ in range(_MOST_REQUESTS):
            with watch():
                item = flow.send(said) if refused is None else flow.throw(refused)
            if not isinstance(item, Request | Wait):
                raise PluginError(f"a flow yields requests and waits, not {kind_of(item)}")
            try:
                if isinstance(item, Wait):
                    wait(item)
                    raise AssertionError("a wait ends the flow call")
                said, refused = answer(item), None
            except (Refused, WaitExpired) as error:
                refused = error
        raise PluginError(
            f"{_MOST_REQUESTS} requests in one flow call, and no end: a loop must move on with "
            "each answer; to wait, let poll return, and yield Wait elsewhere"
        )
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


def kind_of(value: object) -> str:
    """Say what something is that should be something else."""
    return "None" if value is None else f"{type(value).__name__} ({value!r:.60})"
