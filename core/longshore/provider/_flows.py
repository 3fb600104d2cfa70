"""Flows: generators that say what to exchange and when to wait, and do nothing themselves."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from longshore.provider._messages import Request, Response

__all__ = ["Flow", "Wait", "immediately"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wait:
    """A planned interruption: run this flow again from its top later.

    Attributes:
        name: what is waited for; unique in its flow.
        seconds: when to come back.
        limit: give up this long after the first time; raises ``WaitExpired`` in the flow.
    """

    name: str
    seconds: float
    limit: float


Flow: TypeAlias = Generator[Request | Wait, Response, T]


def immediately(value: T) -> Flow[T]:
    """Return a flow that needs nothing from the vendor."""
    yield from ()
    return value
