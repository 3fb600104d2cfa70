"""awscrt: the S3 client of the AWS Common Runtime, unsigned."""

from __future__ import annotations

from urllib.parse import urlsplit

from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import (
    ClientBootstrap,
    ClientTlsContext,
    DefaultHostResolver,
    EventLoopGroup,
    TlsConnectionOptions,
    TlsContextOptions,
)
from awscrt.s3 import S3Client, S3RequestTlsMode, S3RequestType

from benchmarks._job import Clock, Job

__all__ = ["s3"]


def s3(job: Job, clock: Clock) -> None:
    """One multipart upload from the file."""
    loops = EventLoopGroup(1)
    client = S3Client(
        bootstrap=ClientBootstrap(loops, DefaultHostResolver(loops)),
        region="us-east-1",
        tls_mode=S3RequestTlsMode.ENABLED if job.ca else S3RequestTlsMode.DISABLED,
        tls_connection_options=_tls(job),
        credential_provider=None,
        part_size=job.part,
        multipart_upload_threshold=job.part,
    )
    headers = HttpHeaders([("host", urlsplit(job.url).netloc), ("content-length", str(job.size))])
    with clock:
        request = client.make_request(
            type=S3RequestType.PUT_OBJECT,
            request=HttpRequest("PUT", "/s3/bucket/key", headers),
            send_filepath=job.file,
        )
        request.finished_future.result(600)


def _tls(job: Job) -> TlsConnectionOptions | None:
    if not job.ca:
        return None
    options = TlsContextOptions()
    options.verify_peer = False
    return ClientTlsContext(options).new_connection_options()
