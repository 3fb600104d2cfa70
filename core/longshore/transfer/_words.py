"""What went wrong on the network, in a few words for people; nothing secret is in them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx

from longshore.redaction import cut, redact_text

__all__ = ["no_answer", "no_connection", "short"]

_LONGEST = 200
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})  # OpenSSL's codes, X509_V_ERR_...


def no_connection(error: httpx.TransportError) -> str:
    """Say why there is no connection."""
    if isinstance(error, httpx.PoolTimeout):
        return "no connection was free"
    if isinstance(error, httpx.TimeoutException):
        return "no connection in time"
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                why = f"the server's certificate is not trusted ({cause.verify_message})"
                unknown = cause.verify_code in _UNKNOWN_AUTHORITY
                return f"{why}; name its authority with ca_bundle" if unknown else why
            case ssl.SSLError():
                return f"no TLS connection ({cause.reason or 'the handshake failed'})"
            case socket.gaierror():
                return f"the name is not known ({cause.strerror})"
            case ConnectionRefusedError():
                return "connection refused"
            case OSError(strerror=str(text)):
                return text
    return short(error)


def no_answer(error: Exception, seconds: float) -> str:
    """Say why there is no answer, for which ``seconds`` were given."""
    if isinstance(error, httpx.ReadTimeout):
        return f"no answer within {round(seconds, 2):g} s"
    if isinstance(error, httpx.WriteTimeout):
        return "the request was no longer taken"
    if isinstance(error, httpx.ReadError | httpx.WriteError):
        return "the connection broke"
    return short(error)


def short(error: Exception) -> str:
    """Say what an error says itself."""
    return cut(redact_text(str(error) or type(error).__name__), _LONGEST)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what led to an error, nearest first."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):  # one error for each address that was tried
            cause = cause.exceptions[0]
        yield cause
        cause = cause.__cause__ or cause.__context__
