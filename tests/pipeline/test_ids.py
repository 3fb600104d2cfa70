"""Ids of runs, batches and documents."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from longshore.lifecycle import Outcome
from longshore.pipeline import Candidate, Environment, RunOptions, begin
from longshore.pipeline._environment import Ids
from longshore.plugins import Plugins
from tests.pipeline.support import calm


def test_ids_are_neighbours_and_never_the_same() -> None:
    """What is planned together lies together in the journal; a run's id tells nothing of it."""
    environment = Environment()
    ids = [environment.new_id() for _ in range(1000)]
    first = int(ids[0], 16)
    assert ids == [f"{(first + n) % 2**64:016x}" for n in range(1000)]
    assert Environment().new_id() not in ids
    runs = {environment.new_run_id() for _ in range(100)}
    assert len(runs) == 100
    assert {len(run) for run in runs} == {8}


def test_ids_go_on_behind_the_last_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start near the end of the numbers makes no id of another length."""
    monkeypatch.setattr("secrets.randbits", lambda bits: (1 << bits) - 2)
    new_id = Ids()
    assert [new_id() for _ in range(3)] == ["f" * 15 + "e", "f" * 16, "0" * 16]


async def test_a_run_gets_no_id_that_another_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a journal of 100,000 runs two of their short ids meet: the earlier run must not go."""
    monkeypatch.setattr(Plugins, "version_of", lambda *_: "1.0")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    world, drawn = calm(), iter(["5ea50001", "5ea50001", "5ea50002"])
    environment = replace(world.environment(), new_run_id=lambda: next(drawn))
    for _ in range(2):
        await begin(
            world.journal,
            world.target(),
            [Candidate(str(tmp_path / "a.pdf"))],
            RunOptions(),
            environment,
        )
    assert [run.id for run in await world.journal.runs()] == ["5ea50001", "5ea50002"]
    assert await world.journal.outcomes("5ea50001") == {Outcome.RUNNING: 1}


_FORKING = """
import asyncio
import os
import sys
from pathlib import Path
from longshore.documents import Document
from longshore.pipeline import Environment

def use():
    environment = Environment()
    document = Document.from_path(Path(sys.argv[1]), id="d")
    digest = asyncio.run(asyncio.wait_for(environment.digest(document), 20))
    print(environment.new_id(), digest, flush=True)

use()
if os.fork():
    os.wait()
use()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_other_ids_and_threads_of_its_own(tmp_path: Path) -> None:
    """A server may fork its workers after it has used this: no id twice, and they can hash."""
    file = tmp_path / "large.bin"
    file.write_bytes(b"x" * 100_000)
    done = subprocess.run(
        [sys.executable, "-c", _FORKING, str(file)], check=True, capture_output=True, text=True
    )
    ids, digests = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    before, child, parent = (int(id, 16) for id in ids)
    assert (parent - before) % 2**64 == 1
    assert (child - before) % 2**64 > 1_000_000
    assert set(digests) == {hashlib.sha256(b"x" * 100_000).hexdigest()}
