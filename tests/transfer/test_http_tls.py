"""One exchange over TLS."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from longshore.documents import Piece
from longshore.errors import ConfigurationError
from longshore.provider import Raw
from longshore.transfer import NotSent
from longshore.transfer._http import HttpTransport
from tests.transfer.wire import (
    MIB,
    Pattern,
    answer_all,
    outgoing,
    refuse_and_stop_reading,
    serving,
)

pytestmark = pytest.mark.usefixtures("either_path")


async def test_a_certificate_nobody_vouches_for_is_refused(
    transport: HttpTransport, tls: ssl.SSLContext
) -> None:
    """Nothing is sent, and the message says what can be done."""
    async with serving(answer_all, tls) as server:
        with pytest.raises(NotSent, match=r"certificate is not trusted .*ca_bundle"):
            await transport.send(outgoing(server.url, "GET"))


async def test_no_authority_is_asked_for_where_that_is_not_what_is_wrong(
    tls: ssl.SSLContext, certificate: Path
) -> None:
    """The certificate is another host's; its authority is known."""
    transport = HttpTransport(ca_bundle=str(certificate))
    async with serving(answer_all, tls) as server:
        with pytest.raises(NotSent, match=r"certificate is not trusted .*localhost") as caught:
            await transport.send(outgoing(server.url.replace("127.0.0.1", "localhost"), "GET"))
    assert "ca_bundle" not in str(caught.value)
    await transport.aclose()


@pytest.mark.parametrize("trusting", ["ca_bundle", "verify"])
async def test_a_large_body_passes_through_tls(
    tls: ssl.SSLContext, certificate: Path, trusting: str
) -> None:
    """With its authority named, or with checking off."""
    if trusting == "verify":
        transport = HttpTransport(verify=False)
    else:
        transport = HttpTransport(ca_bundle=str(certificate))
    body = Raw(Piece(document="d", offset=0, size=8 * MIB))
    async with serving(answer_all, tls) as server:
        for _ in range(2):
            response = await transport.send(
                outgoing(server.url, body=body, sources={"d": Pattern(8 * MIB)})
            )
            assert (response.status, len(server.peers[0].body)) == (200, 8 * MIB)
    assert len(server.peers) == 1
    await transport.aclose()


async def test_an_early_refusal_is_read_through_tls(tls: ssl.SSLContext, certificate: Path) -> None:
    """Reading while writing works on an encrypted connection as well."""
    transport = HttpTransport(ca_bundle=str(certificate), write_timeout=0.05)
    body = Raw(Piece(document="d", offset=0, size=64 * MIB))
    async with serving(refuse_and_stop_reading, tls) as server:
        response = await transport.send(
            outgoing(server.url, body=body, sources={"d": Pattern(64 * MIB)})
        )
    assert (response.status, response.body) == (403, b"expired")
    await transport.aclose()


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_bundle_that_cannot_be_used_is_a_configuration_error(
    tmp_path: Path, content: str | None
) -> None:
    """A missing file and one without certificates are told by their path."""
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    transport = HttpTransport(ca_bundle=str(bundle))
    with pytest.raises(ConfigurationError, match=r"ca\.pem") as caught:
        await transport.send(outgoing("https://127.0.0.1:1"))
    assert "PEM" in caught.value.hint
    await transport.aclose()
