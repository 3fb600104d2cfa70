"""What a client is told to do, and the clock it starts when everything is ready."""

from __future__ import annotations

import http.client
import json
import resource
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

__all__ = ["Client", "Clock", "Job", "parts_of", "told"]


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement of one client.

    Attributes:
        url: of the sink, without a slash at its end.
        file: the document.
        size: its bytes.
        part: bytes of a part.
        at_once: requests in flight.
        ca: the sink's certificate authority; "" for plain HTTP.
        options: more, that only some clients know.
    """

    url: str = ""
    file: str = ""
    size: int = 0
    part: int = 8 << 20
    at_once: int = 4
    ca: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


class Client(Protocol):
    """A client: gets ready, and does its work inside of ``with clock:``."""

    def __call__(self, job: Job, clock: Clock) -> Mapping[str, float] | None:
        """Do the job; returns further figures, if there are any."""
        ...


class Clock:
    """Measures wall time and the CPU time of this process, all threads."""

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0

    def __enter__(self) -> None:
        self._cpu, self._began = _cpu_seconds(), time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began
        self.cpu += _cpu_seconds() - self._cpu


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def parts_of(job: Job) -> Iterator[tuple[int, int, int]]:
    """Yield number, offset and size of each part."""
    for number, offset in enumerate(range(0, job.size, job.part), 1):
        yield number, offset, min(job.part, job.size - offset)


def told(url: str) -> dict[str, float]:
    """Ask the sink what came since it was last asked; it begins anew."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("GET", "/_sink")
        answer: dict[str, float] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer
