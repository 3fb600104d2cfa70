"""pycurl: libcurl reads the part from the file through a callback."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pycurl

from benchmarks._job import Clock, Job, parts_of

__all__ = ["easy"]


def easy(job: Job, clock: Clock) -> None:
    """PUT every part with a handle for each thread, in chunks of 512 KiB."""
    file = os.open(job.file, os.O_RDONLY)
    own = threading.local()

    def put(part: tuple[int, int, int]) -> None:
        number, offset, size = part
        if not hasattr(own, "handle"):
            own.handle = pycurl.Curl()
        curl = own.handle
        end = offset + size

        def read(most: int) -> bytes:
            nonlocal offset
            data = os.pread(file, min(most, end - offset), offset)
            offset += len(data)
            return data

        curl.setopt(pycurl.URL, f"{job.url}/put/0/{number}")
        curl.setopt(pycurl.UPLOAD, 1)
        curl.setopt(pycurl.INFILESIZE_LARGE, size)
        curl.setopt(pycurl.READFUNCTION, read)
        curl.setopt(pycurl.WRITEFUNCTION, lambda _: None)
        curl.setopt(pycurl.HTTPHEADER, ["Expect:"])
        curl.setopt(pycurl.UPLOAD_BUFFERSIZE, 512 << 10)
        curl.setopt(pycurl.NOSIGNAL, 1)
        if job.ca:
            curl.setopt(pycurl.CAINFO, job.ca)
        curl.perform()
        if curl.getinfo(pycurl.RESPONSE_CODE) != 200:
            raise RuntimeError("the sink did not take a part")

    with ThreadPoolExecutor(job.at_once) as pool, clock:
        list(pool.map(put, parts_of(job)))
