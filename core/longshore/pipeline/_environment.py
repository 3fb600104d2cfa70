"""What an engine needs of the machine it runs on: time, ids, files, a network."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from longshore.documents import Document, SourceFile, sha256_file
from longshore.errors import SourceMissing
from longshore.provider import ProviderSettings
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


class SystemClock:
    """The time of this machine."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)


class LocalFiles:
    """Opens documents that are local files."""

    @contextmanager
    def open(self, document: Document) -> Iterator[Source]:
        """Open a document; see ``SourceFile``."""
        with SourceFile(document) as source:
            yield source


async def digest_in_thread(document: Document) -> str:
    """Hash a document in a worker thread, and make sure that it did not change meanwhile."""

    def digest() -> str:
        with SourceFile(document) as source:
            source.check()
            try:
                value = sha256_file(document.source)
            except OSError as error:
                raise SourceMissing(f"{document.source}: {error}", document=document.id) from error
            source.check()
        return value

    return await asyncio.to_thread(digest)


def new_id() -> str:
    """Return a random id: 16 hex digits."""
    return secrets.token_hex(8)


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
        new_id: makes the ids of runs, batches and documents.
        transport: makes the transport of a target from its settings and concurrency.
        sources: opens documents.
        digest: returns a document's SHA-256.
        retries: carries retries out.
        rng: spreads pauses.
    """

    clock: Clock = field(default_factory=SystemClock)
    new_id: Callable[[], str] = new_id
    transport: Callable[[ProviderSettings, int], Transport] = network
    sources: Sources = field(default_factory=LocalFiles)
    digest: Callable[[Document], Awaitable[str]] = digest_in_thread
    retries: Retries = retry_with_stamina
    rng: random.Random = field(default_factory=random.Random)
