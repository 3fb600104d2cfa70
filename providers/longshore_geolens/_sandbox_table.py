"""Everything about the sandbox of GeoLens that can be switched."""

from __future__ import annotations

from longshore.sandbox import Assumption

__all__ = ["TABLE"]

_MIB = 2**20
_SERVER = "a setting of the server, here with its documented default"
_SANDBOX = "a switch of the sandbox"
_READ = "read in the vendor's source (v1.14.2), not documented and not observed"

TABLE = (
    # ------------------------------------------------------------ the server's own settings
    Assumption("presigned", True, "the storage is S3 (else presign is refused)", _SERVER),
    Assumption("threshold", 100 * _MIB, "files above so many bytes go in parts", _SERVER),
    Assumption("part_size", 10 * _MIB, "bytes of a part; below 5 MiB S3 is relaxed", _SERVER),
    Assumption("max_size", 500 * _MIB, "most bytes of a file", _SERVER),
    Assumption(
        "extensions",
        ".zip,.gpkg,.geojson,.json,.csv,.tif,.tiff,.xlsx,.xls,.parquet",
        "the endings that are taken",
        _SERVER,
    ),
    Assumption("job_timeout", 3600.0, "seconds until URLs and unfinished jobs expire", _SERVER),
    Assumption("window", 60.0, "seconds of the job that must be left to sign URLs", _SERVER),
    Assumption("dataset_quota", 0, "datasets of a user; 0 is no limit", _SERVER),
    Assumption("storage_quota", 0, "bytes of a user; 0 is no limit", _SERVER),
    Assumption("rate", 0, "requests a second; 0 is no limit (vendor: 60)", _SERVER),
    Assumption("documented_rates", False, "60 requests a second, where no rate is set", _SANDBOX),
    # ------------------------------------------------------------ not documented
    Assumption(
        "region",
        "us-east-1",
        "where the bucket is: us-east-1 signs with version 2, any other region with version 4",
        "not documented; measured with the vendor's S3 client and its settings",
    ),
    Assumption(
        "extension_status", 500, "status of a file ending that is not taken", _READ, (400, 422, 500)
    ),
    Assumption(
        "content_refused",
        "pending",
        "state of a job whose content was refused at complete",
        _READ,
        ("pending", "failed"),
    ),
    Assumption(
        "second_commit",
        True,
        "a second commit that comes before a worker took the job starts a second import",
        _READ,
    ),
    Assumption(
        "queued_step",
        False,
        "a committed job shows current_step `queued` while it is pending",
        "not documented: when the step is set",
    ),
    Assumption(
        "walk",
        "pending:0.02,validating:0.02,ogr2ogr:0.03,finalize:0.02,complete",
        "how the import of a vector file goes on by itself",
        "not documented: times",
    ),
    Assumption(
        "raster_walk",
        "pending:0.02,validating:0.02,cog_convert:0.02,quicklook:0.02,finalize:0.02,complete",
        "how the import of a .tif goes on by itself",
        "not documented: times",
    ),
    # ------------------------------------------------------------ for tests and demos
    Assumption("api_key", "", "the only key that is accepted; empty: any key", _SANDBOX),
    Assumption("read_only", "read-only*", "keys of scope read_only (a pattern)", _SANDBOX),
    Assumption("viewers", "viewer*", "keys of users who may not upload (a pattern)", _SANDBOX),
    Assumption(
        "errors",
        "problem",
        "problem+json, or the shapes of the oldest build of the documentation",
        _SANDBOX,
        ("problem", "legacy"),
    ),
    Assumption("content_check", True, "compare the first bytes with the file's ending", _SANDBOX),
    Assumption("fail_names", "*fail*", "imports of such files fail", _SANDBOX),
    Assumption("can_retry", True, "a failed import may be retried", _SANDBOX),
    Assumption("retry_succeeds", True, "and its retry succeeds", _SANDBOX),
    Assumption("assembly_fails", 0, "the first so many multipart assemblies fail (502)", _SANDBOX),
    Assumption("freeze_fails", 0, "the first so many copies at complete fail (502)", _SANDBOX),
    Assumption("queue_down", 0, "the first so many commits find no queue (503)", _SANDBOX),
)
