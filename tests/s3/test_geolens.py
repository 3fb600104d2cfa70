"""GeoLens uploads end to end: the real command line, with a real S3 behind the signed URLs."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from longshore.sandbox import StoredObject, serve
from longshore_geolens.sandbox import GeoLensSandbox
from tests.process.shells import Shell, journal_receipts, wait_for
from tests.s3.remote import RemoteStorage, Swift

pytestmark = pytest.mark.process

MIB = 2**20
PART = 5 * MIB


class Bucket(RemoteStorage):
    """The bucket on Swift, which remembers its uploads.

    Attributes:
        upload_ids: of the uploads that were begun, in order.
        late: so many uploads get URLs that expired an hour ago.
    """

    late = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.upload_ids: list[str] = []

    def initiate(self, key: str, content_type: str = "binary/octet-stream") -> str:
        """Begin an upload on the server."""
        self.upload_ids.append(super().initiate(key, content_type))
        return self.upload_ids[-1]

    def presign_part(self, upload_id: str, number: int, *, now: float, expires: int) -> str:
        """Sign the URL of a part."""
        if self.upload_ids.index(upload_id) < self.late:
            now -= expires + 3600
        return super().presign_part(upload_id, number, now=now, expires=expires)


class GeoLensOnSwift(GeoLensSandbox):
    """A GeoLens server whose bucket lies on Swift."""

    def __init__(self, swift: Swift, version: Literal[2, 4], **assumptions: Any) -> None:
        super().__init__({"threshold": 6 * MIB, "part_size": PART, **assumptions})
        mine = swift.storage(version)
        self.bucket = Bucket(mine.base, mine.bucket, credentials=mine.credentials, version=version)
        self.storage = self.bucket
        self.storages[:] = [self.bucket]


@contextlib.contextmanager
def served(vendor: GeoLensOnSwift, folder: Path) -> Iterator[Shell]:
    """Serve the vendor to a shell."""
    with serve([vendor]) as server:
        url = server.urls["geolens"]
        variables = {"BASE_URL": url, "API_KEY": "k", "POLL_INTERVAL": "0.05", "TIMEOUT": "1"}
        named = {f"LONGSHORE_GEOLENS_{name}": value for name, value in variables.items()}
        yield Shell(folder, named, server.urls)


def make_document(folder: Path, size: int) -> tuple[Path, bytes]:
    """Write a TIFF, to its first four bytes."""
    content = b"II*\0" + random.Random(size).randbytes(size - 4)
    path = folder / "scene.tif"
    path.write_bytes(content)
    return path, content


def receipts(shell: Shell) -> set[int]:
    """Read the numbers of the parts whose receipts are durable, in a journal of one run."""
    return set().union(*journal_receipts(shell.journal).values())


def bound(vendor: GeoLensOnSwift) -> list[StoredObject | None]:
    """Return the objects on Swift that the vendor's jobs are bound to."""
    return [vendor.bucket.get(job.frozen_key) for job in vendor.jobs.values() if job.blob]


@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize(("size", "parts"), [(12 * MIB, 3), (300_000, 1)])
def test_a_document_arrives_in_a_real_bucket(
    swift: Swift, tmp_path: Path, version: Literal[2, 4], size: int, parts: int
) -> None:
    """In parts or at once: the bytes are on Swift, each part came once."""
    path, content = make_document(tmp_path, size)
    vendor = GeoLensOnSwift(swift, version)
    with served(vendor, tmp_path) as shell:
        ended = shell.run("upload", str(path), "--to", "geolens", "--json")
        (stored,) = bound(vendor)

    assert (ended.code, ended.run["succeeded"], ended.lines[0]["parts"]) == (0, 1, parts), ended.err
    assert stored is not None
    assert (stored.blob.size, stored.blob.sha256) == (size, hashlib.sha256(content).hexdigest())
    sent = [swift.puts(upload_id) for upload_id in vendor.bucket.upload_ids]
    assert sent == ([{1: 1, 2: 1, 3: 1}] if parts > 1 else [])
    assert vendor.bucket.uploads() == {}


def test_a_kill_repeats_no_finished_part(swift: Swift, tmp_path: Path) -> None:
    """After kill -9 and resume, Swift has each part whose receipt was durable exactly once."""
    path, content = make_document(tmp_path, 12 * MIB)
    vendor = GeoLensOnSwift(swift, 4)
    with served(vendor, tmp_path) as shell:
        process = shell.start(
            "upload", str(path), "--to", "geolens", "--json", "--bwlimit", "10M",
            "--concurrency", "1",
        )  # fmt: skip
        wait_for(lambda: process.poll() is not None or receipts(shell))
        process.kill()
        process.communicate()
        finished = receipts(shell)
        ended = shell.run("resume", "--json")
        (stored,) = bound(vendor)

    assert 0 < len(finished) < 3
    assert (ended.code, ended.run["succeeded"]) == (0, 1), ended.err
    assert stored is not None
    assert stored.blob.sha256 == hashlib.sha256(content).hexdigest()
    (upload_id,) = vendor.bucket.upload_ids
    sent = swift.puts(upload_id)
    assert sorted(sent) == [1, 2, 3]
    assert {sent[number] for number in finished} == {1}


def test_expired_urls_lead_to_a_fresh_session(swift: Swift, tmp_path: Path) -> None:
    """What was signed too long ago is given up; the next session's URLs are used."""
    path, content = make_document(tmp_path, 12 * MIB)
    vendor = GeoLensOnSwift(swift, 4)
    vendor.bucket.late = 1
    with served(vendor, tmp_path) as shell:
        ended = shell.run("upload", str(path), "--to", "geolens", "--json")
        (stored,) = bound(vendor)

    assert (ended.code, ended.run["succeeded"]) == (0, 1), ended.err
    assert stored is not None
    assert stored.blob.sha256 == hashlib.sha256(content).hexdigest()
    sent = [swift.puts(upload_id) for upload_id in vendor.bucket.upload_ids]
    assert sent == [{}, {1: 1, 2: 1, 3: 1}]
