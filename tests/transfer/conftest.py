"""What the tests of one exchange share."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from longshore.documents import Document, SourceFile
from longshore.transfer._http import HttpTransport
from tests.transfer.local import Local, numbers


@pytest.fixture(params=["fast", "plain"])
def either_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test over both paths."""
    monkeypatch.setenv("LONGSHORE_PLAIN_HTTP", "1" if request.param == "plain" else "")
    return str(request.param)


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport(connections=4)
    yield made
    await made.aclose()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own authority for 127.0.0.1, and its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command")
    path = tmp_path_factory.mktemp("tls")
    made = subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(path / "key"), "-out", str(path / "cert")],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    both = path / "both.pem"
    both.write_text((path / "cert").read_text() + (path / "key").read_text())
    return both


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    """Make a file of some MiB in which every position tells where it is."""
    path = tmp_path / "large.bin"
    path.write_bytes(numbers())
    with SourceFile(Document.from_path(path, id="d")) as source:
        yield Local(path, source)
