"""One HTTP exchange by httpx: the only module that knows which HTTP client is used.

Bodies leave in chunks of 1 MiB that a worker thread reads (measured: the hop costs some 15 % of
the speed on loopback, but a cold or remote disk never stops the event loop). What an exchange
holds in memory are a few such chunks and the bounded reply, however large the file is.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import httpx

from longshore.documents import Piece
from longshore.errors import ConfigurationError, ProtocolError, SourceChanged, SourceUnreadable
from longshore.provider import Headers, Response
from longshore.redaction import redact_text
from longshore.transfer._early import read_while_writing
from longshore.transfer._port import AnswerLost, NotSent, Outgoing

__all__ = ["HttpTransport"]

_CHUNK = 1 << 20
_READERS = 8
_KEEP_ALIVE = 3.0  # short: a connection the vendor has just closed costs a lost answer
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class HttpTransport:
    """Carries requests over HTTP/1.1; follows no redirect, keeps no cookie, retries nothing.

    Proxies come from the usual environment variables.

    Args:
        connections: at most so many requests may be in flight; the caller sees to that, because
            a pool that queues becomes slow.
        verify: check the server's certificate.
        ca_bundle: a file or folder of PEM certificates to trust instead of the usual ones.
        connect_timeout: seconds to make a connection.
        write_timeout: seconds for 1 MiB to leave.
        max_reply: bytes of a reply at most.
        inner: another carrier below httpx, such as an ASGI application's.
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
        self._connections = connections
        self._verify = verify
        self._ca_bundle = ca_bundle
        self._connect_timeout = connect_timeout
        self._write_timeout = write_timeout
        self._max_reply = max_reply
        self._inner = inner
        self._client: httpx.AsyncClient | None = None
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="longshore-read")
        self._agent = f"longshore/{version('longshore')}"

    async def send(self, outgoing: Outgoing) -> Response:
        """Send the request once and return the answer, whatever its status.

        Raises:
            NotSent: no connection could be made.
            AnswerLost: the request may have arrived, but no usable answer came back.
            SourceChanged: a file ended before all of its region was sent.
            SourceUnreadable: a file cannot be read any more.
            ProtocolError: the request is no HTTP, or the reply is larger than ``max_reply``.
            ConfigurationError: the CA bundle cannot be used.
        """
        client = self._client = self._client or self._open()
        request = self._request(outgoing)
        try:
            return await self._exchange(client, request)
        except _NOT_SENT as error:
            raise NotSent(f"{request.url.host}: {_no_connection(error)}") from error
        except httpx.LocalProtocolError:  # its text quotes the header, which may be a credential
            raise ProtocolError(
                f"{request.url.host}: not a request that HTTP can carry",
                hint="check the headers",
            ) from None
        except (httpx.RequestError, httpx.StreamError, OSError) as error:
            raise AnswerLost(f"{request.url.host}: {_no_answer(error, outgoing)}") from error

    async def aclose(self) -> None:
        """Close all connections."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            await self._client.aclose()

    async def _exchange(self, client: httpx.AsyncClient, request: httpx.Request) -> Response:
        # An empty Auth, because httpx would put a user name in the URL above our credentials.
        auth = httpx.Auth() if "authorization" in request.headers else httpx.USE_CLIENT_DEFAULT
        answer = await client.send(request, stream=True, auth=auth)
        try:
            body = await self._read(answer)
        finally:
            await answer.aclose()
        return Response(answer.status_code, Headers(answer.headers), body)

    async def _read(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > self._max_reply:
                raise ProtocolError(
                    f"the reply is larger than {self._max_reply:,} bytes",
                    status=answer.status_code,
                )
        return bytes(body)

    def _open(self) -> httpx.AsyncClient:
        limits = httpx.Limits(
            max_connections=self._connections,
            max_keepalive_connections=self._connections,
            keepalive_expiry=_KEEP_ALIVE,
        )
        if self._inner is not None:
            return httpx.AsyncClient(transport=self._inner)
        context = _ssl_context(self._ca_bundle, verify=self._verify)
        client = httpx.AsyncClient(verify=context, limits=limits)
        read_while_writing(client)
        return client

    def _request(self, outgoing: Outgoing) -> httpx.Request:
        return httpx.Request(
            outgoing.method,
            _url(outgoing.url),
            headers=self._headers(outgoing),
            content=self._content(outgoing),
            extensions={"timeout": self._timeout(outgoing)},
        )

    def _timeout(self, outgoing: Outgoing) -> dict[str, float]:
        return {
            "connect": self._connect_timeout,
            "pool": self._connect_timeout,
            "read": outgoing.timeout,
            "write": self._write_timeout,
        }

    def _headers(self, outgoing: Outgoing) -> dict[str, str]:
        # No compression: what a reply costs in memory is what was received.
        headers = {"user-agent": self._agent, "accept": "*/*", "accept-encoding": "identity"}
        for name, value in outgoing.headers.items():
            if not (value.isascii() and value.isprintable() and value == value.strip()):
                raise ProtocolError(
                    f"the header {name} has characters that HTTP cannot carry",
                    hint="check the setting it comes from for line ends and special characters",
                )
            headers[name.lower()] = value
        if outgoing.body.size or outgoing.method.upper() in _BODY_METHODS:
            headers["content-length"] = str(outgoing.body.size)
        return headers

    def _content(self, outgoing: Outgoing) -> bytes | httpx.AsyncByteStream | None:
        segments = outgoing.body.segments
        if any(isinstance(segment, Piece) for segment in segments):
            return _Body(outgoing, self._readers)
        return b"".join(s for s in segments if isinstance(s, bytes)) or None


class _Body(httpx.AsyncByteStream):
    """Reads the body while it is sent; may be read more than once."""

    def __init__(self, outgoing: Outgoing, readers: ThreadPoolExecutor) -> None:
        self._outgoing = outgoing
        self._readers = readers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        chunks = _chunks(self._outgoing)
        while chunk := await loop.run_in_executor(self._readers, next, chunks, None):
            data, of_files = chunk
            if of_files and self._outgoing.throttle is not None:
                await self._outgoing.throttle(of_files)
            yield data
            if of_files:
                self._outgoing.progress(of_files)


def _chunks(outgoing: Outgoing) -> Iterator[tuple[bytes, int]]:
    """Yield the body in chunks of about 1 MiB, with the number of bytes that come from files.

    Short segments travel together, so that a small form is one write.
    """
    parts: list[bytes] = []
    size = of_files = 0
    for segment in outgoing.body.segments:
        for data in (segment,) if isinstance(segment, bytes) else _region(outgoing, segment):
            parts.append(data)
            size += len(data)
            of_files += len(data) if isinstance(segment, Piece) else 0
            if size >= _CHUNK:
                yield b"".join(parts), of_files
                parts, size, of_files = [], 0, 0
    if size:
        yield b"".join(parts), of_files


def _region(outgoing: Outgoing, piece: Piece) -> Iterator[bytes]:
    source = outgoing.sources[piece.document] if piece.size else None
    while source is not None and piece.size:
        try:
            data = source.read(piece.offset, min(piece.size, _CHUNK))
        except OSError as error:
            raise SourceUnreadable(
                f"the file cannot be read any more: {error.strerror}", document=piece.document
            ) from error
        if not data:
            raise SourceChanged(
                f"the file ended {piece.size:,} bytes early while it was sent",
                document=piece.document,
                hint="upload it again when it is no longer being written",
            )
        yield data
        piece = piece.skip(len(data))


def _url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
        if url.scheme in ("http", "https") and url.host:
            return url
        wrong = "it needs http:// or https:// and a host"
    except httpx.InvalidURL as error:
        wrong = str(error)
    raise ProtocolError(f"not an address that can be asked: {wrong}", hint="check base_url")


def _ssl_context(ca_bundle: str | None, *, verify: bool) -> ssl.SSLContext:
    if not verify or not ca_bundle:
        return httpx.create_ssl_context(verify=verify)
    try:
        folder = Path(ca_bundle).is_dir()
        return ssl.create_default_context(
            cafile=None if folder else ca_bundle, capath=ca_bundle if folder else None
        )
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"ca_bundle {ca_bundle}: {error.strerror or error}",
            hint="name a file (or an OpenSSL folder) of PEM certificates",
        ) from error


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
