"""What the engine gets from the machine it runs on."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from pathlib import Path

import pytest

from longshore.documents import Document, SourceFile
from longshore.pipeline import Environment

pytestmark = pytest.mark.asyncio


def documents(folder: Path, *sizes: int) -> list[Document]:
    paths = [folder / f"{n}.bin" for n in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(b"x" * size)
    return [Document.from_path(path, id=path.name) for path in paths]


async def test_two_large_documents_are_hashed_at_once_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many documents wait for their digest, two threads hash them."""
    hashing, peak = set[int](), list[int]()
    hashed = SourceFile.sha256

    def watched(self: SourceFile) -> str:
        hashing.add(threading.get_ident())
        peak.append(len(hashing))
        time.sleep(0.02)  # long enough for others to begin, if they could
        hashing.discard(threading.get_ident())
        return hashed(self)

    monkeypatch.setattr(SourceFile, "sha256", watched)
    digests = await asyncio.gather(*map(Environment().digest, documents(tmp_path, *[70_000] * 8)))
    assert digests == [hashlib.sha256(b"x" * 70_000).hexdigest()] * 8
    assert max(peak) == 2
    assert threading.get_ident() not in hashing


async def test_a_small_document_is_hashed_without_waking_a_thread(tmp_path: Path) -> None:
    """Its digest is the same, and nothing else runs meanwhile."""
    (document,) = documents(tmp_path, 1000)
    turns = asyncio.get_running_loop().create_task(asyncio.sleep(0))
    digest = await Environment().digest(document)
    assert (digest, turns.done()) == (hashlib.sha256(b"x" * 1000).hexdigest(), False)
    await turns
