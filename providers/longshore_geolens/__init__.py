"""The Longshore provider for GeoLens: presigned S3 ingest of a self-hosted geodata catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from longshore.provider import Card, hookimpl

if TYPE_CHECKING:
    from longshore_geolens.provider import GeoLens
    from longshore_geolens.sandbox import GeoLensSandbox
    from longshore_geolens.settings import GeoLensSettings

__all__ = ["CARD", "GeoLens", "GeoLensSettings", "longshore_providers", "longshore_sandbox"]

CARD = Card(
    "geolens",
    "longshore_geolens.provider:GeoLens",
    aliases=("presigned-s3",),
    title="GeoLens",
    documentation="https://docs.getgeolens.com/guides/api/reference/",
)


@hookimpl
def longshore_providers() -> Sequence[Card]:
    """Offer the provider."""
    return [CARD]


@hookimpl
def longshore_sandbox(name: str, options: Mapping[str, Any]) -> GeoLensSandbox | None:
    """Make the vendor's side, if it is this vendor that is asked for."""
    if name != CARD.name:
        return None
    from longshore_geolens.sandbox import GeoLensSandbox

    return GeoLensSandbox(options)


def __getattr__(name: str) -> object:
    """Import a class when it is asked for."""
    if name in __all__:
        home = "provider" if name == "GeoLens" else "settings"
        return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
