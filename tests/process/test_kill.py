"""kill -9 of the real command line at seeded points of its uploads, then `longshore resume`."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.process.shells import Ended, Shell, journal_receipts, sandboxes, wait_for

KILLS = int(os.environ.get("LONGSHORE_TEST_KILLS", "5"))
BLOCK = 5  # kills of one journal, which one `resume` mends

pytestmark = pytest.mark.process

PART = 2**20


@dataclass(frozen=True)
class Mode:
    """A provider in the upload mode that takes most requests.

    Attributes:
        provider: its name, which is the target too.
        ending: of the file's name.
        calls: about so many come to the vendor until the job has ended.
        part: bytes of a part.
        settings: ``--set`` of the upload.
        fresh: after a crash in the middle the documented way is a fresh session.
        silent: what was sent last cannot be asked about: `unknown` is a right answer.
    """

    provider: str
    ending: str
    calls: int
    part: int = PART
    settings: tuple[str, ...] = ()
    fresh: bool = False
    silent: bool = False

    @property
    def size(self) -> int:
        """Bytes of the document: four parts and a half."""
        return 4 * self.part + self.part // 2


_LARGE = 5 * PART  # Subworkflow's smallest part
_SESSION = ("session_threshold=0", f"part_size={_LARGE}")

MODES = {
    "geolens": Mode("geolens", ".tif", 12, silent=True),
    "plangrep": Mode("plangrep", ".pdf", 13, settings=("upload_mode=signed",)),
    "sendai": Mode("sendai", ".pdf", 2, fresh=True, silent=True),
    "subworkflow": Mode("subworkflow", ".pdf", 11, _LARGE, _SESSION, fresh=True),
    "subworkflow resend_parts": Mode(
        "subworkflow", ".pdf", 11, _LARGE, (*_SESSION, "resend_parts=true")
    ),
}

ASSUMPTIONS = (
    "geolens.threshold=1000000",
    f"geolens.part_size={PART}",
    "plangrep.multipart_above=1000000",
    f"plangrep.part_bytes={PART}",
)

# The vendor has acted and the answer is on its way: a kill in this time loses it.
SLOW = [{"path": "*", "delay": 0.04}]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """The sandboxes, with limits that make small parts."""
    folder = tmp_path_factory.mktemp("kill")
    (folder / "faults.json").write_text(json.dumps(SLOW))
    arguments = [word for text in ASSUMPTIONS for word in ("--assume", text)]
    with sandboxes(folder, "--port", "0", "--faults", "faults.json", *arguments) as shell:
        # What is lost is asked about after two seconds; no rate slows the tests down.
        for name in shell.urls:
            shell.more[f"LONGSHORE_{name.upper()}_TIMEOUT"] = "2"
            shell.more[f"LONGSHORE_{name.upper()}_POLL_INTERVAL"] = "0.05"
            shell.more[f"LONGSHORE_{name.upper()}_REQUESTS_PER_MINUTE"] = "100000"
        yield shell


@dataclass(frozen=True)
class Killed:
    """An upload that was killed, and what held at that moment.

    Attributes:
        receipts: numbers of the transfers whose receipt was durable.
        counts: of its uploads at the vendor: how often each part had been accepted.
        run_id: "" if it was killed before there was a run.
        over: it had ended before the kill.
    """

    path: Path
    digest: str
    receipts: set[int]
    counts: dict[str, dict[str, int]]
    run_id: str
    over: bool


class Killer:
    """Kills uploads of one mode."""

    def __init__(self, shell: Shell, mode: Mode) -> None:
        self.shell = shell
        self.mode = mode

    def kill(self, random: random.Random, share: float) -> Killed:
        """Kill an upload when the vendor has got about this share of its requests."""
        path, digest = self._make_document(random)
        before, runs = self._state(), self._runs()
        process = self._start(path)
        wanted = self._calls(before) + round(share * self.mode.calls)
        wait_for(lambda: process.poll() is not None or self._calls(self._state()) >= wanted)
        over = _ends_within(process, random.random() * 0.08)
        process.kill()
        _, err = process.communicate()
        assert not over or process.returncode == 0, err
        held, receipts = self._state()["parts"], journal_receipts(self.shell.journal)
        (run_id,) = receipts.keys() - runs or [""]
        counts = {key: held[key] for key in held.keys() - before["parts"].keys()}
        return Killed(path, digest, receipts.get(run_id, set()), counts, run_id, over)

    def _make_document(self, random: random.Random) -> tuple[Path, str]:
        content = b"II*\0" + random.randbytes(self.mode.size - 4)
        path = self.shell.folder / f"{random.randbytes(6).hex()}{self.mode.ending}"
        path.write_bytes(content)
        return path, hashlib.sha256(content).hexdigest()

    def _start(self, path: Path) -> subprocess.Popen[str]:
        settings = [word for text in self.mode.settings for word in ("--set", text)]
        return self.shell.start(
            "upload", str(path), "--to", self.mode.provider, "--json", "--concurrency", "2",
            "--bwlimit", str(20 * self.mode.part), *settings,
        )  # fmt: skip

    def _runs(self) -> set[str]:
        return set(journal_receipts(self.shell.journal)) if self.shell.journal.exists() else set()

    def _state(self) -> dict[str, Any]:
        return self.shell.state(self.mode.provider)

    @staticmethod
    def _calls(state: dict[str, Any]) -> int:
        return sum(call["count"] for call in state["calls"].values())


def _ends_within(process: subprocess.Popen[str], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


@pytest.mark.timeout(120)
@pytest.mark.parametrize("block", range(-(-KILLS // BLOCK)))
@pytest.mark.parametrize("name", MODES)
def test_kills_lose_and_double_nothing(
    sandbox: Shell,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    name: str,
    block: int,
) -> None:
    """After kill -9 all documents are resumed, and there once, or said to be unknown."""
    mode, shell = MODES[name], replace(sandbox, folder=tmp_path)
    killer, points = Killer(shell, mode), random.Random(f"{name} {block}")
    all_killed = [
        killer.kill(points, (point + points.random()) / BLOCK * 1.1) for point in range(BLOCK)
    ]

    ended = shell.run("resume", "--json")
    told = _told(ended)
    if ended.code == 4 and not mode.silent:  # one run asked before another had claimed its job
        ended = shell.run("resume", "--json")
        told |= _told(ended)

    state = shell.state(mode.provider)
    ends = {"succeeded": 0, "unknown": 0, "over before": 0, "before the run": 0}
    for killed in all_killed:
        end = _end_of(killed, told.get(str(killed.path)))
        ends[end] += 1
        found = [held for held in state["documents"] if held["sha256"] == killed.digest]
        expected = {"before the run": {0}, "unknown": {0, 1} if mode.silent else set[int]()}
        why = told.get(str(killed.path), {}).get("error") or ended.err
        assert len(found) in expected.get(end, {1}), (end, why)
        assert all(held["size"] == mode.size for held in found)
        _check_parts(killed, state["parts"], mode)
    assert ended.code == (4 if ends["unknown"] else 0), ended.err
    record_property(f"kills of {name}", ends)


def _told(ended: Ended) -> dict[str, dict[str, Any]]:
    """Return what a command told of each document, by its path."""
    return {line["path"]: line for line in ended.lines if line["event"] == "document"}


def _end_of(killed: Killed, line: dict[str, Any] | None) -> str:
    """Say how a killed upload ended; `line` is what resume told of its document."""
    if not killed.run_id:
        return "before the run"
    if line is None:  # every document of the run was finished
        return "over before"
    assert not killed.over, "resume goes on with what had ended"
    return str(line["state"])


def _check_parts(killed: Killed, counts: dict[str, dict[str, int]], mode: Mode) -> None:
    """No part that had a receipt was taken again; without need there is no second session."""
    if not killed.counts or not killed.receipts:
        return
    (upload,) = killed.counts
    then, now = killed.counts[upload], counts[upload]
    assert {number: now[str(number)] for number in killed.receipts} == {
        number: then[str(number)] for number in killed.receipts
    }
    if not mode.fresh:
        assert sorted(now) == list("12345")
        assert max(now.values()) <= 2
