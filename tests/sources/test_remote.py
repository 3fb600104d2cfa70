"""Documents in remote stores: found, read range by range, and known again."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fsspec")

from fsspec.implementations.memory import MemoryFileSystem
from fsspec.implementations.zip import ZipFileSystem

from longshore.documents import Document, Piece
from longshore.errors import (
    ConfigurationError,
    SourceChanged,
    SourceMissing,
    SourceUnreadable,
    UsageError,
)
from longshore.journal import MemoryJournal
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    Environment,
    RunOptions,
    begin,
    execute,
    find_documents,
)
from longshore.sources import describe, digest_of, find_remote, open_document
from longshore.sources._place import fingerprint_of
from longshore.sources._remote import Found
from longshore.transfer import Outgoing
from longshore.transfer._body import region
from tests.pipeline.support import Acme, AcmeSettings, Vendor, World, hasty

MIB = 1 << 20


class Counting:
    """Notes which ranges are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ranges: list[tuple[int, int]] = []
        whole = MemoryFileSystem.cat_file

        def counted(fs: Any, path: str, start: int, end: int) -> Any:
            self.ranges.append((start, end))
            return whole(fs, path, start, end)

        monkeypatch.setattr(MemoryFileSystem, "cat_file", counted)


def reading(source: Any) -> Any:
    """Make what a request carries of one open document."""
    return SimpleNamespace(sources={"d0": source})


def document(url: str) -> Document:
    """Describe what a URL leads to."""
    return describe(Found(url), id="d0")


# -------------------------------------------------------------------------------------- finding


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("memory://plans", ["a.pdf", "sub/b.pdf"]),
        ("memory://plans/", ["a.pdf", "sub/b.pdf"]),
        ("memory://plans/*.pdf", ["a.pdf"]),
        ("memory://plans/**/*.pdf", ["a.pdf", "sub/b.pdf"]),
        ("memory://[p]lans/*.pdf", ["a.pdf"]),
        ("memory://plans/sub/b.pdf", ["sub/b.pdf"]),
    ],
)
def test_folders_and_globs_where_the_store_lists(store: Any, url: str, found: list[str]) -> None:
    """Recursive, sorted, without hidden ones; each has a URL of its own."""
    assert [c.path for c in find_documents([url])] == [f"memory://plans/{name}" for name in found]


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        ("", ["a.pdf", "sub/b.pdf"]),
        ("*.pdf", ["a.pdf"]),
        ("sub", ["sub/b.pdf"]),
        ("sub/b.pdf", ["sub/b.pdf"]),
    ],
)
def test_what_is_in_an_archive(tmp_path: Path, inside: str, found: list[str]) -> None:
    """Each document names its archive, too, and can be opened by that."""
    archive = tmp_path / "plans.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("a.pdf", "sub/b.pdf"):
            file.writestr(name, b"hello")
    candidates = list(find_documents([f"zip://{inside}::{archive}"]))

    assert [c.path for c in candidates] == [f"zip://{name}::{archive}" for name in found]
    for candidate in candidates:
        with open_document(candidate.document("d0")) as source:
            assert source.read(0, 9) == b"hello"


@pytest.mark.parametrize("given", ["plans.zip", "file://plans.zip", "./plans.zip"])
@pytest.mark.parametrize("inside", ["a.pdf", "*.pdf"])
def test_a_relative_archive_is_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str, given: str
) -> None:
    """A resume may work anywhere: the journal holds where the archive is."""
    with zipfile.ZipFile(tmp_path / "plans.zip", "w") as file:
        file.writestr("a.pdf", b"hello")
    monkeypatch.chdir(tmp_path)
    (candidate,) = find_documents([f"zip://{inside}::{given}"])
    document = candidate.document("d0")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    ZipFileSystem.clear_instance_cache()  # as in another process

    with open_document(document) as source:
        assert source.read(0, 9) == b"hello"
    assert (document.name, candidate.shown) == ("a.pdf", f"zip://a.pdf::{given}")


def test_all_of_a_store(store: Any) -> None:
    """Its root has no name that a document's could be written in the place of."""
    found = [candidate.document("d0").name for candidate in find_documents(["memory://"])]
    assert {"a.pdf", "b.pdf"} <= {*found}


def test_an_address_on_the_web_is_one_document() -> None:
    """A question mark begins its query: no pattern, and nothing is asked yet."""
    for url in ("https://files.example/a.pdf?part=[1]*", "https://[files.example/a.pdf"):
        assert [found.url for found in find_remote(url)] == [url]


@pytest.mark.parametrize("url", ["memory://plans/*.tif", "memory://plans/none/", "memory://[x"])
def test_nothing_found_is_told(store: Any, url: str) -> None:
    """As with local files."""
    with pytest.raises((UsageError, SourceMissing)):
        [candidate.document("d0") for candidate in find_documents([url])]


def test_a_file_url_is_a_local_file(tmp_path: Path) -> None:
    """It is sent without being read into memory, as any local file is."""
    (tmp_path / "a b.pdf").write_bytes(b"hello")
    (found,) = find_documents([f"file://{tmp_path}"])
    described = found.document("d0")

    assert (described.source, described.name) == (str(tmp_path / "a b.pdf"), "a b.pdf")


def test_a_local_file_of_a_strange_name_stays_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What exists here is meant, whatever it looks like."""
    monkeypatch.chdir(tmp_path)
    Path("s3:").mkdir()
    Path("s3:/x.pdf").write_bytes(b"hello")

    assert next(iter(find_documents(["s3://x.pdf"]))).document("d0").size == 5


def test_a_url_may_be_longer_than_any_path(store: Any) -> None:
    """Signed addresses are."""
    url = "https://files.example/a.pdf?X-Amz-Signature=" + "a" * 5000

    assert [candidate.path for candidate in find_documents([url])] == [url]


# ----------------------------------------------------------------------------- what is missing


def test_fsspec_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint is the command that installs it."""
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ConfigurationError) as caught:
        list(find_documents(["memory://plans"]))

    assert caught.value.hint == "pip install 'longshore[fsspec]'"


def test_the_package_of_a_store_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is there, the store's own package is not."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    loaded = sys.modules["fsspec.registry"]._registry
    monkeypatch.delitem(loaded, "s3", raising=False)
    with pytest.raises(ConfigurationError, match="s3://") as caught:
        list(find_documents(["s3://bucket/a.pdf"]))

    assert caught.value.hint == "pip install s3fs"


def test_a_scheme_that_nobody_knows() -> None:
    """It is an error of the call; in a manifest that document cannot go, and the others can."""
    with pytest.raises(UsageError, match="carrier"):
        list(find_documents(["carrier://pigeon/a.pdf"]))
    (candidate,) = find_documents(["-"], stdin=io.StringIO("carrier://pigeon/a.pdf"))
    with pytest.raises(SourceUnreadable, match="carrier"):
        candidate.document("d0")


# -------------------------------------------------------------------------------------- reading


def test_parts_are_read_as_ranges(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two parts, read in steps: only their bytes, a few MiB at a time, nothing twice."""
    whole = store.cat_file("/plans/a.pdf")
    counting = Counting(monkeypatch)
    planned = document("memory://plans/a.pdf")
    for start in (0, 3 * MIB):
        with open_document(planned) as source:
            read = b"".join(source.read(start + at, MIB // 2) for at in range(0, 2 * MIB, MIB // 2))
        assert read == whole[start : start + 2 * MIB]

    assert counting.ranges == [(0, 2 * MIB), (3 * MIB, 5 * MIB)]


def test_a_store_that_keeps_versions(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3's takes a version before the range: the range is named, not counted on."""
    whole = MemoryFileSystem.cat_file

    def versioned(
        fs: Any, path: str, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> Any:
        assert version_id is None
        return whole(fs, path, start, end)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", versioned)
    with open_document(document("memory://plans/a.pdf")) as source:
        assert source.read(MIB, 10) == store.cat_file("/plans/a.pdf", start=MIB, end=MIB + 10)


def test_the_end_of_a_document(store: Any) -> None:
    """Fewer bytes at the end, none after it."""
    with open_document(document("memory://plans/a.pdf")) as source:
        assert len(source.read(5 * MIB - 10, 100)) == 10
        assert source.read(5 * MIB, 100) == b""


def test_the_digest_is_that_of_the_bytes(store: Any) -> None:
    """Read over the network, a few MiB at a time."""
    expected = hashlib.sha256(store.cat_file("/plans/a.pdf")).hexdigest()

    assert digest_of(document("memory://plans/a.pdf")) == expected


def test_a_file_that_cannot_be_read_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails while a file is hashed is told as such."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    planned = Document.from_path(tmp_path / "a.pdf", id="d0")

    def failing(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(SourceUnreadable, match=r"a\.pdf: Input/output error"):
        digest_of(planned)


def test_a_changed_object_is_noticed_while_it_is_read(store: Any) -> None:
    """The end of a region that was read of a new version is never sent; checks say so, too."""
    with open_document(document("memory://plans/a.pdf")) as source:
        chunks = region(reading(source), Piece(document="d0", offset=0, size=5 * MIB))
        next(chunks)
        store.pipe("/plans/a.pdf", os.urandom(5 * MIB))
        sent = [next(chunks) for _ in range(3)]
        with pytest.raises(SourceChanged):
            next(chunks)
        with pytest.raises(SourceChanged):
            source.check()

    assert [len(data) for data in sent] == [MIB] * 3


def test_a_store_is_asked_once_for_each_region(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ranges are read of it; the digest asks once, too."""
    planned = document("memory://plans/a.pdf")
    asked: list[str] = []
    whole = MemoryFileSystem.info

    def counted(fs: Any, path: str, **options: Any) -> Any:
        asked.append(path)
        return whole(fs, path, **options)

    monkeypatch.setattr(MemoryFileSystem, "info", counted)
    for offset, size in ((0, 4 * MIB), (4 * MIB, MIB)):
        piece = Piece(document="d0", offset=offset, size=size)
        with open_document(planned) as source:
            assert sum(len(data) for data in region(reading(source), piece)) == piece.size
    sent = len(asked)
    digest_of(planned)

    assert (sent, len(asked) - sent) == (2, 1)


def test_the_bytes_decide_where_the_digest_is_known(store: Any) -> None:
    """Written again with the same content: the same document."""
    planned = document("memory://plans/a.pdf")
    content = store.cat_file("/plans/a.pdf")
    known = planned.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})
    store.pipe("/plans/a.pdf", content)
    with open_document(known) as source:
        assert source.read(0, 10) == content[:10]


def test_an_object_that_is_gone(store: Any) -> None:
    """As a local file that is gone."""
    planned = document("memory://plans/sub/b.pdf")
    store.rm("/plans/sub/b.pdf")
    with open_document(planned) as source, pytest.raises(SourceMissing):
        source.read(0, 10)


def test_a_store_without_ranges_is_refused(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than that all of it is kept in memory for each part."""
    monkeypatch.setattr(MemoryFileSystem, "cat_file", lambda *_, **__: b"x" * 5 * MIB)
    with (
        open_document(document("memory://plans/a.pdf")) as source,
        pytest.raises(SourceUnreadable, match="range"),
    ):
        source.read(0, MIB)


@pytest.mark.parametrize(
    ("info", "etag", "mtime"),
    [
        ({"ETag": '"abc"', "LastModified": 5}, '"abc"', 0),
        ({"e_tag": "abc", "last_modified": 5}, "abc", 0),
        ({"mtime": 1.5}, "", 1_500_000_000),
        ({"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}, "Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ({}, "", 0),
    ],
)
def test_the_marks_of_an_object(info: dict[str, Any], etag: str, mtime: int) -> None:
    """Its ETag or checksum; else its time; else its size alone."""
    marks = fingerprint_of({"size": 3, **info})

    assert (marks.size, marks.etag, marks.mtime_ns) == (3, etag, mtime)


def test_credentials_in_an_address_are_not_shown() -> None:
    """The journal keeps the address to open it again; what is printed does not have them."""
    (found,) = find_documents(["https://me:pw1234@files.example/a.pdf?X-Amz-Signature=abc123"])

    assert found.shown == "https://files.example/a.pdf?X-Amz-Signature=REDACTED"


# ---------------------------------------------------------------------------------- a whole run


class Blocks(Acme):
    """Acme with parts of 1 MiB."""

    part = MIB


async def test_a_run_streams_the_parts_of_a_remote_object(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives is what was there; no call of the store returns more than a few MiB."""
    counting = Counting(monkeypatch)
    world = World(Blocks(AcmeSettings(poll_interval=0.01)), clock=hasty().clock)
    arrived: dict[int, bytes] = {}

    class Taking(Vendor):
        async def send(self, outgoing: Outgoing) -> Any:
            for segment in outgoing.body.segments:
                if not isinstance(segment, bytes):
                    source = outgoing.sources[segment.document]
                    read = await asyncio.to_thread(source.read, segment.offset, segment.size)
                    arrived[segment.offset] = read
            return await super().send(outgoing)

    environment = Environment(transport=lambda _settings, _connections: Taking())
    journal = MemoryJournal()
    options = RunOptions(part_size=MIB)
    target = world.target()
    candidates = find_documents(["memory://plans/a.pdf"])
    monkeypatch.setattr("longshore.pipeline._run.load_plugins", _Plugins)
    run = await begin(journal, target, candidates, options, environment)
    report = await asyncio.wait_for(execute(journal, target, run, environment), 20)
    ((_, record),) = await journal.documents(run.id)

    assert report.outcomes == {Outcome.SUCCEEDED: 1}
    content = store.cat_file("/plans/a.pdf", 0, 5 * MIB)
    assert b"".join(arrived[at] for at in sorted(arrived)) == content
    assert record.document.sha256 == hashlib.sha256(content).hexdigest()
    assert max(end - start for start, end in counting.ranges) <= 8 * MIB


class _Plugins:
    """No plugin knows Acme, and none observes."""

    observed = False

    def version_of(self, _provider: object) -> str:
        return ""


def test_web_addresses_are_read_by_ranges(tmp_path: Path) -> None:
    """From a server that serves them, with the name that the address has."""
    pytest.importorskip("aiohttp")
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    (tmp_path / "a b.pdf").write_bytes(b"0123456789")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        described = describe(Found(f"{base}/a%20b.pdf?token=abc"), id="d0")
        with open_document(described) as source:
            read = source.read(0, 100)
        with pytest.raises(SourceMissing, match="no such object"):
            describe(Found(f"{base}/none.pdf"), id="d1")
        server.shutdown()

    assert (described.name, described.size, read) == ("a b.pdf", 10, b"0123456789")
