"""``longshore webhooks serve`` as a process of its own: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytest.importorskip("uvicorn")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_supervisor_ends_it_in_order(tmp_path: Path, stop: signal.Signals) -> None:
    """However it is stopped, it counts what came, leaves with 0, and logs no address."""
    command = [sys.executable, "-m", "longshore", "webhooks", "serve", "--port", "0", "--json"]
    with subprocess.Popen(
        [*command, "--verbose", "--journal", str(tmp_path / "journal.db")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"LONGSHORE_LOG": "json"},
    ) as server:
        assert server.stdout is not None
        began = json.loads(server.stdout.readline())
        answers = [httpx.post(f"{began['url']}/a-token.{n}").status_code for n in (1, 2)]
        server.send_signal(stop)
        out, err = server.communicate(timeout=20)

    assert answers == [204, 204]
    assert json.loads(out.splitlines()[-1]) == {
        "event": "webhooks_end",
        "deliveries": {"strange": 2},
    }
    assert (server.returncode, "a-token" in err) == (0, False)
    assert [json.loads(line)["level"] for line in err.splitlines()]
