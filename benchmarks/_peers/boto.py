"""boto3: s3transfer's multipart upload, signed, without checksums that nobody asked for."""

from __future__ import annotations

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from benchmarks._job import Clock, Job

__all__ = ["s3transfer"]


def s3transfer(job: Job, clock: Clock) -> None:
    """``upload_file``."""
    client = boto3.client(
        "s3",
        endpoint_url=f"{job.url}/s3",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        verify=job.ca or None,
        config=Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            max_pool_connections=job.at_once,
        ),
    )
    how = TransferConfig(
        multipart_threshold=job.part,
        multipart_chunksize=job.part,
        max_concurrency=job.at_once,
        preferred_transfer_client="classic",
    )
    with clock:
        client.upload_file(job.file, "bucket", "key", Config=how)
