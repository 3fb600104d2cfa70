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
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias, cast

import httpcore
import httpx

from longshore._switch import is_on
from longshore.errors import ConfigurationError, ProtocolError
from longshore.provider import Headers, Response
from longshore.redaction import redact_text
from longshore.transfer._address import Place, address
from longshore.transfer._body import Body
from longshore.transfer._decoded import decoded
from longshore.transfer._early import read_while_writing
from longshore.transfer._fast import FastPool, install
from longshore.transfer._fast_reply import SLOWEST, too_large
from longshore.transfer._port import AnswerLost, NotSent, Outgoing
from longshore.transfer._proxies import ProxyingClient

__all__ = ["HttpTransport"]

_Headers: TypeAlias = list[tuple[bytes, bytes]]

_KEEP_ALIVE = 3.0  # short: a connection the vendor has just closed costs a lost answer
_NO_AUTH = httpx.Auth()  # else httpx would put a user name in the URL above our credentials
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
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
        self._client: httpx.AsyncClient | None = None
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
            ConfigurationError: the CA bundle, or a proxy of the environment, cannot be used.
        """
        client = self._client = self._client or self._open()
        place, target = address(outgoing.url)
        headers = self._headers(outgoing, place)
        try:
            if self._fast is not None and not self._proxied and _untouched():
                return await self._shortly(self._fast, outgoing, place, target, headers)
            return await self._exchange(client, outgoing, headers)
        except _NOT_SENT as error:
            where = f"{place.host}{_by_proxy(client, outgoing.url)}"
            raise NotSent(f"{where}: {_no_connection(error)}") from error
        except httpx.LocalProtocolError:  # its text quotes the header, which may be a credential
            raise ProtocolError(
                f"{place.host}: not a request that HTTP can carry",
                hint="check the headers",
            ) from None
        except (httpx.RequestError, httpx.StreamError, OSError) as error:
            where = f"{place.host}{_by_proxy(client, outgoing.url)}"
            raise AnswerLost(f"{where}: {_no_answer(error, outgoing)}") from error

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

    async def _exchange(
        self, client: httpx.AsyncClient, outgoing: Outgoing, headers: _Headers
    ) -> Response:
        request = httpx.Request(
            outgoing.method,
            outgoing.url,
            headers=headers,
            stream=Body(outgoing, self._threads),
            extensions={"timeout": self._timeout(outgoing)},
        )
        if self._fast is not None:
            transport = client._transport_for_url(request.url)  # noqa: SLF001 - it knows the proxies
            answer = await transport.handle_async_request(request)
        else:
            answer = await client.send(request, stream=True, auth=_NO_AUTH)
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

    def _open(self) -> httpx.AsyncClient:
        limits = httpx.Limits(
            max_connections=self._connections,
            max_keepalive_connections=self._connections,
            keepalive_expiry=_KEEP_ALIVE,
        )
        cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # it takes none
        if self._inner is not None:
            return httpx.AsyncClient(transport=self._inner, cookies=cookies)
        context = _ssl_context(self._ca_bundle, verify=self._verify)
        try:
            client = ProxyingClient(verify=context, limits=limits, cookies=cookies)
        except (ImportError, ValueError, httpx.InvalidURL) as error:  # what it makes of the proxies
            raise ConfigurationError(
                f"the proxy that the environment names cannot be used: {_short(error)}",
                hint="check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, and NO_PROXY; * there is no proxy",
            ) from error
        self._proxied = any(client._mounts.values())  # noqa: SLF001 - NO_PROXY alone is none
        if not self._plain:
            self._fast = install(
                client,
                context=context,
                keep_alive=_KEEP_ALIVE,
                max_reply=self._max_reply,
                threads=self._threads,
            )
        read_while_writing(client)  # what is left to httpcore: proxies at least
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


def _untouched() -> bool:
    """Tell whether httpx's transport is its own: a recorder puts another function in there."""
    handle = httpx.AsyncHTTPTransport.handle_async_request
    return getattr(handle, "__globals__", {}).get("__name__") == "httpx._transports.default"


def _ssl_context(ca_bundle: str | None, *, verify: bool) -> ssl.SSLContext:
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    given = f"SSL_CERT_FILE {file}" if file else f"SSL_CERT_DIR {folder}"
    try:
        if not verify or not ca_bundle:
            return _usual_context(verify, file, folder)
        given, is_folder = f"ca_bundle {ca_bundle}", Path(ca_bundle).is_dir()
        return ssl.create_default_context(
            cafile=None if is_folder else ca_bundle, capath=ca_bundle if is_folder else None
        )
    except OSError as error:  # ssl.SSLError is one
        hint = "name a file (or an OpenSSL folder) of PEM certificates"
        if error.filename and error.filename == os.environ.get("SSLKEYLOGFILE"):
            given, hint = f"SSLKEYLOGFILE {error.filename}", "unset it, or name another file"
        raise ConfigurationError(f"{given}: {error.strerror or error}", hint=hint) from error


@lru_cache(maxsize=4)  # some hundred certificates are read: 50 ms, for every run of a process
def _usual_context(verify: bool, _file: str | None, _folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=verify)


def _by_proxy(client: httpx.AsyncClient, url: str) -> str:
    """Say so where a proxy stands between, which may be the one that does not work."""
    own = client._transport_for_url(httpx.URL(url)) is client._transport  # noqa: SLF001
    return "" if own else " (by the proxy that the environment names)"


def _no_connection(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.PoolTimeout):
        return "no connection was free"
    if isinstance(error, httpx.TimeoutException):
        return "no connection in time"
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return (
                    f"the server's certificate is not trusted ({cause.verify_message}); "
                    "name its authority with ca_bundle"
                )
            case ssl.SSLError():
                return f"no TLS connection ({cause.reason or 'the handshake failed'})"
            case socket.gaierror():
                return f"the name is not known ({cause.strerror})"
            case ConnectionRefusedError():
                return "connection refused"
            case OSError(strerror=str(text)):
                return text
    return _short(error)


def _no_answer(error: Exception, outgoing: Outgoing) -> str:
    if isinstance(error, httpx.ReadTimeout):
        return f"no answer within {outgoing.timeout:g} s"
    if isinstance(error, httpx.WriteTimeout):
        return "the request was no longer taken"
    if isinstance(error, httpx.ReadError | httpx.WriteError):
        return "the connection broke"
    return _short(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what led to an error, nearest first."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):  # one error for each address that was tried
            cause = cause.exceptions[0]
        yield cause
        cause = cause.__cause__ or cause.__context__


def _short(error: Exception) -> str:
    return redact_text(str(error) or type(error).__name__)[:200]
