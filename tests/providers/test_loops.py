"""Every vendor from a service that runs on another event loop than asyncio's own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from longshore import AsyncClient, Outcome
from longshore.cli._sandbox import make_vendors, variables
from longshore.plugins import load_plugins
from longshore.sandbox import serve

if sys.platform == "win32":  # there is none
    pytest.skip("uvloop is not made for Windows", allow_module_level=True)

import uvloop


@pytest.mark.parametrize("plain", ["0", "1"])
@pytest.mark.parametrize(
    ("provider", "ending"),
    [("geolens", "csv"), ("plangrep", "pdf"), ("sendai", "pdf"), ("subworkflow", "pdf")],
)
def test_over_sockets(
    provider: str, ending: str, plain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small and large bodies, by the transport's own connections and by httpx's."""
    monkeypatch.setenv("LONGSHORE_PLAIN_HTTP", plain)
    vendors = make_vendors(load_plugins(), [provider], [])
    paths = [tmp_path / f"{size}.{ending}" for size in (10, 300_000, 3_000_000)]
    for path in paths:
        path.write_bytes(b"x" * int(path.stem))

    async def run() -> Mapping[Outcome, int]:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        async with AsyncClient(provider, journal=tmp_path / "journal.db") as client:
            return (await client.upload(paths)).outcomes

    with serve(vendors):
        for name, value in variables(load_plugins(), vendors[0]).items():
            monkeypatch.setenv(name, "0.02" if name.endswith("_POLL_INTERVAL") else value)
        assert uvloop.run(run()) == {Outcome.SUCCEEDED: 3}
