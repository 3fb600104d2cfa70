"""Files as documents: described once, and noticed when they are no longer the same."""

from __future__ import annotations

import errno
import hashlib
import mimetypes
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from longshore.documents import (
    Document,
    Fingerprint,
    Piece,
    SourceFile,
    extension_of,
    media_type_of,
    sha256_file,
    shown,
)
from longshore.errors import LongshoreError, SourceChanged, SourceMissing, SourceUnreadable

DATA = b"0123456789" * 10


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "plan.PDF"
    file.write_bytes(DATA)
    os.utime(file, ns=(10**18, 10**18))
    return file


@pytest.fixture
def document(path: Path) -> Document:
    return Document.from_path(path, id="d1")


def known(document: Document) -> Document:
    return document.model_copy(update={"sha256": hashlib.sha256(DATA).hexdigest()})


def test_a_file_is_described(path: Path, document: Document) -> None:
    """Name, size, type, place and marks, all from the file."""
    assert document == Document(
        id="d1",
        name="plan.PDF",
        size=100,
        media_type="application/pdf",
        source=str(path),
        fingerprint=Fingerprint.of(path.stat()),
    )
    assert (document.stem, document.extension, document.whole().end) == ("plan", ".pdf", 100)


def test_another_name_gives_another_type(path: Path) -> None:
    """The vendor is told the name asked for."""
    document = Document.from_path(path, id="d1", name="map.geojson")
    assert (document.name, document.media_type) == ("map.geojson", "application/geo+json")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.pdf", "application/pdf"),
        ("A.TIFF", "image/tiff"),
        ("a.pdf.gz", "application/gzip"),
        ("a.json.bz2", "application/octet-stream"),
        ("a", "application/octet-stream"),
        ("a.nothingknown", "application/octet-stream"),
    ],
)
def test_media_types_are_guessed(name: str, media_type: str) -> None:
    """A packed file is not what it holds."""
    assert media_type == media_type_of(name)


@pytest.mark.parametrize("offset", [0, 1, 95, 99, 100, 10_000])
def test_reads_end_where_the_file_does(document: Document, offset: int) -> None:
    """Past the end there is nothing, and nothing is an empty answer."""
    with SourceFile(document) as source:
        assert DATA[offset : offset + 10] == source.read(offset, 10)


def test_an_unchanged_file_passes(document: Document) -> None:
    """Opened, checked, read, checked: also with other readers in between."""
    with SourceFile(document) as source, SourceFile(document) as other:
        source.check()
        other.read(50, 50)
        assert source.read(0, 100) == DATA
        source.check()


def test_a_touched_file_is_changed_unless_its_digest_is_known(
    path: Path, document: Document
) -> None:
    """The cheap marks differ; the bytes decide where their digest is known."""
    path.touch()
    with SourceFile(document) as source, pytest.raises(SourceChanged):
        source.check()
    with SourceFile(known(document)) as source:
        source.check()


def test_a_touched_file_is_hashed_once_while_it_is_open(
    path: Path, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check after every part must not read all of a large file each time."""
    path.touch()
    with SourceFile(known(document)) as source:
        source.check()
        monkeypatch.setattr(source, "read", None)
        source.check()


def test_other_bytes_of_the_same_size_are_a_change(path: Path, document: Document) -> None:
    """The digest tells what size cannot; and it names the document."""
    path.write_bytes(b"x" * 100)
    with SourceFile(known(document)) as source, pytest.raises(SourceChanged) as error:
        source.check()
    assert (error.value.document, error.value.kind) == ("d1", "source_changed")


@pytest.mark.parametrize("size", [0, 99, 101])
def test_another_size_is_a_change(path: Path, document: Document, size: int) -> None:
    """Cut off or grown, also while it is open."""
    with SourceFile(known(document)) as source:
        source.check()
        os.truncate(path, size)
        with pytest.raises(SourceChanged):
            source.check()


def test_the_open_file_is_judged_not_its_path(path: Path, document: Document) -> None:
    """Removed or replaced while it is sent: what is read is still the planned file."""
    with SourceFile(known(document)) as source:
        path.unlink()
        source.check()
        path.write_bytes(b"x" * 100)
        source.check()
        assert source.read(0, 100) == DATA
    with SourceFile(known(document)) as source, pytest.raises(SourceChanged):
        source.check()


@pytest.mark.parametrize("broken", ["fstat", "pread"])
def test_a_disk_that_fails_while_a_file_is_compared_is_no_fault_of_ours(
    path: Path, document: Document, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """It costs one document, and not the run; what was sent of it may be anything."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    told: SourceChanged | None = None
    with SourceFile(known(document)) as source:
        os.utime(path, ns=(1, 1))
        with monkeypatch.context() as patch:
            patch.setattr(os, broken, fail)
            try:
                source.check()
            except SourceChanged as error:
                told = error
    assert told is not None
    assert (told.document, "Input/output error" in told.message) == ("d1", True)


def test_a_disk_that_fails_while_a_file_is_opened_costs_one_document(
    document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no descriptor."""
    asked: list[int] = []
    told: SourceUnreadable | None = None

    def fail(fd: int) -> None:
        asked.append(fd)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", fail)
        try:
            SourceFile(document)
        except SourceUnreadable as error:
            told = error
    assert told is not None
    assert (told.document, "Input/output error" in told.message) == ("d1", True)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(asked[0])


def test_a_file_that_is_gone_is_missing(path: Path, document: Document) -> None:
    """Whether it is planned or sent."""
    path.unlink()
    with pytest.raises(SourceMissing) as caught:
        SourceFile(document)
    assert caught.value.hint == "put it back, then upload it again"
    with pytest.raises(SourceMissing):
        Document.from_path(path, id="d1")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_only_regular_files_are_documents(path: Path, document: Document, make: object) -> None:
    """A folder or a pipe in a file's place is refused at once; a pipe never keeps us waiting."""
    path.unlink()
    assert callable(make)
    make(path)
    with pytest.raises(SourceUnreadable) as caught:
        SourceFile(document)
    assert caught.value.hint == "put it back, then upload it again"
    with pytest.raises(SourceUnreadable):
        Document.from_path(path, id="d1")


def test_a_closed_folder_above_a_file_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the file's own mode that is to be changed."""

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    told: SourceUnreadable | None = None
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fail)
        try:
            Document.from_path(path, id="d1")
        except SourceUnreadable as error:
            told = error
    assert told is not None
    assert (told.message, told.hint) == (
        f"{path}: Permission denied",
        "check the modes of the folders above it",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(path: Path, document: Document) -> None:
    """Whether it is planned or sent."""
    path.chmod(0)
    with pytest.raises(SourceUnreadable):
        SourceFile(document)
    with pytest.raises(SourceUnreadable):
        Document.from_path(path, id="d1")


def test_a_folder_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """It could not be stored; the message can be printed."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    (folder / "a.pdf").write_bytes(b"a")
    with pytest.raises(SourceUnreadable) as error:
        Document.from_path(folder / "a.pdf", id="d")
    assert "\\xff" in error.value.message
    error.value.message.encode()


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_name_that_no_file_can_have_is_missing(tmp_path: Path, name: str) -> None:
    """A manifest may hold anything; the message can be printed."""
    with pytest.raises(LongshoreError) as error:
        Document.from_path(tmp_path / name, id="d")
    assert isinstance(error.value, SourceMissing)
    error.value.message.encode()


def test_names_are_shown_whatever_they_hold() -> None:
    """Bytes that are no UTF-8 are written as their numbers."""
    assert [shown("pläne/a.pdf"), shown(os.fsdecode(b"\xff.pdf"))] == ["pläne/a.pdf", "\\xff.pdf"]


def test_the_digest_is_that_of_the_bytes(path: Path) -> None:
    """Compared with another way to compute it."""
    assert sha256_file(str(path)) == hashlib.sha256(DATA).hexdigest()


def test_the_digest_of_a_large_file_is_made_of_all_its_chunks(tmp_path: Path) -> None:
    """By its path, and by the open file, whose position does not matter."""
    data, file = b"0123456" * (5 << 20 >> 3), tmp_path / "large.pdf"
    file.write_bytes(data)
    with SourceFile(Document.from_path(file, id="d")) as source:
        os.lseek(source.fileno(), 5, os.SEEK_SET)
        assert {source.sha256(), sha256_file(str(file))} == {hashlib.sha256(data).hexdigest()}


def test_closing_twice_is_harmless(document: Document) -> None:
    """A with block around a closed file does no harm to another file of the same number."""
    with SourceFile(document) as source:
        source.close()
        source.close()


def test_a_piece_forgets_what_was_sent(document: Document) -> None:
    """What is left after some bytes ends where the piece did."""
    left = document.whole().skip(30)
    assert (left.offset, left.size, left.end) == (30, 70, 100)


@given(
    st.text("ab.-_ ", max_size=8), st.sampled_from(["", ".pdf", ".PDF", ".tar.gz", ".tif.gz", "."])
)
def test_the_type_of_a_name_is_that_of_the_standard_library(stem: str, ending: str) -> None:
    """Whatever was kept of earlier names."""
    name = stem + ending
    guess, packed = mimetypes.guess_type(name)
    ours = {".pdf": "application/pdf", ".tif": "image/tiff"}.get(extension_of(name))
    expected = ours or guess or "application/octet-stream"
    if packed:
        expected = "application/gzip" if packed == "gzip" else "application/octet-stream"
    assert media_type_of(name) == expected
    if not name.startswith(".") and not name.endswith("."):  # those it divides otherwise since 3.14
        assert extension_of(name) == Path(name).suffix.lower()


@pytest.mark.parametrize(
    ("name", "stem", "extension"),
    [
        ("plan", "plan", ""),
        ("plan.", "plan.", ""),
        (".pdf", ".pdf", ""),
        ("..pdf", ".", ".pdf"),
        ("plan.tar.GZ", "plan.tar", ".gz"),
    ],
)
def test_a_name_is_divided_before_its_last_ending(name: str, stem: str, extension: str) -> None:
    """On every Python: the standard library divides some otherwise since 3.14."""
    document = Document(id="d", name=name, size=1)
    assert (document.stem, document.extension) == (stem, extension)


def test_a_piece_is_shown_as_any_model() -> None:
    """Digests that lie in journals are made of that text."""
    piece = Piece(document="d'1", offset=3, size=9)
    assert repr(piece) == BaseModel.__repr__(piece) == """Piece(document="d'1", offset=3, size=9)"""
