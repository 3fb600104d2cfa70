"""aiohttp: parts as generators on an event loop."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator

import aiohttp

from benchmarks._job import Clock, Job, parts_of

__all__ = ["asynchronous"]

_CHUNK = 1 << 20


def asynchronous(job: Job, clock: Clock) -> None:
    """PUT every part in chunks of 1 MiB."""
    file = os.open(job.file, os.O_RDONLY)
    context = ssl.create_default_context(cafile=job.ca) if job.ca else False

    async def body(offset: int, size: int) -> AsyncIterator[bytes]:
        end = offset + size
        while offset < end:
            data = os.pread(file, min(_CHUNK, end - offset), offset)
            offset += len(data)
            yield data

    async def run() -> None:
        parts = parts_of(job)
        connector = aiohttp.TCPConnector(ssl=context, limit=job.at_once)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def work() -> None:
                for number, offset, size in parts:
                    url, headers = f"{job.url}/put/0/{number}", {"content-length": str(size)}
                    async with session.put(url, data=body(offset, size), headers=headers) as answer:
                        answer.raise_for_status()

            with clock:
                await asyncio.gather(*(work() for _ in range(job.at_once)))

    asyncio.run(run())
