"""The shell over real loopback: bodies, drops, signed URLs, inspection, life and death."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from longshore.sandbox import (
    Call,
    Dropped,
    Faults,
    Reply,
    RunningSandbox,
    Storage,
    Vendor,
    asgi_app,
    route,
    serve,
)

NOW = 1_700_000_000.0


class Echo(Vendor):
    name = "echo"
    home = "https://echo.example"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.storage = Storage("https://s3.example", "b1")
        self.storages.append(self.storage)
        self.acted: list[str] = []

    @route("POST", "/echo/{word}")
    @route("GET", "/echo/{word}")
    def echo(self, call: Call, now: float, word: str) -> Reply:
        self.acted.append(word)
        return Reply.json(200, {"word": word, "sha256": call.body.sha256, "now": now})

    @route("POST", "/form")
    def form(self, call: Call, now: float) -> Reply:
        return Reply.json(200, [[part.filename, part.blob.sha256] for part in call.form()])

    @route("POST", "/url")
    def url(self, call: Call, now: float) -> Reply:
        return Reply.text(200, self.storage.presign("PUT", "a b/ü", now=now, expires=60))


class Other(Echo):
    name = "other"


PLAN = json.dumps(
    [{"path": f"/echo/{when}", "drop": when} for when in ("before", "during", "after")]
    + [{"path": "/echo/cut", "truncate": 5}, {"path": "/echo/late", "delay": 0.05}]
    + [{"path": "/storage/*", "method": "PUT", "nth": 2, "expired": 3600}]
)


@pytest.fixture(scope="module")
def echo() -> Echo:
    return Echo()


@pytest.fixture(scope="module")
def running(echo: Echo) -> Iterator[RunningSandbox]:
    with serve([echo, Other()], faults=Faults.from_json(PLAN), clock=lambda: NOW) as sandbox:
        yield sandbox


@pytest.fixture
def client(running: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.urls["echo"], trust_env=False) as client:
        yield client


def test_a_vendor_lives_below_its_prefix(client: httpx.Client) -> None:
    """Paths arrive raw below the prefix; the clock given is the vendor's and the Date header's."""
    reply = client.post("/echo/a%2Fb%20c", content=b"hi")
    assert reply.json() == {
        "word": "a/b c",
        "sha256": hashlib.sha256(b"hi").hexdigest(),
        "now": NOW,
    }
    assert reply.headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert client.post("/nowhere").status_code == 404


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_drop_really_ends_the_connection(client: httpx.Client, echo: Echo, when: str) -> None:
    """The client sees a broken connection and no status; only "after" has acted."""
    with pytest.raises(httpx.TransportError):
        client.post(f"/echo/{when}", content=b"x" * 3_000_000)
    assert (when in echo.acted) == (when == "after")
    assert client.get("/echo/fine").status_code == 200


def test_a_cut_answer_is_seen_as_cut(client: httpx.Client) -> None:
    """Fewer bytes come than the Content-Length says, then the connection ends."""
    with pytest.raises(httpx.RemoteProtocolError, match="received 5 bytes"):
        client.get("/echo/cut")


def test_a_late_answer_is_late(client: httpx.Client) -> None:
    """A delay outlasts a shorter read time-out."""
    with pytest.raises(httpx.ReadTimeout):
        client.get("/echo/late", timeout=0.02)


def test_signed_urls_work_on_the_port(client: httpx.Client, running: RunningSandbox) -> None:
    """The storage is served below the vendor, verifies host and path, and can be made to expire."""
    url = client.post("/url").text
    assert url.startswith(running.urls["echo"] + "/storage/b1/a%20b/%C3%BC?")
    assert [client.put(url, content=b"abc").status_code for _ in range(3)] == [200, 403, 200]
    assert client.put(url.replace("127.0.0.1", "localhost"), content=b"abc").status_code != 200
    assert running.state("echo")["parts"] == {"a b/ü": {"1": 2}}


def test_the_end_of_an_answer_waits_for_nothing(
    client: httpx.Client, running: RunningSandbox
) -> None:
    """Head and body leave at once: no body waits for the acknowledgement of its head, 40 ms."""
    client.get("/echo/a")
    (connection,) = running._house.transports.values()
    plug = connection.get_extra_info("socket")
    assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_put_without_a_length_is_refused(client: httpx.Client) -> None:
    """A chunked PUT reaches the storage as what it is: 411."""
    reply = client.put(client.post("/url").text, content=iter([b"abc"]))
    assert (reply.status_code, b"MissingContentLength" in reply.content) == (411, True)


def test_a_large_body_does_not_take_memory(running: RunningSandbox) -> None:
    """A form of 64 MiB is received, parsed and hashed within 8 MiB of Python memory."""
    chunk, count = os.urandom(1 << 20), 64
    head = b'--B\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\n\r\n'
    length = len(head) + count * len(chunk) + len(b"\r\n--B--\r\n")
    address = urlsplit(running.urls["echo"])
    tracemalloc.start()
    with closing(http.client.HTTPConnection(address.netloc)) as connection:
        connection.putrequest("POST", "/echo/form")
        connection.putheader("Content-Type", "multipart/form-data; boundary=B")
        connection.putheader("Content-Length", str(length))
        connection.endheaders(head)
        for _ in range(count):
            connection.send(chunk)
        connection.send(b"\r\n--B--\r\n")
        answer = json.loads(connection.getresponse().read())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(chunk)
    assert answer == [["a.bin", digest.hexdigest()]]
    assert peak < 8 << 20


def test_a_client_that_goes_away_is_counted(running: RunningSandbox) -> None:
    """Half a body leaves no trace but a count."""
    address = urlsplit(running.urls["other"])
    with closing(http.client.HTTPConnection(address.netloc)) as connection:
        connection.putrequest("POST", "/other/echo/half")
        connection.putheader("Content-Length", "3000000")
        connection.endheaders(b"x" * 2_000_000)
    with httpx.Client(trust_env=False) as client:
        state: dict[str, Any] = {"calls": {}}
        for _ in range(200):
            state = client.get(running.urls["other"] + "/_sandbox/state").json()
            if state["calls"]:
                break
    assert state["calls"]["POST /echo/{word}"]["answers"] == {"incomplete": 1}


def test_inspection_is_neutral(client: httpx.Client, running: RunningSandbox) -> None:
    """Each vendor shows its state, the root shows all of them, and none of it is counted."""
    state = client.get("/_sandbox/state").json()
    expected = {"vendor", "calls", "documents", "jobs", "parts", "duplicates"}
    assert set(state) == expected
    assert not [name for name in state["calls"] if "_sandbox" in name]
    root = running.urls["echo"].removesuffix("/echo")
    with httpx.Client(base_url=root, trust_env=False) as all_of_them:
        assert all_of_them.get("/_sandbox/state").json().keys() == {"echo", "other"}
        assert all_of_them.get("/").json() == {"sandboxes": running.urls}


def test_the_port_is_free_after_closing() -> None:
    """Closing stops the server and its files; two vendors of one name are refused."""
    with serve([Echo()]) as sandbox:
        url = sandbox.urls["echo"]
        assert httpx.post(url + "/echo/a", content=b"x" * 2_000_000).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(url + "/echo/a")
    with pytest.raises(ValueError, match="different names"):
        serve([Echo(), Echo()])


def test_in_process_the_real_host_name_is_kept() -> None:
    """As an ASGI application a vendor answers at its documented URL; a drop is raised."""

    async def calls() -> tuple[int, str]:
        app = asgi_app(Echo(), faults=Faults.from_json(PLAN), clock=lambda: NOW)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport) as client:
            url = (await client.post("https://echo.example/url")).text
            with pytest.raises(Dropped, match="after"):
                await client.get("https://echo.example/echo/after")
            return (await client.put(url, content=b"abc")).status_code, url

    status, url = asyncio.run(calls())
    assert (status, url.split("?")[0]) == (200, "https://s3.example/b1/a%20b/%C3%BC")


FOREVER = """
from longshore.sandbox import Reply, Vendor, route, run_forever

class Keeper(Vendor):
    kept = []

    @route("POST", "/keep")
    def keep(self, call, now):
        self.kept.append(call.body)
        return Reply.empty()

run_forever([Keeper()], ready=lambda urls: print(urls["vendor"], flush=True))
print("over", flush=True)
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("sent", "output", "code"), [(signal.SIGINT, "over\n", 0), (signal.SIGTERM, "", -15)]
)
def test_forever_ends_with_a_signal(
    tmp_path: Path, sent: signal.Signals, output: str, code: int
) -> None:
    """In the foreground the sandbox tells its URL, serves, and on a signal cleans up and ends."""
    command = [sys.executable, "-c", FOREVER]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        httpx.post(url + "/keep", content=b"x" * 2_000_000, trust_env=False).raise_for_status()
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(sent)
        assert (process.stdout.read(), process.wait(timeout=10)) == (output, code)
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_the_error_names_it(tmp_path: Path) -> None:
    """Where Starlette is missing, the pure kit works and the shell says what to install."""
    code = (
        "import sys; sys.modules['starlette'] = None\n"
        "from longshore.sandbox import Vendor\n"
        "try:\n    from longshore.sandbox import serve\n"
        "except ImportError as error:\n    print(error)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "longshore[sandbox]" in output
