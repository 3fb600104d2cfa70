"""What a provider gives for a request besides its flows; its mistakes bear its name."""

from __future__ import annotations

from longshore._faults import asked, broke_off
from longshore.errors import PluginError
from longshore.provider import Provider, ProviderSettings, Request
from longshore.transfer._segments import Encoded, encode

__all__ = ["encoded", "fields_of", "signed"]


def encoded(provider: Provider[ProviderSettings], request: Request, key: str) -> Encoded:
    """Encode the body that a flow described.

    Raises:
        PluginError: it is none that a request can carry.
    """
    try:
        return encode(request.body, f"longshore-{key}")
    except Exception as error:
        raise broke_off(provider.name, f"the body of {request.url}", error) from error


def fields_of(request: Request) -> dict[str, str]:
    """Return the header fields of a request, to add more.

    Raises:
        PluginError: one of them is no text.
    """
    fields = dict(request.headers)
    for name, value in fields.items():
        if not isinstance(value, str):
            raise PluginError(f"the header {name} is no text, but {type(value).__name__}")
    return fields


def signed(provider: Provider[ProviderSettings], request: Request, now: float) -> Request:
    """Have the provider add its credentials.

    Raises:
        PluginError: it raises something else than our errors, or returns no request.
    """
    made: object = asked(provider.name, "sign", provider.sign, request, now)
    if not isinstance(made, Request):
        raise PluginError(f"sign returns {type(made).__name__}, and not Request")
    return made
