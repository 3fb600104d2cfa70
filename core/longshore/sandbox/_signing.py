"""Presigned URLs of the S3 kind: Signature Version 2 and 4 in the query, made and checked.

Sources: docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html and
docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html ("Query string request
authentication alternative"). Pure: the time is an argument.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import gmtime, strftime, strptime
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from longshore.sandbox._calls import pairs_of

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
LONGEST = 604_800
SKEW = 900
_SUBRESOURCE = re.compile(
    "acl|delete|lifecycle|location|logging|notification|partNumber|policy|requestPayment|torrent|"
    "uploadId|uploads|versionId|versioning|versions|website|response-(cache-control|expires|"
    "content-(disposition|encoding|language|type))"
)
_NUMBER = re.compile(r"[0-9]{1,12}")
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Credentials:
    """The key pair and region that sign a storage's URLs; no secret in a sandbox."""

    access_key: str = "LONGSHORESANDBOX0001"
    secret_key: str = "sandbox-signing-key"  # noqa: S105
    region: str = "us-east-1"


class SignatureRefused(Exception):
    """The storage's answer to a request that is not signed as it must be."""

    def __init__(self, status: int, code: str, message: str, **details: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details


@lru_cache(maxsize=4096)
def encode(text: str, safe: str = "") -> str:
    """Percent-encode as SigV4 asks: everything but unreserved characters."""
    return quote(text, safe="-_.~" + safe)


def _query(pairs: Pairs) -> str:
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in pairs)


def _with_query(url: str, pairs: Pairs) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, _query(pairs), ""))


# ---------------------------------------------------------------- version 4


def presign_v4(
    method: str,
    url: str,
    credentials: Credentials,
    *,
    now: float,
    expires: int,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Return `url` with a version 4 signature in its query.

    Args:
        method: the only method the URL is good for.
        url: absolute; its own query is signed too.
        credentials: who signs.
        now: Unix time of signing.
        expires: seconds for which the URL holds, 1 to 604800.
        headers: headers beside `Host` that the client must send exactly so.
    """
    signed = {name.lower(): value for name, value in (headers or {}).items()}
    signed["host"] = urlsplit(url).netloc
    stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(now))
    pairs = [
        *pairs_of(urlsplit(url).query),
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{credentials.access_key}/{_scope(stamp, credentials.region)}"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", ";".join(sorted(signed))),
    ]
    path = urlsplit(url).path
    signature = _signature_v4(method, path, pairs, signed, stamp=stamp, credentials=credentials)
    return _with_query(url, [*pairs, ("X-Amz-Signature", signature)])


def _scope(stamp: str, region: str) -> str:
    return f"{stamp[:8]}/{region}/s3/aws4_request"


def _signature_v4(
    method: str,
    path: str,
    pairs: Pairs,
    headers: Mapping[str, str],
    *,
    stamp: str,
    credentials: Credentials,
) -> str:
    encoded = sorted((encode(name), encode(value)) for name, value in pairs)
    canonical = "\n".join(
        [
            method,
            encode(unquote(path), safe="/") or "/",
            "&".join(f"{name}={value}" for name, value in encoded),
            *(f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)),
            "",
            ";".join(sorted(headers)),
            headers.get("x-amz-content-sha256", UNSIGNED),
        ]
    )
    scope = _scope(stamp, credentials.region)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = _key_v4(credentials.secret_key, scope)
    return hmac.digest(key, f"{ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()


@lru_cache(maxsize=64)
def _key_v4(secret: str, scope: str) -> bytes:
    """Return the signing key, which holds for a day."""
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _verify_v4(
    method: str, url: str, headers: Mapping[str, str], credentials: Credentials, now: float
) -> None:
    pairs = pairs_of(urlsplit(url).query)
    given = dict(pairs)
    stamp, expires = given.get("X-Amz-Date", ""), given.get("X-Amz-Expires", "")
    key_id, _, scope = given.get("X-Amz-Credential", "").partition("/")
    names = given.get("X-Amz-SignedHeaders", "").split(";")
    _check_parameters(given, expires, names)
    signed_at = _moment(stamp)
    if key_id != credentials.access_key:
        raise _unknown_key(key_id)
    if scope != _scope(stamp, credentials.region):
        raise _bad_parameter("the credential's scope does not fit the date, region or service")
    _check_window(signed_at, int(expires), now)
    unsigned = [name.lower() for name in headers if name.lower().startswith("x-amz-")]
    unsigned = sorted(set(unsigned) - set(names))
    if unsigned:
        message = "There were headers present in the request which were not signed"
        raise SignatureRefused(403, "AccessDenied", message, HeadersNotSigned=", ".join(unsigned))
    known = {name.lower(): value for name, value in headers.items()} | {
        "host": urlsplit(url).netloc
    }
    signed = {name: known.get(name, "") for name in names}
    rest = [pair for pair in pairs if pair[0] != "X-Amz-Signature"]
    path = urlsplit(url).path
    expected = _signature_v4(method, path, rest, signed, stamp=stamp, credentials=credentials)
    if not _same(expected, given.get("X-Amz-Signature", "")):
        raise _mismatch(key_id)


def _moment(stamp: str) -> int:
    try:
        if _STAMP.fullmatch(stamp):
            return timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:  # the 45th of a month, for instance
        pass
    raise _bad_parameter("X-Amz-Date must be in the ISO8601 long format")


def _check_parameters(given: Mapping[str, str], expires: str, names: list[str]) -> None:
    if given.get("X-Amz-Algorithm") != ALGORITHM:
        raise _bad_parameter(f"X-Amz-Algorithm only supports {ALGORITHM}")
    if not _NUMBER.fullmatch(expires):
        raise _bad_parameter("X-Amz-Expires should be a number")
    if not 1 <= int(expires) <= LONGEST:
        raise _bad_parameter(f"X-Amz-Expires must be between 1 and {LONGEST} seconds")
    if "host" not in names or names != sorted(names):
        raise _bad_parameter("X-Amz-SignedHeaders must hold host and be sorted")


def _bad_parameter(message: str) -> SignatureRefused:
    return SignatureRefused(400, "AuthorizationQueryParametersError", message)


# ---------------------------------------------------------------- version 2


def presign_v2(
    method: str,
    url: str,
    credentials: Credentials,
    *,
    resource: str,
    now: float,
    expires: int,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Return `url` with a version 2 signature in its query.

    Args:
        method: the only method the URL is good for.
        url: absolute; of its own query, what names a part or a reply header is signed.
        credentials: who signs.
        resource: `/bucket/key` as the URL spells it (percent-encoded).
        now: Unix time of signing.
        expires: seconds for which the URL holds.
        headers: Content-Type, Content-MD5 and `x-amz-*` headers that the client must send.
            The first two also stand in the query, as common clients write them.
    """
    own = pairs_of(urlsplit(url).query)
    until = str(int(now) + expires)
    signature = _signature_v2(
        method, resource, own, headers or {}, until=until, credentials=credentials
    )
    shown = [
        (name.lower(), value)
        for name, value in (headers or {}).items()
        if name.lower() in ("content-type", "content-md5")
    ]
    key = ("AWSAccessKeyId", credentials.access_key)
    return _with_query(url, [*own, key, ("Signature", signature), *shown, ("Expires", until)])


def _signature_v2(
    method: str,
    resource: str,
    pairs: Pairs,
    headers: Mapping[str, str],
    *,
    until: str,
    credentials: Credentials,
) -> str:
    known = {name.lower(): value.strip() for name, value in headers.items()}
    amazon = [f"{name}:{known[name]}" for name in sorted(known) if name.startswith("x-amz-")]
    chosen = sorted(pair for pair in pairs if _SUBRESOURCE.fullmatch(pair[0]))
    query = "&".join(f"{name}={value}" if value else name for name, value in chosen)
    text = "\n".join(
        [
            method,
            known.get("content-md5", ""),
            known.get("content-type", ""),
            until,
            *amazon,
            resource + (f"?{query}" if query else ""),
        ]
    )
    mac = hmac.digest(credentials.secret_key.encode(), text.encode(), "sha1")
    return base64.b64encode(mac).decode()


def _verify_v2(
    method: str,
    url: str,
    headers: Mapping[str, str],
    credentials: Credentials,
    *,
    now: float,
    resource: str,
) -> None:
    pairs = pairs_of(urlsplit(url).query)
    given = dict(pairs)
    until, key_id = given.get("Expires", ""), given.get("AWSAccessKeyId", "")
    if not _NUMBER.fullmatch(until):
        raise SignatureRefused(403, "AccessDenied", f"Invalid date (should be seconds): {until}")
    if key_id != credentials.access_key:
        raise _unknown_key(key_id)
    if now > int(until):
        raise _expired(int(until), now)
    expected = _signature_v2(method, resource, pairs, headers, until=until, credentials=credentials)
    if not _same(expected, given.get("Signature", "")):
        raise _mismatch(key_id)


# ---------------------------------------------------------------- both


def verify(
    method: str,
    url: str,
    headers: Mapping[str, str],
    credentials: Credentials,
    *,
    now: float,
    resource: str,
) -> None:
    """Check the signature in a URL's query against the request that came.

    Raises:
        SignatureRefused: unsigned, signed twice, expired, wrong or incomplete.
    """
    names = {name for name, _ in pairs_of(urlsplit(url).query)}
    v4, v2 = "X-Amz-Algorithm" in names or "X-Amz-Signature" in names, "Signature" in names
    if not v4 and not v2:
        raise SignatureRefused(403, "AccessDenied", "Access Denied")
    if (v4 and v2) or any(name.lower() == "authorization" for name in headers):
        message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
        message += "Signature query string parameter or the Authorization header should be "
        raise SignatureRefused(400, "InvalidArgument", message + "specified")
    if v4:
        _verify_v4(method, url, headers, credentials, now)
    else:
        _verify_v2(method, url, headers, credentials, now=now, resource=resource)


def _check_window(signed: int, expires: int, now: float) -> None:
    if now > signed + expires:
        raise _expired(signed + expires, now)
    if now < signed - SKEW:
        raise SignatureRefused(403, "AccessDenied", "Request is not valid yet")


def _expired(until: int, now: float) -> SignatureRefused:
    form = "%Y-%m-%dT%H:%M:%SZ"
    times = {"Expires": strftime(form, gmtime(until)), "ServerTime": strftime(form, gmtime(now))}
    return SignatureRefused(403, "AccessDenied", "Request has expired", **times)


def _unknown_key(key_id: str) -> SignatureRefused:
    message = "The access key ID you provided does not exist in our records."
    return SignatureRefused(403, "InvalidAccessKeyId", message, AWSAccessKeyId=key_id)


def _mismatch(key_id: str) -> SignatureRefused:
    message = "The request signature we calculated does not match the signature you provided."
    return SignatureRefused(403, "SignatureDoesNotMatch", message, AWSAccessKeyId=key_id)


def _same(expected: str, given: str) -> bool:
    """Compare in constant time; what is given may be any text."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))
