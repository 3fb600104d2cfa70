"""How a fault is put into Acme, and what is noted about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from longshore.provider import Flow, Refused, Request
from tests.conformance.acme import Acme

T = TypeVar("T")


@dataclass(frozen=True)
class Broken:
    """A fault, the check that names it, and those that it reaches too."""

    provider: type[Acme]
    check: str
    also: frozenset[str]


FAULTS: list[Broken] = []


def fails(check: str, *also: str) -> Callable[[type[Acme]], type[Acme]]:
    """Note which check must fail."""

    def note(provider: type[Acme]) -> type[Acme]:
        FAULTS.append(Broken(provider, f"test_{check}", frozenset(f"test_{name}" for name in also)))
        return provider

    return note


def changed(flow: Flow[T], change: Callable[[Request], Request]) -> Flow[T]:
    """Run a flow with its requests changed on their way out."""
    try:
        request = next(flow)
        while True:
            assert isinstance(request, Request)
            try:
                reply = yield change(request)
            except Refused as refused:
                request = flow.throw(refused)
            else:
                request = flow.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
