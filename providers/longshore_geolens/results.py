"""The dataset that an import made; its contents stay in the catalogue.

Source: openapi.json of geolens-io/geolens, v1.14.2 (``JobStatusResponse``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from longshore.provider import DocumentResult, FieldValue, Job, Response, Results, VendorTimes
from longshore_geolens.wire import JobDetails

__all__ = ["results_of"]

_SPLIT = "the upload was split into one job per layer; those jobs are not followed"


def results_of(job: Job, reply: Response) -> Results:
    """Read the id of the dataset, the counts and the warnings out of a job's status."""
    status = reply.parse(JobDetails)
    id = status.dataset_id
    counts = {"rows_processed": status.rows_processed, "rows_failed": status.rows_failed}
    return Results(
        documents=(
            DocumentResult(
                name=status.source_filename,
                vendor_id=job.id,
                fields=(FieldValue(name="dataset_id", value=id, own=True),) if id else (),
                warnings=tuple(_warnings(status)),
            ),
        ),
        times=VendorTimes.of(status.created_at, status.started_at, status.completed_at),
        usage={name: count for name, count in counts.items() if count is not None},
        warnings=(_SPLIT,) if status.status == "fanned_out" else (),
        raw=reply.json(),
    )


def _warnings(status: JobDetails) -> Iterator[str]:
    """Say everything that the import did not do as one would expect."""
    if status.warning_message:
        yield status.warning_message
    yield from map(_words_of, status.warnings or ())
    if status.archive_failed:
        yield "the original could not be archived"
    if isinstance(status.temporal_parse_errors, dict):
        for name, words in status.temporal_parse_errors.items():
            yield f"{name} could not be read: {words}"


def _words_of(warning: Any) -> str:
    """Say one warning of a job in one line; it is told apart by ``kind``.

    Source: JobStatusResponse.warnings (openapi.json): reserved_rename, dbf_truncation_collision,
    mercator_clip, each with fields of its own.
    """
    if not isinstance(warning, dict):
        return str(warning)
    rest = ", ".join(f"{name} {value}" for name, value in warning.items() if name != "kind")
    kind = str(warning.get("kind") or "warning")
    return f"{kind}: {rest}" if rest else kind
