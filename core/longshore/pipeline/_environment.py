"""What an engine needs of the machine it runs on: time, ids, files, a network."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from longshore.documents import Document, Fingerprint
from longshore.provider import ProviderSettings
from longshore.sources import digest_of as digest_now
from longshore.sources import is_small, open_document
from longshore.transfer import (
    Clock,
    Retries,
    Source,
    Sources,
    Transport,
    http_transport,
    retry_with_stamina,
)

__all__ = ["Environment", "LocalFiles", "SystemClock"]


# Unlike the other, the first goes on while the machine sleeps.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The time of this machine when the clock was made, and what has passed since.

    Whoever sets the machine's clock back holds up nothing that waits for its moment.
    """

    def __init__(self) -> None:
        self._start = time.time() - time.clock_gettime(_STEADY)

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._start + time.clock_gettime(_STEADY)

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)


class LocalFiles:
    """Opens documents: local files, and what fsspec reaches.

    One whose marks changed is proved by its bytes, all of them: once, not for each part.
    """

    def __init__(self) -> None:
        self._proved: dict[str, Fingerprint | None] = {}

    @contextmanager
    def open(self, document: Document) -> Iterator[Source]:
        """Open a document; see ``open_document``."""
        if document.id in self._proved:
            document = document.changed({"fingerprint": self._proved[document.id]})
        with open_document(document) as source:
            try:
                yield source
            finally:
                if source.proved is not document.fingerprint:
                    self._proved[document.id] = source.proved


class _Forkable:
    """Something of this process that a forked child has to begin anew."""

    def __init__(self) -> None:
        self.begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.begin)

    def begin(self) -> None:
        """Begin; nothing of another process counts."""
        raise NotImplementedError


class _Hashing(_Forkable):
    """Hashes documents, in two worker threads for the whole process."""

    def begin(self) -> None:
        """Have threads of one's own: those of the parent do not run in a child."""
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="longshore-hash")

    async def __call__(self, document: Document) -> str:
        if is_small(document):  # the way to a thread would take longer
            return digest_now(document)
        loop, unwanted = asyncio.get_running_loop(), threading.Event()

        def between() -> None:
            if unwanted.is_set():  # the thread would hold up the end of the process
                raise CancelledError

        try:
            return await loop.run_in_executor(self._threads, digest_now, document, between)
        finally:
            unwanted.set()


class Ids(_Forkable):
    """Consecutive numbers from a random start, as 16 hex digits.

    They are as unlikely to meet those of another process as random ones. But they are neighbours
    in the journal's indexes, where random ones would have each commit write pages everywhere.
    """

    def begin(self) -> None:
        """Choose a start."""
        self._numbers = itertools.count(secrets.randbits(64))

    def __call__(self) -> str:
        return f"{next(self._numbers) % (1 << 64):016x}"


_HASHING, _IDS = _Hashing(), Ids()


def new_run_id() -> str:
    """Return a random id, short enough to be typed."""
    return secrets.token_hex(4)


def network(settings: ProviderSettings, concurrency: int) -> Transport:
    """Make the real transport for a target."""
    return http_transport(
        connections=concurrency, verify=settings.verify, ca_bundle=settings.ca_bundle
    )


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that a test, a recording or a simulation replaces.

    Attributes:
        clock: time, and how to wait.
        new_id: makes the ids of batches and documents.
        new_run_id: makes the ids of runs, and of what consists of runs.
        transport: makes the transport of a target from its settings and concurrency.
        sources: opens documents.
        digest: returns a document's SHA-256.
        retries: carries retries out.
        rng: spreads pauses.
    """

    clock: Clock = field(default_factory=SystemClock)
    new_id: Callable[[], str] = _IDS
    new_run_id: Callable[[], str] = new_run_id
    transport: Callable[[ProviderSettings, int], Transport] = network
    sources: Sources = field(default_factory=LocalFiles)
    digest: Callable[[Document], Awaitable[str]] = _HASHING
    retries: Retries = retry_with_stamina
    rng: random.Random = field(default_factory=random.Random)
