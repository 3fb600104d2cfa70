"""The Longshore provider for GeoLens: presigned S3 ingest of a self-hosted geodata catalogue.

Read ``provider`` for the protocol, ``wire`` for the vendor's JSON and ``sandbox`` for the vendor's
side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore.provider import Card, hookimpl, on_demand

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


__getattr__ = on_demand(
    __name__,
    {
        "GeoLens": "longshore_geolens.provider",
        "GeoLensSettings": "longshore_geolens.settings",
    },
)
