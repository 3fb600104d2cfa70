"""What a user can set for a GeoLens target."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from longshore.provider import ProviderSettings

__all__ = ["GeoLensSettings"]


class GeoLensSettings(ProviderSettings):
    """The settings of a GeoLens target, beside those that every target has.

    GeoLens is self-hosted, so ``base_url`` is required; it ends in ``/api`` where the server is
    mounted so. ``api_key`` goes out as ``X-Api-Key``. When both credentials are set only the key
    is sent, because the server prefers it too. Source: openapi.json (info, v1.14.2).

    Attributes:
        token: an access token (JWT) instead of an API key; 15 minutes long by default.
        title: of the dataset; by default the file's name without its ending.
        visibility: who sees the dataset.
        commit: start the import after the upload; without it a person commits at the vendor.
    """

    token: SecretStr | None = None
    title: str | None = Field(default=None, min_length=1, max_length=500)
    visibility: Literal["private", "restricted", "internal", "public"] = "private"
    commit: bool = True

    def missing(self) -> tuple[str, ...]:
        """Return what is needed yet: an address, and a key unless there is a token."""
        return tuple(
            name for name in super().missing() if not (name == "api_key" and self.token is not None)
        )
