"""httpx as it comes: the part as bytes, and as a generator; threads, or asyncio."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx

from benchmarks._job import Clock, Job, parts_of

__all__ = ["as_bytes", "asynchronous", "generator"]

_CHUNK = 256 << 10


def _context(job: Job) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=job.ca) if job.ca else False


def _chunks(file: int, offset: int, size: int, chunk: int) -> Iterator[bytes]:
    end = offset + size
    while offset < end:
        data = os.pread(file, min(chunk, end - offset), offset)
        offset += len(data)
        yield data


def _threads(
    job: Job, clock: Clock, body: Callable[[int, int, int], bytes | Iterator[bytes]]
) -> None:
    file = os.open(job.file, os.O_RDONLY)
    with httpx.Client(verify=_context(job)) as client, ThreadPoolExecutor(job.at_once) as pool:

        def put(part: tuple[int, int, int]) -> None:
            number, offset, size = part
            url, headers = f"{job.url}/put/0/{number}", {"content-length": str(size)}
            client.put(url, content=body(file, offset, size), headers=headers).raise_for_status()

        with clock:
            list(pool.map(put, parts_of(job)))


def as_bytes(job: Job, clock: Clock) -> None:
    """Read each part, and send it as bytes."""
    _threads(job, clock, lambda file, offset, size: os.pread(file, size, offset))


def generator(job: Job, clock: Clock) -> None:
    """Send each part in chunks of 256 KiB."""
    _threads(job, clock, lambda file, offset, size: _chunks(file, offset, size, _CHUNK))


def asynchronous(job: Job, clock: Clock) -> None:
    """The same on an event loop, in chunks of 1 MiB, the best for it."""
    file = os.open(job.file, os.O_RDONLY)

    async def body(offset: int, size: int) -> AsyncIterator[bytes]:
        for chunk in _chunks(file, offset, size, 1 << 20):
            yield chunk

    async def run() -> None:
        parts = parts_of(job)
        async with httpx.AsyncClient(verify=_context(job)) as client:

            async def work() -> None:
                for number, offset, size in parts:
                    url, headers = f"{job.url}/put/0/{number}", {"content-length": str(size)}
                    answer = await client.put(url, content=body(offset, size), headers=headers)
                    answer.raise_for_status()

            with clock:
                await asyncio.gather(*(work() for _ in range(job.at_once)))

    asyncio.run(run())
