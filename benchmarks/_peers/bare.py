"""The same requests as an upload makes, in a bare ``httpx.AsyncClient`` loop and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from benchmarks._job import Clock, Job

__all__ = ["loop"]

_FILE = bytes(16 << 10)
_JSON = {"filename": "d000000.pdf", "file_size": len(_FILE), "content_type": "application/pdf"}


def loop(job: Job, clock: Clock) -> Mapping[str, float]:
    """Send the requests of so many documents, each document's in order."""
    count, base = job.options["documents"], job.options["base"]
    queue = iter(range(count))

    async def run() -> None:
        async with httpx.AsyncClient(headers={"authorization": "Bearer key"}) as client:

            async def work() -> None:
                for _ in queue:
                    for shape in job.options["shapes"]:
                        storage = shape["path"].startswith("/put/")
                        url = (job.url if storage else base) + shape["path"]
                        answer = await client.request(shape["method"], url, **_body(shape["body"]))
                        answer.raise_for_status()

            with clock:
                await asyncio.gather(*(work() for _ in range(job.at_once)))

    asyncio.run(run())
    return {"documents": count}


def _body(kind: str) -> dict[str, Any]:
    match kind:
        case "json":
            return {"json": _JSON}
        case "file":
            return {"content": _FILE}
        case "form":
            return {"files": {"file": ("d000000.pdf", _FILE, "application/pdf")}}
        case _:
            return {}
