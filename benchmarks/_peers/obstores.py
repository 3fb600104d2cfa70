"""obstore (Rust's object_store): parts to an HTTP store, and a multipart upload to S3, unsigned."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
from obstore.store import HTTPStore, S3Store

from benchmarks._job import Clock, Job, parts_of

__all__ = ["http", "s3"]

_OPTIONS = {"allow_http": True, "allow_invalid_certificates": True, "timeout": "10m"}


def http(job: Job, clock: Clock) -> None:
    """PUT every part from a thread of its own."""
    store = HTTPStore.from_url(f"{job.url}/put/0", client_options=_OPTIONS)
    file = os.open(job.file, os.O_RDONLY)

    def put(part: tuple[int, int, int]) -> None:
        number, offset, size = part
        data = os.pread(file, size, offset)
        obstore.put(store, str(number), data, use_multipart=False)

    with ThreadPoolExecutor(job.at_once) as pool, clock:
        list(pool.map(put, parts_of(job)))


def s3(job: Job, clock: Clock) -> None:
    """One multipart upload."""
    store = S3Store(
        "bucket",
        endpoint=f"{job.url}/s3",
        region="us-east-1",
        skip_signature=True,
        virtual_hosted_style_request=False,
        client_options=_OPTIONS,
    )
    with clock:
        obstore.put(
            store, "key", Path(job.file), chunk_size=job.part, max_concurrency=job.at_once,
            use_multipart=True,
        )  # fmt: skip
