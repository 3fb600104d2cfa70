"""What README and tutorial tell people to type, typed: in two shells."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import DOCS, ROOT, blocks
from tests.process.shells import wait_for

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]  # many processes, one after another

README = ROOT / "README.md"
TUTORIAL = DOCS / "tutorial" / "first-upload.md"
NIGHTLY = DOCS / "how-to" / "nightly-job.md"


def free_port() -> int:
    """Return a port that nobody uses right now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Shells:
    """A folder with its journal, and a port in the place of the one on the page."""

    def __init__(self, folder: Path, page: Path, **faster: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.texts = [block.text for block in blocks(page) if block.kind == "sh"]
        self.faster = {"8700": str(self.port), ". .venv/bin/activate": "true", **faster}
        (folder / "bin").mkdir()
        script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m longshore "$@"\n'
        (folder / "bin" / "longshore").write_text(script)
        (folder / "bin" / "longshore").chmod(0o755)

    def text(self, words: str) -> str:
        """Return the first block that has these words, for this test's port and patience."""
        found = next(text for text in self.texts if words in text)
        for slow, fast in self.faster.items():
            found = found.replace(slow, fast)
        return found

    def environment(self) -> dict[str, str]:
        """What both shells see: a journal of their own, and impatient polls."""
        return {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "XDG_STATE_HOME": str(self.folder / "state"),
            "LONGSHORE_PLANGREP_POLL_INTERVAL": "0.05",
            "LONGSHORE_GEOLENS_POLL_INTERVAL": "0.05",
        }

    def type(self, *texts: str) -> subprocess.CompletedProcess[str]:
        """Type blocks into one shell that ends at the first error."""
        return subprocess.run(
            ["bash", "-ec", "\n".join(texts)],
            env=self.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    @contextmanager
    def sandbox(self, words: str, *more: str) -> Iterator[None]:
        """Type the block that starts a sandbox into a shell of its own."""
        text = self.text(words).rstrip() + "".join(f" {word}" for word in more)
        before, _, command = text.rpartition("\n")
        process = subprocess.Popen(
            ["bash", "-c", f"{before}\nexec {command}"],
            env=self.environment(),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(self.answers)
            yield
        finally:
            process.terminate()
            process.wait(10)

    def state(self, provider: str) -> dict[str, Any]:
        """Ask a sandbox what it holds, as the page does with curl."""
        url = f"http://127.0.0.1:{self.port}/{provider}/_sandbox/state"
        assert url in self.text("curl")
        with urllib.request.urlopen(url, timeout=10) as reply:
            held: dict[str, Any] = json.load(reply)
        return held

    @contextmanager
    def touch(self, name: str, *, when: Callable[[], bool]) -> Iterator[None]:
        """Make a file that a typed loop waits for."""

        def watch() -> None:
            wait_for(when)
            (self.folder / name).touch()

        watcher = threading.Thread(target=watch)
        watcher.start()
        yield
        watcher.join()

    def answers(self) -> bool:
        """Tell whether the sandbox takes connections."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


def test_the_readmes_sequence_works(tmp_path: Path) -> None:
    """Sandbox in one shell; variables, upload and resume in another."""
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "a.pdf").write_bytes(b"%PDF-1.4 a plan")
    shells = Shells(tmp_path, README)
    with shells.sandbox("longshore sandbox"):
        done = shells.type(shells.text("export LONGSHORE"), "longshore resume")
    assert done.returncode == 0, done.stderr
    assert "1 succeeded" in done.stdout
    assert "nothing to resume" in done.stderr


@pytest.mark.skipif(shutil.which("flock") is None, reason="flock is part of Linux")
def test_the_nightly_script_carries_what_is_new_once(tmp_path: Path) -> None:
    """After a run that was left, with nothing new, with something new, and beside another."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.pdf").write_bytes(b"%PDF-1.4 a plan")
    shells = Shells(tmp_path, README, **{"/srv/plans": str(tmp_path)})
    shells.texts += [block.text for block in blocks(NIGHTLY) if block.kind == "sh"]
    (tmp_path / "nightly.sh").write_text(shells.text("flock"))
    variables = [line for line in shells.text("export").splitlines() if line.startswith("export")]
    night = [*variables, "sh nightly.sh"]

    with shells.sandbox("longshore sandbox"):
        left = shells.type(*variables, "longshore upload inbox --to plangrep --no-wait")
        nights = [shells.type(*night)]
        (tmp_path / "inbox" / "b.pdf").write_bytes(b"%PDF-1.4 another plan")
        nights += [shells.type(*night), shells.type(*night)]
        beside = shells.type("exec 8> nightly.lock", "flock 8", *night)
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    runs = [line for line in lines if line["event"] == "run"]
    assert [one.returncode for one in (left, *nights, beside)] == [0] * 5, nights
    assert [(run["succeeded"], run["skipped"]) for run in runs] == [(1, 0), (0, 1), (1, 1), (0, 2)]


UNTIL = "until [ -e some-parts-arrived ]; do sleep 0.05; done"
SMALL = ("--assume geolens.threshold=1000000", "--assume geolens.part_size=1000000")


def test_the_tutorial_works(tmp_path: Path) -> None:
    """From the first plan to the resume after the kill, with a smaller file and less patience."""
    faster = {"4_000_000": "200_000", '"delay": 1': '"delay": 0.1', "sleep 8": UNTIL}
    shells = Shells(tmp_path, TUTORIAL, **faster)
    variables = shells.text("export LONGSHORE")

    with shells.sandbox("longshore sandbox", *SMALL):
        planned = shells.type(variables, shells.text("longshore plan"))
        carried = shells.type(variables, shells.text("longshore upload maps"))
        with shells.touch("some-parts-arrived", when=lambda: parts(shells.state("geolens")) > 3):
            killed = shells.type(variables, shells.text("kill -9"))
        before = shells.state("geolens")
        resumed = shells.type(variables, shells.text("longshore status"))
        after = shells.state("geolens")
    assert planned.returncode == 0, planned.stderr
    assert "2 documents, 1 refused" in planned.stdout
    assert carried.returncode == 0, carried.stderr
    assert carried.stdout.endswith("\n0\n")
    assert killed.returncode == 0, killed.stderr
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "1 succeeded" in resumed.stdout
    assert 3 < parts(before) < parts(after)
    assert len(after["jobs"]) == 3
    assert after["duplicates"] <= 1


def parts(held: dict[str, Any]) -> int:
    """Count the parts that a sandbox has accepted."""
    return sum(len(numbers) for numbers in held["parts"].values())
