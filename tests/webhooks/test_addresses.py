"""The address that a vendor is told: what the setting says, with the batch's own token."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from longshore.cli import main
from longshore.documents import Document
from longshore.errors import PluginError
from longshore.lifecycle import Batch, Setup
from longshore.plugins import load_plugins
from longshore.provider import Json
from longshore.webhooks import app

PLANS = Batch(
    id="b1",
    documents=(Document(id="d1", name="a.pdf", size=3),),
    setup=Setup(data={"project": "p1"}),
)


def registered(batch: Batch, **settings: Any) -> Any:
    """Return the address in the request that makes a job."""
    kind = load_plugins().provider("plangrep")
    given = {"api_key": SecretStr("key-123456"), "project_id": "p1", **settings}
    request = next(kind(kind.Settings(**given)).start(batch))
    body = getattr(request, "body", None)
    assert isinstance(body, Json)
    assert isinstance(body.value, dict)
    return body.value.get("webhookUrl")


def test_the_batch_s_own_address_is_registered() -> None:
    """The engine put the token in; the provider only hands it on."""
    batch = PLANS.model_copy(update={"callback": "https://hooks.example/b1.mac"})
    hook = "https://hooks.example/{token}"

    assert registered(batch, webhook_url=hook) == "https://hooks.example/b1.mac"
    assert registered(PLANS) is None


def test_the_address_is_not_shown() -> None:
    """A batch can be printed."""
    assert "mac" not in repr(PLANS.model_copy(update={"callback": "https://x.example/b1.mac"}))


@pytest.mark.process
def test_the_command_serves_and_says_what_to_set(tmp_path: Path) -> None:
    """It tells the setting of each vendor, takes a delivery, and counts at the end."""
    command = [
        sys.executable, "-m", "longshore", "webhooks", "serve", "--port", "0", "--json",
        "--journal", str(tmp_path / "journal.db"), "--public-url", "https://hooks.example/",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as serving:
        assert serving.stdout is not None
        said = json.loads(serving.stdout.readline())
        port = int(said["url"].rpartition(":")[2])
        status = asyncio.run(_post(port, b"b1.nobody"))
        serving.send_signal(2)
        out, err = serving.communicate(timeout=20)

    assert said["variables"] == {"LONGSHORE_PLANGREP_WEBHOOK_URL": "https://hooks.example/{token}"}
    assert status == b"HTTP/1.1 204 No Content"
    assert json.loads(out) == {"event": "webhooks_end", "deliveries": {"strange": 1}}
    assert b"nobody" not in err


async def _post(port: int, token: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /" + token + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    line = await reader.readline()
    writer.close()
    return line.strip()


def test_a_public_address_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told before anything is served."""
    assert main(["webhooks", "serve", "--public-url", "hooks.example"]) == 2
    assert "no address" in capsys.readouterr().err


def test_the_address_of_a_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same at every call; it is the only line."""
    command = [
        "webhooks", "address", "sendai", "--public-url", "https://hooks.example",
        "--journal", str(tmp_path / "journal.db"),
    ]  # fmt: skip
    told = []
    for _ in range(2):
        assert main(command) == 0
        told.append(capsys.readouterr().out)

    assert told[0] == told[1]
    assert told[0].startswith("https://hooks.example/to-sendai.")
    assert len(told[0].splitlines()) == 1


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Starlette the hint names the extra."""
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    monkeypatch.delitem(sys.modules, "longshore.webhooks._app", raising=False)
    with pytest.raises(PluginError) as caught:
        app()

    assert caught.value.hint == "pip install 'longshore[webhooks]'"


@pytest.mark.parametrize(
    "url",
    [
        "hooks.example.com", "ftp://hooks.example.com", "https://", "https://[bad",
        "https://hooks.example.com:123456", "https://hooks.example.com/?to=us",
        "https://hooks.example.com/{token}", "https://hooks.example.com ",
    ],
)  # fmt: skip
def test_a_public_address_must_be_one(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A vendor would call nobody."""
    assert main(["webhooks", "address", "plangrep", "--public-url", url]) == 2
    assert f"--public-url {url}: no address" in capsys.readouterr().err
