"""The JSON that GeoLens sends, as far as an upload needs it; unknown fields are ignored.

Source: backend/openapi.json of geolens-io/geolens, v1.14.2 (schema names stand with the models).
Only what a flow cannot do without is required: older servers lack fields, newer ones add some.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from longshore.provider import ProtocolError, Response

__all__ = ["JobDetails", "JobStatus", "PresignedUpload", "UploadConfig", "words_of"]


class _Wire(BaseModel):
    model_config = ConfigDict(defer_build=True)


class UploadConfig(_Wire):
    """``UploadConfigResponse``: what this server takes."""

    presigned_uploads: bool
    presigned_threshold_bytes: int | None = Field(default=None, ge=1)
    max_file_size_bytes: int | None = Field(default=None, ge=1)
    allowed_extensions: str | None = None
    remaining_dataset_quota: int | None = None

    @property
    def extensions(self) -> frozenset[str]:
        """The allowed endings in lower case with their dot; empty when the server names none.

        ``.vrt`` is never taken, listed or not. Source: ingest/router.py (v1.14.2).
        """
        names = (name.strip().lower() for name in (self.allowed_extensions or "").split(","))
        return frozenset(f".{name.removeprefix('.')}" for name in names if name) - {".vrt"}


class PresignedUpload(_Wire):
    """``PresignedUploadResponse``: one URL for a whole file, or one for each part.

    Source: guides/api/reference/operations/request_presigned_upload_ingest_upload_presigned_post.
    """

    job_id: str = Field(min_length=1)
    urls: tuple[str, ...] = Field(min_length=1)
    upload_id: str | None = None
    part_size: int | None = Field(default=None, ge=1)

    @property
    def multipart(self) -> bool:
        """True when the URLs are those of parts."""
        return self.upload_id is not None or self.part_size is not None


class JobStatus(_Wire):
    """``JobStatusResponse``; ``can_retry`` came between v1.4.0 and v1.4.13."""

    status: str
    dataset_id: str | None = None
    error_message: str | None = None
    can_retry: bool | None = None
    progress: float | None = None
    current_step: str | None = None
    started_at: str | None = None

    @property
    def untouched(self) -> bool:
        """True when nothing shows that anybody committed the job."""
        seen = self.current_step or self.started_at or self.dataset_id
        return self.status == "pending" and not seen

    @property
    def given_up(self) -> bool:
        """True when the vendor ended the job before any work on it, and its bytes are gone."""
        begun = self.current_step or self.started_at or self.can_retry
        return self.status == "failed" and not begun


class JobDetails(JobStatus):
    """The same with what only results tell: a strange value here does not spoil a poll."""

    source_filename: str | None = None
    warning_message: str | None = None
    warnings: tuple[Any, ...] | None = None
    rows_processed: int | None = None
    rows_failed: int | None = None
    archive_failed: Any = None
    temporal_parse_errors: Any = None
    created_at: Any = None
    completed_at: Any = None


def words_of(response: Response) -> str:
    """Return the vendor's own words from an error reply of any of its shapes; "" if none.

    ``detail`` is a text or an object with a ``message`` (problem+json, current servers), or a
    list of ``{loc, msg}`` (``HTTPValidationError``, the oldest build of the documentation).
    Source: complete_presigned_upload (both builds of the page), standards/ogc/errors.py (v1.14.2).
    """
    try:
        problem = response.json()
    except ProtocolError:
        return ""
    if not isinstance(problem, dict):
        return ""
    detail = problem.get("detail") or problem.get("title")
    if isinstance(detail, list):
        return "; ".join(filter(None, map(_item, detail)))
    return _item(detail)


def _item(detail: Any) -> str:
    """Say one detail in one line."""
    if not isinstance(detail, dict):
        return "" if detail is None else str(detail)
    words = str(detail.get("msg") or detail.get("message") or "")
    place = detail.get("loc")
    if isinstance(place, list) and place:
        return f"{'.'.join(map(str, place))}: {words}"
    unknown = detail.get("unknown_layers")
    return f"{words} ({', '.join(map(str, unknown))})" if isinstance(unknown, list) else words
