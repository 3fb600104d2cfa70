"""One HTTP exchange by httpx.

Where it can, a fast pool works below httpx's transport (``_fast.py``), and the transport is asked
directly: what ``httpx.AsyncClient`` would add (cookies, redirects, its own credentials) is not
wanted. Where nothing is between the two (no proxy, no recorder in the transport's place), the
pool is asked without the transport. Else bodies leave in chunks of 1 MiB that a worker thread
reads. Either way a cold or remote disk never stops the event loop, and what an exchange holds in
memory are a few chunks and the bounded reply, however large the file is.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import TypeAlias, cast

import httpcore
import httpx

from longshore._certificates import readable, trusting
from longshore._switch import is_on
from longshore.errors import ConfigurationError, ProtocolError
from longshore.provider import Headers, Response
from longshore.transfer._address import Place, address
from longshore.transfer._body import Body
from longshore.transfer._client import Client, Departure, is_untouched
from longshore.transfer._decoded import decoded
from longshore.transfer._early import read_while_writing
from longshore.transfer._fast import FastPool, install
from longshore.transfer._fast_reply import SLOWEST, too_large
from longshore.transfer._port import AnswerLost, NotSent, Outgoing
from longshore.transfer._words import no_answer, no_connection, short

__all__ = ["HttpTransport"]

_Headers: TypeAlias = list[tuple[bytes, bytes]]

_KEEP_ALIVE = 3.0  # short: a connection the vendor has just closed costs a lost answer
_NO_AUTH = httpx.Auth()  # else httpx would put a user name in the URL above our credentials
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_NO_ANSWER = (httpx.NetworkError, httpx.ReadTimeout, httpx.RemoteProtocolError)
_UNWELCOME = ("407", "Invalid username/password")  # of HTTP and of httpcore's SOCKS
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class HttpTransport:
    """Carries requests over HTTP/1.1; follows no redirect, keeps no cookie, retries nothing.

    Proxies come from the usual environment variables. ``LONGSHORE_PLAIN_HTTP=1`` keeps to httpx's
    own connection pool.

    Args:
        connections: at most so many requests may be in flight; the caller sees to that, because
            a pool that queues becomes slow.
        verify: check the server's certificate.
        ca_bundle: a file or folder of PEM certificates to trust instead of the usual ones.
        connect_timeout: seconds to make a connection.
        write_timeout: seconds in which something must leave.
        max_reply: bytes of a reply at most.
        inner: another carrier below httpx, such as an ASGI application's.

    Raises:
        ConfigurationError: ``LONGSHORE_PLAIN_HTTP`` is neither yes nor no.
    """

    def __init__(
        self,
        *,
        connections: int = 16,
        verify: bool = True,
        ca_bundle: str | None = None,
        connect_timeout: float = 10.0,
        write_timeout: float = 60.0,
        max_reply: int = 32 << 20,
        inner: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._plain = is_on("LONGSHORE_PLAIN_HTTP")
        self._connections = connections
        self._verify = verify
        self._ca_bundle = ca_bundle
        self._connect_timeout = connect_timeout
        self._write_timeout = write_timeout
        self._max_reply = max_reply
        self._inner = inner
        self._client: Client | None = None
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="longshore-http")
        self._fast: FastPool | None = None
        self._proxied = False
        self._agent = f"longshore/{version('longshore')}".encode()

    async def send(self, outgoing: Outgoing) -> Response:
        """Send the request once and return the answer, whatever its status.

        Raises:
            NotSent: no connection could be made, or this machine has no thread or descriptor left.
            AnswerLost: the request may have arrived, but no usable answer came back.
            SourceChanged: a file ended before all of its region was sent.
            SourceUnreadable: a file cannot be read any more.
            ProtocolError: the request is no HTTP, or the reply is larger than ``max_reply``.
            ConfigurationError: the CA bundle, or a proxy of the environment, cannot be used, or
                that proxy wants other credentials.
        """
        client = self._client = self._client or self._open()
        place, target = address(outgoing.url)
        headers = self._headers(outgoing, place)
        try:
            if self._fast is not None and not self._proxied and is_untouched():
                return await self._shortly(self._fast, outgoing, place, target, headers)
            return await self._exchange(client, outgoing, headers)
        except _NOT_SENT as error:
            proxy = client.proxy_for(outgoing.url)
            if isinstance(error, httpx.ProxyError) and str(error).startswith(_UNWELCOME):
                raise _unwelcome(proxy, short(error)) from error
            raise NotSent(f"{_way(place, proxy)}: {no_connection(error)}") from error
        except httpx.LocalProtocolError:  # its text quotes the header, which may be a credential
            raise ProtocolError(
                f"{place.host}: not a request that HTTP can carry",
                hint="check the headers",
            ) from None
        except (httpx.RequestError, httpx.StreamError, OSError) as error:
            way = _way(place, client.proxy_for(outgoing.url))
            raise AnswerLost(f"{way}: {no_answer(error, outgoing.timeout)}") from error

    async def aclose(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()
        self._threads.shutdown(wait=False)  # what waits for one finds its connection closed

    async def _shortly(
        self, pool: FastPool, outgoing: Outgoing, place: Place, target: bytes, headers: _Headers
    ) -> Response:
        """Ask the pool without httpx between, whose objects cost more than a small request."""
        method = outgoing.method.upper().encode("ascii", "replace")
        body, times = Body(outgoing, self._threads), self._timeout(outgoing)
        try:
            reply = await pool.carry(place.origin, method, target, headers, body, times=times)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise getattr(httpx, type(error).__name__)(str(error)) from error
        return self._response(reply.status, reply.fields, reply.body)

    async def _exchange(self, client: Client, outgoing: Outgoing, headers: _Headers) -> Response:
        times, departure = {"timeout": self._timeout(outgoing)}, Departure()
        proxied = self._proxied and client.proxy_for(outgoing.url) is not None
        request = httpx.Request(
            outgoing.method,
            outgoing.url,
            headers=headers,
            stream=Body(outgoing, self._threads),
            extensions={**times, "trace": departure} if proxied else times,
        )
        try:
            if self._fast is not None:
                answer = await client.transport_for(request.url).handle_async_request(request)
            else:
                answer = await client.send(request, stream=True, auth=_NO_AUTH)
        except _NO_ANSWER as error:
            if proxied and not departure.begun:  # the proxy was asked for a tunnel
                raise httpx.ProxyError(no_answer(error, outgoing.timeout)) from error
            raise
        if proxied and answer.status_code == 407:
            await answer.aclose()
            raise httpx.ProxyError(f"407 {answer.reason_phrase}")
        try:
            async with asyncio.timeout(SLOWEST * outgoing.timeout):
                body = await self._read(answer)
        except TimeoutError:
            raise httpx.ReadTimeout("timed out") from None
        finally:
            await answer.aclose()
        return self._response(answer.status_code, Headers(answer.headers), body)

    def _response(self, status: int, headers: Headers, body: bytearray) -> Response:
        encoding = headers.get("content-encoding", "")
        plain = decoded(bytes(body), encoding, most=self._max_reply, status=status)
        return Response(status, headers, plain)

    async def _read(self, answer: httpx.Response) -> bytearray:
        body = bytearray()
        # What came, not what httpx would unpack: a small reply may be packed to fill the memory.
        async for chunk in cast("httpx.AsyncByteStream", answer.stream):
            body += chunk
            if len(body) > self._max_reply:
                raise too_large(self._max_reply, answer.status_code)
        return body

    def _open(self) -> Client:
        limits = httpx.Limits(
            max_connections=self._connections,
            max_keepalive_connections=self._connections,
            keepalive_expiry=_KEEP_ALIVE,
        )
        cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # it takes none
        if self._inner is not None:
            return Client(transport=self._inner, cookies=cookies)
        context = _ssl_context(self._ca_bundle, verify=self._verify)
        try:
            client = Client(verify=context, limits=limits, cookies=cookies)
        except httpx.InvalidURL:  # its text quotes what may be a part of the password
            raise _no_proxy("it is no URL") from None
        except (ImportError, ValueError) as error:
            raise _no_proxy(short(error)) from error
        self._proxied = client.proxied
        if not self._plain:
            self._fast = install(
                client,
                context=context,
                keep_alive=_KEEP_ALIVE,
                max_reply=self._max_reply,
                threads=self._threads,
            )
        client.with_network(read_while_writing)  # what is left to httpcore: proxies at least
        return client

    def _timeout(self, outgoing: Outgoing) -> dict[str, float]:
        return {
            "connect": self._connect_timeout,
            "pool": self._connect_timeout,
            "read": outgoing.timeout,
            "write": self._write_timeout,
        }

    def _headers(self, outgoing: Outgoing, place: Place) -> _Headers:
        # No compression: what a reply costs in memory is what was received.
        headers = {
            b"host": place.netloc,
            b"user-agent": self._agent,
            b"accept": b"*/*",
            b"accept-encoding": b"identity",
        }
        for name, value in outgoing.headers.items():
            if not (value.isascii() and value.isprintable() and value == value.strip()):
                raise ProtocolError(
                    f"the header {name} has characters that HTTP cannot carry",
                    hint="check the setting it comes from for line ends and special characters",
                )
            field = name.lower()
            if field == "transfer-encoding":  # a vendor may dictate headers
                raise ProtocolError(f"the header {name} would make two lengths of one body")
            headers[field.encode("ascii", "replace")] = value.encode()
        if place.user:  # below credentials that were given
            headers.setdefault(b"authorization", b"Basic " + base64.b64encode(place.user))
        told = b"content-length" in headers or outgoing.method.upper() in _BODY_METHODS
        if outgoing.body.size or told:  # never another one than that of the body
            headers[b"content-length"] = b"%d" % outgoing.body.size
        return list(headers.items())


def _way(place: Place, proxy: str | None) -> str:
    """Name the host, and the proxy before it, which may be the one that does not work."""
    return (
        f"{place.host} (by the proxy {proxy} that the environment names)" if proxy else place.host
    )


def _no_proxy(why: str) -> ConfigurationError:
    """Make the error for a variable that names no proxy."""
    return ConfigurationError(
        f"the proxy that the environment names cannot be used: {why}",
        hint="check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY (in a password %40 is @ and %2F is /), and "
        "NO_PROXY; * there is no proxy",
    )


def _unwelcome(proxy: str | None, said: str) -> ConfigurationError:
    """Make the error for wrong credentials; to repeat them could lock the account at the proxy."""
    return ConfigurationError(
        f"the proxy {proxy} that the environment names wants other credentials: {said}",
        hint="put user and password before its host, %40 for @ and %2F for /, and resume the run",
    )


def _ssl_context(ca_bundle: str | None, *, verify: bool) -> ssl.SSLContext:
    if verify and ca_bundle:
        return trusting(ca_bundle)
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    with readable(f"SSL_CERT_FILE {file}" if file else f"SSL_CERT_DIR {folder}"):
        return _usual_context(verify, file, folder)


@lru_cache(maxsize=4)  # some hundred certificates are read: 50 ms, for every run of a process
def _usual_context(verify: bool, _file: str | None, _folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=verify)
