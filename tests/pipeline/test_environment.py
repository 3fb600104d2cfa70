"""What the engine gets from the machine it runs on."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from longshore.documents import Document, SourceFile
from longshore.errors import SourceChanged
from longshore.pipeline import Environment, SystemClock

pytestmark = pytest.mark.asyncio


def documents(folder: Path, *sizes: int) -> list[Document]:
    paths = [folder / f"{n}.bin" for n in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(b"x" * size)
    return [Document.from_path(path, id=path.name) for path in paths]


def overwrite(document: Document) -> None:
    Path(document.source).write_bytes(b"y" * document.size)


async def test_two_large_documents_are_hashed_at_once_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many documents wait for their digest, two threads hash them."""
    hashing, peak = set[int](), list[int]()
    hashed = SourceFile.sha256

    def watched(self: SourceFile, between: Any = None) -> str:
        hashing.add(threading.get_ident())
        peak.append(len(hashing))
        time.sleep(0.02)  # long enough for others to begin, if they could
        hashing.discard(threading.get_ident())
        return hashed(self, between)

    monkeypatch.setattr(SourceFile, "sha256", watched)
    digests = await asyncio.gather(*map(Environment().digest, documents(tmp_path, *[70_000] * 8)))
    assert digests == [hashlib.sha256(b"x" * 70_000).hexdigest()] * 8
    assert max(peak) == 2
    assert threading.get_ident() not in hashing


async def test_a_digest_that_nobody_waits_for_ends_at_the_next_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C does not wait until a huge file is read to its end."""
    reads, begun, cancelled, ended = list[int](), *(threading.Event() for _ in range(3))
    read, close = SourceFile.read, SourceFile.close

    def watched(self: SourceFile, offset: int, size: int) -> bytes:
        reads.append(offset)
        begun.set()
        cancelled.wait(10)
        return read(self, offset, 1000)

    def closed(self: SourceFile) -> None:
        close(self)
        ended.set()

    monkeypatch.setattr(SourceFile, "read", watched)
    monkeypatch.setattr(SourceFile, "close", closed)
    (document,) = documents(tmp_path, 100_000)
    hashing = asyncio.ensure_future(Environment().digest(document))
    assert await asyncio.to_thread(begun.wait, 10)
    hashing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hashing
    cancelled.set()
    assert await asyncio.to_thread(ended.wait, 10)
    assert reads == [0]


async def test_a_file_whose_marks_changed_is_proved_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes tell that it is the same: all are read for the first part, not for each."""
    (document,), hashed = documents(tmp_path, 100), list[str]()
    document = document.changed({"sha256": hashlib.sha256(b"x" * 100).hexdigest()})
    digest = SourceFile.sha256

    def watched(self: SourceFile, between: Any = None) -> str:
        hashed.append(self.document.id)
        return digest(self, between)

    monkeypatch.setattr(SourceFile, "sha256", watched)
    sources = Environment().sources
    for touched in (True, False, False, True, False):
        if touched:
            os.utime(document.source)
        with sources.open(document) as source:
            source.check()
    assert len(hashed) == 2

    overwrite(document)
    with sources.open(document) as source, pytest.raises(SourceChanged):
        source.check()


async def test_a_small_document_is_hashed_without_waking_a_thread(tmp_path: Path) -> None:
    """Its digest is the same, and nothing else runs meanwhile."""
    (document,) = documents(tmp_path, 1000)
    turns = asyncio.get_running_loop().create_task(asyncio.sleep(0))
    digest = await Environment().digest(document)
    assert (digest, turns.done()) == (hashlib.sha256(b"x" * 1000).hexdigest(), False)
    await turns


@pytest.mark.parametrize("jump", [-3600.0, 100_000.0])
async def test_a_machine_whose_clock_is_set_goes_on(
    monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """Set back by an hour, every pace and poll would wait for that hour."""
    clock, real = SystemClock(), time.time
    before = clock.now()
    assert abs(before - real()) < 5.0
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    assert 0.0 <= clock.now() - before < 5.0
