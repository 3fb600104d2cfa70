"""Ids of runs, batches and documents."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from longshore.pipeline import Environment
from longshore.pipeline._environment import Ids


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


_FORKING = """
import os
from longshore.pipeline import Environment
print(Environment().new_id(), flush=True)
if os.fork():
    os.wait()
print(Environment().new_id(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_other_ids() -> None:
    """A server that forks its workers after importing this must not give out ids twice."""
    done = subprocess.run([sys.executable, "-c", _FORKING], check=True, capture_output=True)
    before, child, parent = (int(line, 16) for line in done.stdout.split())
    assert (parent - before) % 2**64 == 1
    assert (child - before) % 2**64 > 1_000_000
