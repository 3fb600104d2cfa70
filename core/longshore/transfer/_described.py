"""A request as a flow describes it becomes one that can leave: body, address, credentials.

What a provider makes of it may be wrong: such a mistake bears its name.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from longshore._faults import asked, broke_off
from longshore.errors import PluginError, ProtocolError
from longshore.provider import Provider, ProviderSettings, Request
from longshore.redaction import redact_text
from longshore.transfer._segments import Encoded, encode

__all__ = ["check_absolute", "encoded", "fields_of", "signed"]

_WITH_BODY = ("POST", "PUT", "PATCH")


def encoded(provider: Provider[ProviderSettings], request: Request, key: str) -> Encoded:
    """Encode the body that a flow described.

    Raises:
        PluginError: it is none that a request can carry.
    """
    try:
        return encode(request.body, f"longshore-{key}")
    except Exception as error:
        raise broke_off(provider.name, f"the body of {request.url}", error) from error


def signed(provider: Provider[ProviderSettings], request: Request, now: float) -> Request:
    """Have the provider add its credentials.

    Raises:
        PluginError: it raises something else than our errors, or returns no request.
    """
    made: object = asked(provider.name, "sign", provider.sign, request, now)
    if not isinstance(made, Request):
        raise PluginError(f"sign returns {type(made).__name__}, and not Request")
    return made


def fields_of(request: Request, body: Encoded) -> dict[str, str]:
    """Return the header fields of a request, those of its body included.

    Raises:
        PluginError: one of them is no text.
    """
    fields = dict(request.headers)
    for name, value in fields.items():
        if not isinstance(value, str):
            raise PluginError(f"the header {name} is no text, but {type(value).__name__}")
    if body.content_type and "content-type" not in {name.lower() for name in fields}:
        fields["Content-Type"] = body.content_type
    if request.body is not None or request.method in _WITH_BODY:
        fields["Content-Length"] = str(body.size)
    return fields


def check_absolute(url: str, base: str) -> None:
    """Look whether an address that a vendor gave out is one to send documents to.

    Raises:
        ProtocolError: it is not https, although ``base`` is, or no address at all.
    """
    schemes = ("http", "https") if base.lower().startswith("http:") else ("https",)
    end = url.find("/", len("https://"))  # the parts of a document differ behind it
    if not _is_place(url if end < 0 else url[:end], schemes):
        raise ProtocolError(
            f"the vendor sent an upload address that is not https: {redact_text(url)}",
            hint="nothing is sent in the clear unless base_url itself is http",
        )


@lru_cache(maxsize=64)
def _is_place(beginning: str, schemes: tuple[str, ...]) -> bool:
    """Tell whether a URL that begins like this leads to a host, by one of these schemes."""
    try:
        parts = urlsplit(beginning)
        return parts.scheme in schemes and bool(parts.hostname)
    except ValueError:  # no URL at all
        return False
