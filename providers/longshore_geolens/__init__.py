"""The Longshore provider for GeoLens: presigned S3 ingest of a self-hosted geodata catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore.provider import Provider, hookimpl
from longshore_geolens.provider import GeoLens
from longshore_geolens.settings import GeoLensSettings

if TYPE_CHECKING:
    from longshore_geolens.sandbox import GeoLensSandbox

__all__ = ["GeoLens", "GeoLensSettings", "longshore_providers", "longshore_sandbox"]


@hookimpl
def longshore_providers() -> Sequence[type[Provider[Any]]]:
    """Register the provider."""
    return [GeoLens]


@hookimpl
def longshore_sandbox(name: str, options: Mapping[str, Any]) -> GeoLensSandbox | None:
    """Make the vendor's side, if it is this vendor that is asked for."""
    if name != GeoLens.name:
        return None
    from longshore_geolens.sandbox import GeoLensSandbox

    return GeoLensSandbox(options)
