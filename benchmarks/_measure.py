"""The bench that measurements are made on: the sink, the files, a process for each client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks._job import Job, told
from benchmarks._scale import Scale

__all__ = ["Bench", "Sample", "Sink", "Skipped", "Wrong", "cores"]


class Skipped(Exception):
    """A client cannot be measured here; the text says why."""


class Wrong(Exception):
    """A client did something else than it was told; its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run of one client took.

    Attributes:
        seconds: wall time.
        cpu: seconds of CPU of the client's process, user and system.
        rss: peak of its memory, in bytes.
        size: bytes of bodies that arrived at the sink.
        requests: that arrived at the sink.
        more: what the client and the sink told besides.
    """

    seconds: float
    cpu: float
    rss: float
    size: int
    requests: int
    more: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """MB/s."""
        return self.size / 1e6 / self.seconds

    @property
    def cpu_per_gib(self) -> float:
        """Seconds."""
        return self.cpu / (self.size / 2**30)

    @property
    def cpu_per_request(self) -> float:
        """Microseconds."""
        return self.cpu * 1e6 / max(self.requests, 1)


def cores() -> tuple[int, int]:
    """Return the client's core and the sink's; the same one where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


class Sink:
    """The sink's process; see ``_sink``."""

    def __init__(self, process: subprocess.Popen[str], ports: list[int]) -> None:
        self._process = process
        self._ports = ports

    def url(self, *, secure: bool = False) -> str:
        """Return where it listens."""
        port = self._ports[secure]
        return f"{'https' if secure else 'http'}://127.0.0.1:{port}"

    def told(self) -> dict[str, float]:
        """Return what came since this was last asked, and begin anew."""
        return told(self.url())


@dataclass(frozen=True)
class Bench:
    """Everything a benchmark needs.

    Attributes:
        scale: how large everything is.
        rounds: how often each client has its turn.
        folder: for files; emptied at the end.
        sink: the server.
        certificate: the authority that signed for the sink.
        say: tells a person what goes on.
    """

    scale: Scale
    rounds: int
    folder: Path
    sink: Sink
    certificate: Path
    say: Callable[[str], None]

    def measure(self, client: str, job: Job, *, both_cores: bool = False) -> Sample:
        """Run one client in a process of its own.

        Args:
            client: ``module:function`` of ``_peers``.
            job: what it shall do.
            both_cores: leave it all cores, those of the sink too.

        Raises:
            Skipped: the peer is not installed.
            Wrong: it failed.
        """
        mine, _ = cores()
        own = sorted(os.sched_getaffinity(0)) if both_cores else [mine]
        self.sink.told()
        answer = self.run(json.dumps({"client": client, "cores": own, "job": asdict(job)}))
        if "skipped" in answer:
            raise Skipped(answer["skipped"])
        arrived = self.sink.told()
        return Sample(
            seconds=answer["seconds"],
            cpu=answer["cpu"],
            rss=answer["rss"],
            size=int(arrived.pop("bytes")),
            requests=int(arrived.pop("requests")),
            more={**arrived, **answer["more"]},
        )

    def run(self, text: str) -> dict[str, Any]:
        """Run what ``_child`` is told in a new process, and return what it tells."""
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks._child", text],
            capture_output=True, text=True, check=False, timeout=7200, env=self._environment(),
        )  # fmt: skip
        if done.returncode or not done.stdout:
            words = done.stderr.strip() or f"exit code {done.returncode}"
            raise Wrong(f"failed: {words.splitlines()[-1]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _environment(self) -> dict[str, str]:
        """Nothing of this person's settings reaches a client; the switch of the fast path does."""
        proxies = ("_proxy", "longshore_", "aws_")
        kept = {k: v for k, v in os.environ.items() if not any(p in k.lower() for p in proxies)}
        switch = {k: v for k, v in os.environ.items() if k == "LONGSHORE_PLAIN_HTTP"}
        home = str(self.folder / "home")
        return {**kept, **switch, "HOME": home, "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home}

    def document(self, size: int) -> str:
        """Make a sparse file, and have it in the page cache unless it is huge."""
        path = self.folder / f"document-{size}.pdf"
        if not path.exists():
            with path.open("wb") as file:
                file.truncate(size)
            if size <= 4 << 30:
                with path.open("rb") as file:
                    while file.read(4 << 20):
                        pass
        return str(path)

    def small_documents(self, count: int) -> str:
        """Make a directory of so many documents of 16 KiB."""
        folder = self.folder / f"small-{count}"
        if not folder.exists():
            folder.mkdir()
            for number in range(count):
                (folder / f"d{number:06}.pdf").write_bytes(bytes(16 << 10))
        return str(folder)


@contextmanager
def running_sink(certificate: Path) -> Iterator[Sink]:
    """Start the sink on its core, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._sink", str(certificate)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        os.sched_setaffinity(process.pid, {cores()[1]})
        assert process.stdout is not None
        yield Sink(process, json.loads(process.stdout.readline()))
    finally:
        process.communicate(timeout=10)  # it ends with its standard input
