"""What the tests of the clients share: a vendor in memory, installed as a plugin, and files."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from longshore.capabilities import Capabilities, PollSchedule
from longshore.journal import open_journal
from longshore.pipeline import Environment, Event, Notice, RunStarted
from longshore.plugins import Plugins
from longshore.provider import Provider, Response, hookimpl
from longshore.transfer import Outgoing, retry_with_clock
from tests.pipeline.support import Acme, OneRequest, Vendor, VirtualClock

FAST = {"poll_interval": "0.01", "timeout": "0.02"}

FLOOR = 5.0


class Patient(Acme):
    """The same vendor, which does not want to be asked about a job too often."""

    name = "patient"

    def capabilities(self) -> Capabilities:
        """Say how often."""
        return super().capabilities().changed({"polls": PollSchedule(floor=FLOOR)})


class Plugin:
    """The vendors of these tests."""

    @hookimpl
    def longshore_providers(self) -> list[type[Provider[Any]]]:
        """Offer them."""
        return [Acme, OneRequest, Patient]


@pytest.fixture(autouse=True)
def _acme(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the tiny providers for these tests, as a plugin."""
    plugins = Plugins.of(Plugin())
    monkeypatch.setattr(plugins, "version_of", lambda _provider: "1.0")
    for module in ("longshore.targets._resolve", "longshore.pipeline._run"):
        monkeypatch.setattr(f"{module}.load_plugins", lambda: plugins)
    monkeypatch.setenv("LONGSHORE_ACME_API_KEY", "key-123456")
    monkeypatch.setenv("LONGSHORE_ONE_API_KEY", "key-123456")


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[Path]]:
    """Make files of these sizes."""

    def make(*sizes: int) -> list[Path]:
        paths = [tmp_path / f"doc{n}.pdf" for n in range(len(sizes))]
        for path, size in zip(paths, sizes, strict=True):
            path.write_bytes(b"x" * size)
        return paths

    return make


def arguments(tmp_path: Path, vendor: Vendor, **more: Any) -> dict[str, Any]:
    """Make a client's arguments: this vendor, a journal of its own, no pauses."""
    environment = Environment(
        transport=lambda _settings, _connections: vendor,
        retries=retry_with_clock(VirtualClock()),
        rng=random.Random(1),
    )
    return {
        "settings": FAST | more.pop("settings", {}),
        "journal": tmp_path / "journal.db",
        "environment": environment,
        "part_size": 4,
        **more,
    }


class Ear:
    """Hears which run it is, and that the run waits for an answer that must not get lost."""

    def __init__(self, heard: Callable[[], object]) -> None:
        self.run_id = ""
        self._heard = heard

    def __call__(self, event: Event) -> None:
        """Listen."""
        if isinstance(event, RunStarted):
            self.run_id = event.run.id
        if isinstance(event, Notice) and "must not get lost" in event.text:
            self._heard()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the mailbox, and look again, at once."""
    monkeypatch.setattr("longshore.pipeline._executor._TICK", 0.01)
    monkeypatch.setattr("longshore.pipeline._hold.PAUSE", 0.01)
    monkeypatch.setattr("longshore.pipeline._hold.PATIENCE", 5.0)


class Review(Vendor):
    """Its first job waits for a person, until that has come; the others run as long as that."""

    def __init__(self) -> None:
        super().__init__()
        self.approved = 0
        self.all_wait = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()

    async def send(self, outgoing: Outgoing) -> Response:
        """Answer."""
        if "/act/" in outgoing.url:
            self.asked.set()
            await self.may_answer.wait()
            self.approved += 1
        waits = "review" if self.all_wait or outgoing.url.endswith("job-s1") else "busy"
        over = "/act/" in outgoing.url if self.all_wait else self.approved
        self.states = ["done" if over else waits]
        return await super().send(outgoing)


def notices(events: list[Event]) -> list[str]:
    """Return what a person was told."""
    return [event.text for event in events if isinstance(event, Notice)]


async def mail(tmp_path: Path, run_id: str) -> list[str]:
    """Return what waits in the mailbox of a run."""
    async with open_journal(tmp_path / "journal.db") as journal:
        return [message.verb for message in await journal.mail(run_id)]
