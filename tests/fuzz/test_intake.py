"""Folders, globs and manifests: what cannot go is refused by name, and the rest goes."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.documents import Document
from longshore.errors import DocumentError, LongshoreError, UsageError
from longshore.pipeline import find_documents
from longshore.urls import is_absolute
from tests.fuzz.hostile import JSON, TEXT, body_of, examples

_LINES = st.lists(
    TEXT.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | JSON.map(body_of)
    | st.dictionaries(st.sampled_from(["path", "name", "media_type"]), TEXT | JSON).map(body_of)
    | st.sampled_from([b"{", b"\xff\xfe", b'{"a":' * 20_000]),
    max_size=3,
).map(b"\n".join)


@examples(150)
@given(_LINES)
def test_any_manifest_is_documents_or_refused_in_words(content: bytes) -> None:
    """Each line is a document, one that is refused, or the reason why the manifest is none."""
    try:
        stdin = io.TextIOWrapper(io.BytesIO(content), "utf-8")
        for candidate in find_documents(["-"], stdin=stdin):
            candidate.stub("d")
            if not is_absolute(candidate.path):  # a URL would be asked for over the network
                candidate.document("d")
    except LongshoreError as error:
        assert error.message  # noqa: PT017 - either is right


def test_what_stands_behind_an_object_is_not_dropped() -> None:
    """A line is one object: two in it are no document with something left over."""
    lines = io.StringIO('{"path": "a.pdf"}\n{"path": "b.pdf"} {"path": "c.pdf"}\n')
    candidates = find_documents(["-"], stdin=lines)
    assert next(candidates).path == "a.pdf"
    with pytest.raises(UsageError, match="manifest, line 2: Extra data"):
        next(candidates)


def test_a_folder_tells_of_all_that_is_in_it(tmp_path: Path) -> None:
    """Pipes and broken links are refused by name; links to folders are not followed."""
    (tmp_path / "a.pdf").write_bytes(b"x")
    os.mkfifo(tmp_path / "b.pdf")
    (tmp_path / "c.pdf").symlink_to(tmp_path / "nowhere")
    (tmp_path / "d.pdf").symlink_to(tmp_path / "d.pdf")
    (tmp_path / "again").symlink_to(tmp_path)
    found: dict[str, object] = {}
    for candidate in find_documents([str(tmp_path)]):
        try:
            found[Path(candidate.path).name] = type(candidate.document("d"))
        except DocumentError as error:
            found[Path(candidate.path).name] = error.kind
    assert found == {
        "a.pdf": Document,
        "b.pdf": "source_unreadable",
        "c.pdf": "source_missing",
        "d.pdf": "source_unreadable",
    }


def test_a_folder_that_cannot_be_listed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it must not be missing in silence."""
    (tmp_path / "a.pdf").write_bytes(b"x")
    (tmp_path / "closed").mkdir()
    listing = os.scandir

    def refuse(path: str) -> Any:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(os, "scandir", refuse)
    first, second = tuple(find_documents([str(tmp_path)]))
    assert first.path.endswith("a.pdf")
    with pytest.raises(DocumentError, match="cannot be listed: Permission denied"):
        second.document("d")


def test_a_glob_gives_a_file_once_although_a_link_leads_in_a_circle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was found some forty times, and would have been carried as often."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pdf").write_bytes(b"x")
    (tmp_path / "again").symlink_to(tmp_path)
    assert [Path(c.path).name for c in find_documents(["**/*.pdf"])] == ["a.pdf"]


def test_a_path_that_is_too_long_is_a_document_that_is_missing() -> None:
    """It was an OSError."""
    (candidate,) = find_documents(["x" * 5000])
    with pytest.raises(DocumentError):
        candidate.document("d")
