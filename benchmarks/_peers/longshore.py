"""Longshore as its users meet it: the transport alone, the Python API, a command."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from benchmarks._job import Clock, Job, parts_of, told

if TYPE_CHECKING:
    from longshore.journal import Journal
    from longshore.pipeline import RunReport

__all__ = [
    "digest", "enqueue", "plan", "polled", "transport", "upload", "with_memory", "with_sqlite",
]  # fmt: skip


def transport(job: Job, clock: Clock) -> None:
    """PUT every part through the transport, as the driver does."""
    from longshore.documents import Document, Piece
    from longshore.pipeline import LocalFiles
    from longshore.provider import Raw
    from longshore.transfer import Outgoing, encode, http_transport

    async def run() -> None:
        document = Document.from_path(Path(job.file), id="d")
        carrier = http_transport(connections=job.at_once, ca_bundle=job.ca or None)
        parts = parts_of(job)

        async def work() -> None:
            for number, offset, size in parts:
                piece = Piece(document=document.id, offset=offset, size=size)
                with LocalFiles().open(document) as source:
                    answer = await carrier.send(
                        Outgoing(
                            "PUT",
                            f"{job.url}/put/0/{number}",
                            {},
                            encode(Raw(piece), "boundary"),
                            {document.id: source},
                            60.0,
                        )
                    )
                if answer.status != 200:
                    raise RuntimeError("the sink did not take a part")

        # The first request loads certificates, which the other clients do when they are made.
        nothing = Outgoing("GET", f"{job.url}/_sink", {}, encode(None, ""), {}, 60.0)
        await carrier.send(nothing)
        with clock:
            await asyncio.gather(*(work() for _ in range(job.at_once)))
        await carrier.aclose()

    asyncio.run(run())


def upload(job: Job, clock: Clock) -> Mapping[str, float]:
    """Carry documents end to end, with a journal on disk that keeps its promises.

    Options: ``provider``, ``settings``, ``paths`` (``-``: ``manifest``), ``run``, the options of
    the run, and ``warm``, paths that are uploaded before.
    """
    from longshore import AsyncClient

    async def run() -> Mapping[str, float]:
        async with AsyncClient(
            job.options["provider"],
            settings=job.options["settings"],
            journal=_new_journal(),
            concurrency=job.at_once,
            **job.options["run"],
        ) as client:
            await client.upload(
                job.options["warm"]
            )  # imports are the start-up's, not measured here
            await asyncio.to_thread(told, job.url)
            with clock:
                report = await client.upload(job.options["paths"])
        return {"documents": _succeeded(report)}

    with _reading(job.options.get("manifest", os.devnull)):
        return asyncio.run(run())


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Make a file the standard input."""
    usual = sys.stdin
    try:
        with Path(path).open() as sys.stdin:
            yield
    finally:
        sys.stdin = usual


def _new_journal() -> Path:
    return Path(mkdtemp(dir=os.environ["HOME"])) / "journal.db"


def _succeeded(report: RunReport) -> int:
    """Count the documents; all of them have to be there."""
    from longshore import Outcome

    documents = sum(report.outcomes.values())
    if report.outcomes.get(Outcome.SUCCEEDED, 0) != documents:
        raise RuntimeError(f"not all succeeded: {report}")
    return documents


def digest(job: Job, clock: Clock) -> None:
    """Hash the document, as the pipeline does."""
    from longshore.documents import sha256_file

    with clock:
        sha256_file(job.file)


def with_sqlite(job: Job, clock: Clock) -> Mapping[str, float]:
    """Run the pipeline over the journal that users have."""
    from longshore.journal import open_journal

    return asyncio.run(_pipeline(job, clock, open_journal(_new_journal())))


def with_memory(job: Job, clock: Clock) -> Mapping[str, float]:
    """Run the pipeline over a journal that forgets."""
    from longshore.journal import MemoryJournal

    return asyncio.run(_pipeline(job, clock, nullcontext(MemoryJournal())))


async def _pipeline(
    job: Job, clock: Clock, opened: AbstractAsyncContextManager[Journal]
) -> Mapping[str, float]:
    from longshore.pipeline import Environment, RunOptions, begin, execute, find_documents
    from longshore.targets import resolve_target

    target = resolve_target(job.options["provider"], overrides=job.options["settings"])
    options = RunOptions(concurrency=job.at_once, **job.options["run"])
    environment = Environment()
    async with opened as journal:
        for paths, timer in ((job.options["warm"], nullcontext()), (job.options["paths"], clock)):
            await asyncio.to_thread(told, job.url)
            with timer:
                candidates = find_documents(paths)
                run = await begin(journal, target, candidates, options, environment)
                report = await execute(journal, target, run, environment)
    return {"documents": _succeeded(report)}


def plan(job: Job, clock: Clock) -> Mapping[str, float]:
    """``longshore plan -``, from its first line on."""
    from longshore.cli import main

    pairs = [f"--set={name}={value}" for name, value in job.options["settings"].items()]
    with _reading(job.options["manifest"]), clock:
        code = main(["plan", "-", "--to", job.options["provider"], "--quiet", *pairs])
    if code:
        raise RuntimeError(f"longshore ended with {code}")
    return {"documents": job.options["documents"]}


def enqueue(job: Job, clock: Clock) -> Mapping[str, float]:
    """Plan a run and make it durable, as an upload does before it sends."""
    from longshore.journal import open_journal
    from longshore.pipeline import Environment, RunOptions, begin, find_documents
    from longshore.targets import resolve_target

    async def run() -> None:
        target = resolve_target(job.options["provider"], overrides=job.options["settings"])
        async with open_journal(_new_journal()) as journal:
            with clock:
                candidates = find_documents(["-"])
                await begin(journal, target, candidates, RunOptions(batch_size=1), Environment())

    with _reading(job.options["manifest"]):
        asyncio.run(run())
    return {"documents": job.options["documents"]}


def polled(job: Job, clock: Clock) -> Mapping[str, float]:
    """Upload documents whose jobs never end, and measure only while they are polled.

    Options: those of ``upload``; ``jobs``, ``interval``, ``watched`` (seconds).
    """
    from longshore import AsyncClient
    from longshore.pipeline import Event, TransferSent

    jobs = job.options["jobs"]
    sent = 0
    all_sent, stop = asyncio.Event(), asyncio.Event()

    def listen(event: Event) -> None:
        nonlocal sent
        sent += isinstance(event, TransferSent)
        if sent == jobs:
            all_sent.set()

    async def watch() -> Mapping[str, float]:
        await all_sent.wait()
        await asyncio.sleep(2 * job.options["interval"])
        await asyncio.to_thread(told, job.url)
        with clock:
            await asyncio.sleep(job.options["watched"])
        seen = await asyncio.to_thread(told, job.url)
        stop.set()
        return seen

    async def run() -> Mapping[str, float]:
        async with AsyncClient(
            job.options["provider"],
            settings=job.options["settings"],
            journal=_new_journal(),
            listener=listen,
            concurrency=job.at_once,
            **job.options["run"],
        ) as client:
            uploading = asyncio.create_task(client.upload(job.options["paths"], stop=stop))
            watching = asyncio.create_task(watch())
            await asyncio.wait((uploading, watching), return_when=asyncio.FIRST_COMPLETED)
            if not watching.done():
                watching.cancel()
                raise RuntimeError(f"the run ended before it was watched: {await uploading}")
            await uploading
            return await watching

    return asyncio.run(run())
