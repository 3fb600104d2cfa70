"""Resuming, from Python, what another version of a plugin wrote."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from longshore import AsyncClient, Client
from longshore.errors import IncompatibleState
from longshore.lifecycle import Outcome
from longshore.pipeline import Event, Notice, _incompatible
from tests.client.conftest import arguments
from tests.pipeline.support import Acme, Vendor


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell versions of a distribution apart."""
    plugins = SimpleNamespace(version_of=lambda provider: f"{provider.state_version}.0")
    monkeypatch.setattr(_incompatible, "load_plugins", lambda: plugins)


async def begun(tmp_path: Path, vendor: Vendor, files: Any) -> str:
    """Send a document's parts, and end before anybody is told to work."""
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        return (await client.start(files(10))).run_id


async def test_it_fails_unless_it_is_told_to_restart(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default an error; asked for, a fresh session, and the listener hears of it."""
    vendor, heard = Vendor(), list[Event]()
    run_id = await begun(tmp_path, vendor, files)
    monkeypatch.setattr(Acme, "state_version", 2)
    async with AsyncClient("acme", **arguments(tmp_path, vendor, listener=heard.append)) as client:
        with pytest.raises(IncompatibleState, match="state version 1, now 2"):
            await client.resume(run_id)
        report = await client.resume(run_id, on_incompatible="restart")
        assert (await client.resume(run_id)).outcomes == {Outcome.SUCCEEDED: 1}
    assert (report.outcomes, report.run.state_version) == ({Outcome.SUCCEEDED: 1}, 2)
    assert (vendor.made, vendor.count("POST /complete"), vendor.count("DELETE")) == (2, 1, 1)
    (told,) = [event.text for event in heard if isinstance(event, Notice)]
    assert told.endswith("1 begun afresh, 0 held")


def test_without_a_loop_of_ones_own(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same through `Client`; a job that is known is held."""
    vendor = Vendor()
    with Client("acme", **arguments(tmp_path, vendor, wait=False)) as client:
        run_id = client.upload(files(10)).run.id
    monkeypatch.setattr(Acme, "state_version", 2)
    vendor.log.clear()
    with Client("acme", **arguments(tmp_path, vendor)) as client:
        report = client.resume(run_id, on_incompatible="restart")
    assert (report.outcomes, report.exit_code, vendor.log) == ({Outcome.UNKNOWN: 1}, 4, [])
