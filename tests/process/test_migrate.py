"""kill -9 of a real migration, three times; then the same command, and `migrate verify`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.shells import Shell, sandboxes, wait_for

pytestmark = pytest.mark.process

DOCUMENTS = 36
KILLS_AT = (3, 9, 16)
"""Lines of the map when the process is killed."""


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Shell]:
    """The sandboxes; a kill often comes while an answer is on its way."""
    (tmp_path / "faults.json").write_text(json.dumps([{"path": "*", "delay": 0.05}]))
    with sandboxes(tmp_path, "--port", "0", "--faults", "faults.json") as shell:
        for name in shell.urls:
            shell.more[f"LONGSHORE_{name.upper()}_TIMEOUT"] = "1"
            shell.more[f"LONGSHORE_{name.upper()}_POLL_INTERVAL"] = "0.05"
            shell.more[f"LONGSHORE_{name.upper()}_REQUESTS_PER_MINUTE"] = "100000"
        yield shell


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Read the whole lines of a map."""
    if not path.exists():
        return []
    text = path.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def test_a_migration_survives_three_kills(sandbox: Shell, tmp_path: Path) -> None:
    """Every document is at the new vendor once, and the map has each once."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for n in range(DOCUMENTS):
        (folder / f"{n}.pdf").write_bytes(f"%PDF-1.4 document {n}\n".encode() * (n + 1))
    assert sandbox.run("upload", "documents", "--to", "plangrep", "--json").code == 0
    map = tmp_path / "map.jsonl"
    command = ("migrate", "--from", "plangrep", "--to", "subworkflow", "--map", str(map), "--json")
    for count in KILLS_AT:
        process = sandbox.start(*command, "--concurrency", "4")
        wait_for(lambda count=count: len(lines_of(map)) >= count)
        process.kill()
        process.communicate()
        assert process.returncode == -9
    ended = sandbox.run(*command, "--concurrency", "4")
    assert (ended.code, ended.run["succeeded"]) == (0, DOCUMENTS)
    lines = lines_of(map)
    assert len(lines) == len({line["path"] for line in lines}) == DOCUMENTS
    assert len({line["to"]["job_id"] for line in lines}) == DOCUMENTS
    state = sandbox.state("subworkflow")
    assert sorted(job["id"] for job in state["jobs"]) == sorted(
        line["to"]["job_id"] for line in lines
    )
    verified = sandbox.run("migrate", "verify", str(map), "--json")
    assert verified.code == 0
    assert [line["there"] for line in verified.lines] == [DOCUMENTS, DOCUMENTS]
