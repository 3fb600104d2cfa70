"""kill -9 of the real command line in the middle of an upload, then `longshore resume`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.process.shells import Ended, Shell, sandboxes, wait_for

pytestmark = [pytest.mark.process]

MIB = 2**20
PART = 5 * MIB
POINTS = int(os.environ.get("LONGSHORE_TEST_KILLS", "5"))


@dataclass(frozen=True)
class Mode:
    """A provider in the upload mode that takes longest.

    Attributes:
        provider: its name, which is the target too.
        ending: of the file's name.
        size: bytes of the document.
        settings: ``--set`` of the upload.
        fresh: after a crash in the middle the documented way is a fresh session.
    """

    provider: str
    ending: str
    size: int
    settings: tuple[str, ...] = ()
    fresh: bool = False


MODES = {
    "geolens": Mode("geolens", ".tif", 17 * MIB),
    "plangrep": Mode("plangrep", ".pdf", 17 * MIB, ("upload_mode=signed",)),
    "subworkflow": Mode(
        "subworkflow", ".pdf", 17 * MIB, ("session_threshold=1M", "part_size=5MiB"), fresh=True
    ),
    "subworkflow resend": Mode(
        "subworkflow",
        ".pdf",
        17 * MIB,
        ("session_threshold=1M", "part_size=5MiB", "resend_parts=true"),
    ),
    "sendai": Mode("sendai", ".pdf", 17 * MIB, fresh=True),
}

ASSUMPTIONS = (
    "geolens.threshold=1000000",
    f"geolens.part_size={PART}",
    "plangrep.multipart_above=1000000",
    f"plangrep.part_bytes={PART}",
    "subworkflow.append_twice=replace",
)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """The sandboxes, with limits that make parts of 5 MiB."""
    folder = tmp_path_factory.mktemp("kill")
    arguments = [word for text in ASSUMPTIONS for word in ("--assume", text)]
    with sandboxes(folder, "--port", "0", *arguments) as shell:
        # What is lost is asked about after one second; no rate slows the tests down.
        for name in list(shell.urls):
            shell.more[f"LONGSHORE_{name.upper()}_TIMEOUT"] = "1"
            shell.more[f"LONGSHORE_{name.upper()}_POLL_INTERVAL"] = "0.1"
            shell.more[f"LONGSHORE_{name.upper()}_REQUESTS_PER_MINUTE"] = "100000"
        yield shell


def make_document(folder: Path, mode: Mode, seed: str) -> tuple[Path, str]:
    """Write a document that no other one equals; return it and its SHA-256."""
    content = b"II*\0" + random.Random(seed).randbytes(mode.size - 4)
    path = folder / f"{seed}{mode.ending}".replace(" ", "-").replace("/", "-")
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def receipts(shell: Shell) -> dict[str, int]:
    """Read how many receipts of each run are durable."""
    with contextlib.closing(sqlite3.connect(shell.journal)) as journal:
        if not journal.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone():
            return {}  # killed before the journal was made
        rows = journal.execute(
            "SELECT units.run_id, count(*) FROM facts JOIN units ON units.id = facts.unit_id "
            "WHERE facts.kind = 'receipt' GROUP BY 1"
        )
        return dict(rows.fetchall())


def arrived(shell: Shell, mode: Mode, digest: str) -> list[dict[str, Any]]:
    """Return the vendor's documents with these bytes."""
    documents = shell.state(mode.provider)["documents"]
    return [document for document in documents if document["sha256"] == digest]


def upload_and_kill(shell: Shell, mode: Mode, path: Path, share: float) -> int:
    """Kill an upload after about a share of the time that it takes; return its receipts."""
    settings = [word for text in mode.settings for word in ("--set", text)]
    before = receipts(shell) if shell.journal.exists() else {}
    bytes_before = _bytes(shell, mode)
    process = shell.start(
        "upload", str(path), "--to", mode.provider, "--json", "--bwlimit", "60M", *settings
    )
    wanted = share * mode.size
    wait_for(lambda: process.poll() is not None or _bytes(shell, mode) - bytes_before >= wanted)
    process.kill()
    process.communicate()
    after = receipts(shell)
    return sum(after.values()) - sum(before.values())


def _bytes(shell: Shell, mode: Mode) -> int:
    return sum(call["bytes"] for call in shell.state(mode.provider)["calls"].values())


def resume(shell: Shell) -> Ended:
    """Resume whatever is unfinished."""
    return shell.run("resume", "--json")


@pytest.mark.parametrize("point", range(POINTS))
@pytest.mark.parametrize("name", MODES)
def test_a_kill_in_the_middle_loses_and_doubles_nothing(
    shell: Shell, name: str, point: int
) -> None:
    """After kill -9 and resume the document is there once, or said to be unknown."""
    mode = MODES[name]
    share = random.Random(f"{name}{point}").random() * 1.05
    path, digest = make_document(shell.folder, mode, f"{name}-{point}")
    duplicates = shell.state(mode.provider)["duplicates"]
    shell.journal.unlink(missing_ok=True)
    finished = upload_and_kill(shell, mode, path, share)
    in_flight_then = 8  # requests that may have arrived without a receipt

    ended = resume(shell)

    found = arrived(shell, mode, digest)
    if ended.code == 4:  # the kill fell between the intent and the answer of what cannot be asked
        assert mode.provider in ("sendai", "geolens")
        assert len(found) <= 1
        return
    if not ended.out:  # the kill came after the end, or before there was a run
        assert len(found) <= 1
        return
    assert (ended.code, ended.run["succeeded"]) == (0, 1), ended.err
    assert [document["size"] for document in found] == [mode.size]
    doubled = shell.state(mode.provider)["duplicates"] - duplicates
    assert doubled <= (0 if mode.fresh else in_flight_then)
    if not mode.fresh:
        parts = -(-mode.size // PART)
        sent_now = ended.run["bytes_sent"]
        assert finished <= parts
        assert sent_now <= mode.size + in_flight_then * PART
