"""Documents that are read from a real S3: ranges, digest, and a change that is noticed."""

from __future__ import annotations

import hashlib
import os
import time
from importlib.util import find_spec

import pytest

from longshore.documents import Piece
from longshore.errors import SourceChanged
from longshore.pipeline import find_documents
from longshore.sandbox import Call
from longshore.sources import digest_of, open_document
from longshore.transfer._body import region
from tests.s3.remote import CREDENTIALS, Swift, send
from tests.sources.test_remote import reading

pytestmark = pytest.mark.process

MIB = 1 << 20


def put(swift: Swift, key: str, content: bytes) -> None:
    """Write an object."""
    url = swift.storage().presign("PUT", key, now=time.time(), expires=60)
    assert send(Call.of("PUT", url, body=content)).status == 200


def _by_obstore(swift: Swift) -> tuple[type, dict[str, object]]:
    adapter = pytest.importorskip("obstore.fsspec")
    return type("Obstore", (adapter.FsspecStore,), {"protocol": "s3"}), {
        "access_key_id": CREDENTIALS.access_key,
        "secret_access_key": CREDENTIALS.secret_key,
        "region": CREDENTIALS.region,
        "endpoint": swift.endpoint,
        "client_options": {"allow_http": True},
    }


def _by_s3fs(swift: Swift) -> tuple[type, dict[str, object]]:
    return pytest.importorskip("s3fs").S3FileSystem, {
        "key": CREDENTIALS.access_key,
        "secret": CREDENTIALS.secret_key,
        "endpoint_url": swift.endpoint,
        "client_kwargs": {"region_name": CREDENTIALS.region},
    }


ADAPTERS = {"obstore": _by_obstore, "s3fs": _by_s3fs}
"""What reads s3:// through fsspec. The second is in no dependency group; some have it anyway."""

HERE = [name for name in ADAPTERS if find_spec(name)] or ["obstore"]


@pytest.fixture(autouse=True, params=HERE)
def _configured(
    request: pytest.FixtureRequest, swift: Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.config import conf
    from fsspec.registry import _registry

    kind, settings = ADAPTERS[request.param](swift)
    monkeypatch.setitem(_registry, "s3", kind)
    monkeypatch.setitem(conf, "s3", settings)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_folder_of_a_bucket_is_read_range_by_range(swift: Swift) -> None:
    """Every byte is where it belongs, and the digest is that of the bytes."""
    content = os.urandom(3 * MIB)
    put(swift, "plans/2026/a.pdf", content)
    put(swift, "plans/2026/b.pdf", b"hello")
    documents = [
        candidate.document(f"d{number}")
        for number, candidate in enumerate(find_documents(["s3://uploads/plans/2026/"]))
    ]
    with open_document(documents[0]) as source:
        read = [source.read(at, MIB) for at in (2 * MIB, 0, MIB)]

    assert [(d.name, d.size) for d in documents] == [("a.pdf", 3 * MIB), ("b.pdf", 5)]
    assert read == [content[2 * MIB :], content[:MIB], content[MIB : 2 * MIB]]
    assert digest_of(documents[0]) == hashlib.sha256(content).hexdigest()


def test_an_object_that_is_written_again_is_noticed(swift: Swift) -> None:
    """By its ETag, before the last bytes of a region leave."""
    put(swift, "plans/c.pdf", b"the first")
    (found,) = find_documents(["s3://uploads/plans/c.pdf"])
    planned = found.document("d0")
    put(swift, "plans/c.pdf", b"the other")
    with open_document(planned) as source, pytest.raises(SourceChanged):
        list(region(reading(source), Piece(document="d0", offset=0, size=9)))
