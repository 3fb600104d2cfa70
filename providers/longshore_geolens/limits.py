"""What a GeoLens server takes and how it behaves.

Source: core/config.py, core/persistent_config.py, processing/ingest/service.py and
platform/jobs/router.py of https://github.com/geolens-io/geolens, v1.14.2.
"""

from __future__ import annotations

from longshore.provider import Capabilities, Limits, PartRule, PollSchedule, Rate
from longshore_geolens.wire import UploadConfig

__all__ = ["capabilities_of"]

_MIB = 2**20
_PART_SIZE = 10 * _MIB
_DEFAULTS = UploadConfig(
    presigned_uploads=True,
    presigned_threshold_bytes=100 * _MIB,
    max_file_size_bytes=500 * _MIB,
    allowed_extensions=".zip,.gpkg,.geojson,.json,.csv,.tif,.tiff,.xlsx,.xls,.parquet",
)
_BEHAVIOURS = (
    "One job, and one dataset, for each document.",
    "Files above the server's threshold (by default 100 MiB) go straight to S3 in parts of 10 MiB.",
    "Signed URLs hold for one hour by default and cannot be renewed: a fresh upload is started.",
    "Nothing is imported until the commit, which follows the completed upload.",
    "When the answer to a commit is lost, the outcome is unknown until the job is seen to move.",
    "There is no cancel: an upload that is given up expires by itself after one hour by default.",
    "An upload that was completed but never committed expires after 24 hours, or later.",
    "With commit=false a document ends as needs_action: a person commits it at the vendor.",
)


def capabilities_of(config: UploadConfig = _DEFAULTS) -> Capabilities:
    """Describe a server by its own limits; what it leaves out is as documented.

    Source: PresignedUploadRequest (a name of 1..255 characters, at least 1 byte); 60 requests a
    second for each address, S3 not counted; the vendor's own pages poll every 2 s, and no floor
    is documented.
    """
    return Capabilities(
        limits=Limits(
            documents_per_batch=1,
            bytes_per_document=config.max_file_size_bytes or _DEFAULTS.max_file_size_bytes,
            min_bytes_per_document=1,
            extensions=config.extensions or _DEFAULTS.extensions,
            name_characters=255,
        ),
        parts=PartRule(
            above=config.presigned_threshold_bytes or 100 * _MIB,
            chosen_by="vendor",
            default=_PART_SIZE,
            minimum=_PART_SIZE,
        ),
        rate=Rate(requests=60),
        polls=PollSchedule(interval=2.0, longest=15.0),
        provisional=config is _DEFAULTS,  # every server has limits of its own
        behaviours=_BEHAVIOURS,
    )
