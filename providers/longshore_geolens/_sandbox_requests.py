"""The JSON that the sandbox takes. Source: openapi.json of geolens-io/geolens, v1.14.2."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["CommitRequest", "CompleteRequest", "Part", "PresignRequest"]


class PresignRequest(BaseModel):
    """``PresignedUploadRequest``: ask for signed URLs."""

    filename: str = Field(min_length=1, max_length=255)
    file_size: int = Field(ge=1)
    content_type: str = Field(default="application/octet-stream", max_length=255)


class Part(BaseModel):
    """One part that S3 took."""

    etag: str
    part_number: int


class CompleteRequest(BaseModel):
    """``PresignedCompleteRequest``: all parts, or none for a single PUT."""

    parts: list[Part] = []


class CommitRequest(BaseModel):
    """``CommitRequest``, without what only some kinds of files know."""

    title: str = Field(min_length=1, max_length=500)
    summary: str | None = Field(default=None, max_length=5000)
    visibility: Literal["private", "restricted", "internal", "public"] = "private"
    temporal_start: datetime | None = None
    temporal_end: datetime | None = None
    srid_override: int | None = Field(default=None, ge=1, le=998_999)
