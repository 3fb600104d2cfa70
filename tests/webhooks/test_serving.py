"""``longshore webhooks serve`` as a process of its own: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytest.importorskip("uvicorn")

from longshore.cli import main
from longshore.journal import MemoryJournal
from longshore.webhooks import Receiver, _serve, app


@pytest.mark.parametrize("sent", [b"", b"POST /a HTTP/1.1\r\nHost: a\r\nX-Slow: "])
async def test_a_connection_without_a_request_loses_its_place(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some hundred that are silent, or send a head in drips, would keep all deliveries out."""
    monkeypatch.setattr(_serve, "_LONGEST", 0.05)
    ready = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = Receiver(MemoryJournal())
        server = _serve._Server(app(receiver=receiver), receiver.open, ready.set)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await ready.wait()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(sent)
        async with asyncio.timeout(20.0):
            assert await reader.read() == b""
        writer.close()
        server.should_exit = True
        await serving


async def test_where_nobody_reads_the_addresses_it_ends_in_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As `| head` leaves it: nothing is served behind anybody's back, and no traceback."""

    def ready() -> None:
        raise BrokenPipeError

    receiver = Receiver(MemoryJournal())
    server = _serve._Server(app(receiver=receiver), receiver.open, ready)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(BrokenPipeError):
        await server.serve(sockets=[listener])
    assert receiver._journal is None
    assert caplog.messages == []


async def test_a_second_signal_ends_it_in_order_too(caplog: pytest.LogCaptureFixture) -> None:
    """It waits for no connection; the journal is closed all the same, and no traceback."""

    def ready() -> None:
        server.should_exit = server.force_exit = True

    receiver = Receiver(MemoryJournal())
    server = _serve._Server(app(receiver=receiver), receiver.open, ready)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await server.serve(sockets=[listener])
    assert receiver._journal is None
    assert caplog.messages == []


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


def test_a_journal_that_cannot_be_used_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by any other command: 3 would say that some document needs action."""
    file = tmp_path / "journal.db"
    file.write_text("no journal")
    assert main(["webhooks", "serve", "--port", "0", "--journal", str(file)]) == 2
    assert "journal.db is not a journal" in capsys.readouterr().err


def test_a_place_that_cannot_be_used_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint says whether port or host is to be another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["webhooks", "serve", "--port", port]) == 2
    assert "--port 0 takes a free one" in capsys.readouterr().err

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert main(["webhooks", "serve", "--host", "hooks.invalid"]) == 2
    assert "check --host" in capsys.readouterr().err
