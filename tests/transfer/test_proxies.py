"""Proxies of the environment: what they refuse, and what is said of them."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httpx
import pytest

from longshore.errors import ConfigurationError
from longshore.transfer import NotSent
from longshore.transfer._http import HttpTransport
from tests.transfer.wire import OK, Peer, answering, outgoing, serving

pytestmark = pytest.mark.usefixtures("either_path")


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"SSH-2.0-OpenSSH\r\n\r\n", b"", None],
    ids=["status", "garbage", "end", "silence"],
)
async def test_a_proxy_that_makes_no_tunnel_was_not_sent(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    """Proxies of the environment are used; what fails there did not reach the vendor."""

    async def refuse(peer: Peer) -> None:
        await peer.take()
        if answer is None:
            await asyncio.Event().wait()
        peer.writer.write(answer or b"")

    async with serving(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:hunter2@"))
        transport = HttpTransport()
        place = proxy.url.removeprefix("http://")
        with pytest.raises(
            NotSent, match=rf"^vendor\.example \(by the proxy {place} .*\): "
        ) as caught:
            await transport.send(outgoing("https://vendor.example/x", timeout=0.1))
        await transport.aclose()
    assert proxy.peers[0].head.startswith(b"CONNECT vendor.example:443 ")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_wants_credentials_is_a_setting_to_check(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """The vendor refused nothing; and who tries a wrong password again may lock the account."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    async with serving(answering(refusal)) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url.replace("//", "//me:hunter2@"))
        place = proxy.url.removeprefix("http://")
        with pytest.raises(ConfigurationError, match=rf"^the proxy {place} .*407") as caught:
            await transport.send(outgoing(f"{scheme}://vendor.example/x"))
    assert "user and password" in caught.value.hint
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_a_proxy_says_of_credentials_is_cut_and_without_them(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """The reason beside its status is any text: it may repeat what it was given."""
    said = b"Basic bWU6aHVudGVyMg== is unknown " + b"x" * 4000
    async with serving(answering(b"HTTP/1.1 407 " + said + b"\r\n\r\n")) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url.replace("//", "//me:hunter2@"))
        with pytest.raises(ConfigurationError, match="407") as caught:
            await transport.send(outgoing(f"{scheme}://vendor.example/x"))
    assert "bWU6" not in caught.value.message
    assert len(caught.value.message) < 400


async def test_a_proxy_that_is_not_there_is_told(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks for the fault at the vendor."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with pytest.raises(NotSent, match=r"^vendor\.example \(by the proxy .*\): connection refused"):
        await transport.send(outgoing("http://vendor.example/x"))


async def test_a_socks_proxy_that_refuses_a_password_is_a_setting_to_check(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at any other proxy; the words are httpcore's."""

    async def refuse(*_: Any) -> None:
        raise httpx.ProxyError("Invalid username/password")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", refuse)
    monkeypatch.setenv("ALL_PROXY", "http://me:hunter2@127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="wants other credentials: Invalid user"):
        await transport.send(outgoing("http://vendor.example/x"))


@pytest.mark.parametrize(
    "proxy",
    [
        "::::",
        "gopher://127.0.0.1:1",
        "http://me:hunter2@127.0.0.1:x",
        "http://me:hunter2/@127.0.0.1:1",
        "http://me:1/hunter2@127.0.0.1:1",
        "http://me:1#hunter2@127.0.0.1:1",
        "http://me:@hunter2/@127.0.0.1:1",
    ],
)
async def test_a_proxy_that_is_none_is_a_setting_to_check(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """It comes from the environment, which the message names; a password in it stays there."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="proxy that the environment names") as caught:
        await transport.send(outgoing("http://vendor.example/x"))
    assert "ALL_PROXY" in caught.value.hint
    assert "hunter2" not in caught.value.message


async def test_a_proxy_without_its_package_is_told_to_who_would_go_by_it(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to install is said; a host that NO_PROXY names is asked all the same."""
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://me:hunter2@127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with serving(answering(OK)) as server:
        assert (await transport.send(outgoing(server.url))).status == 200
    with pytest.raises(ConfigurationError, match=r"^vendor\.example: .* SOCKS") as caught:
        await transport.send(outgoing("http://vendor.example/x"))
    assert "httpx[socks]" in caught.value.hint
    assert "hunter2" not in caught.value.message
