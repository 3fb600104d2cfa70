"""Folders, globs and manifests: what cannot go is refused by name, and the rest goes."""

from __future__ import annotations

import glob
import io
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.documents import Document
from longshore.errors import DocumentError, LongshoreError, UsageError
from longshore.pipeline import find_documents
from longshore.pipeline._glob import expand, is_glob
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


@pytest.mark.parametrize("pattern", ["*/*", "*/a.pdf", "**/*.pdf", "**", "cl*/*.pdf"])
def test_a_closed_folder_that_a_glob_leads_into_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    """Python's own glob passes it over; also where its files are named, and none can be seen."""
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.pdf").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)

    def refusing(look: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(path: Any, *more: Any, **words: Any) -> Any:
            if str(path).startswith("closed/") or (look is listing and path == "closed"):
                raise PermissionError(13, "Permission denied")
            return look(path, *more, **words)

        return refuse

    listing = os.scandir
    for name in ("scandir", "stat", "lstat"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    *others, closed = sorted(find_documents([pattern]), key=lambda c: c.path == "closed")
    assert [c.path for c in others] == ([] if pattern == "cl*/*.pdf" else ["open/a.pdf"])
    with pytest.raises(DocumentError, match="closed: the folder cannot be listed: Permission"):
        closed.document("d")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("sub", "sub: links to folders are not followed, such as sub/again (1 in all)"),
        ("*", "*: the files in folders that match do not go, such as sub (2 in all)"),
        ("**", ""),
        ("sub/*.pdf", ""),
    ],
)
def test_folders_that_are_left_out_are_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    path: str,
    told: str,
) -> None:
    """Links to folders below a folder, and folders that a glob matches: once, with an example."""
    (tmp_path / "sub").mkdir()
    for name in ("a.pdf", "sub/b.pdf"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("again", "sub/again"):
        (tmp_path / name).symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert list(find_documents([path]))
    assert [message.partition(": name")[0] for message in caplog.messages] == [told] * bool(told)


def test_a_key_by_another_name_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody's own keys are allowed; that one of them is no name for the vendor is said, once."""
    lines = [
        '{"path": "a.pdf", "filename": "b.pdf", "size": 3}\n',
        '{"path": "c.pdf", "filename": "d.pdf", "size": 3}\n',
        '{"path": "e.pdf", "filename": "f.pdf", "name": "g.pdf"}\n',
    ]
    found = list(find_documents(["-"], stdin=io.StringIO("".join(lines))))
    assert [candidate.name for candidate in found] == ["", "", "g.pdf"]
    assert caplog.messages == ["manifest: the key 'filename' is not read: ours is 'name'"]


def test_a_glob_gives_a_file_once_although_links_lead_in_circles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its shortest name. One link gave forty names, two of them a million million."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.pdf").write_bytes(b"x")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "sub/again").symlink_to(tmp_path)
    assert [c.path for c in find_documents(["**/*.pdf"])] == ["sub/a.pdf"]
    assert [c.path for c in find_documents([f"{tmp_path}/*/*.pdf"])] == [f"{tmp_path}/sub/a.pdf"]


def test_two_slashes_in_a_glob_do_not_lead_to_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind ``**``, which may stand for no folder at all."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.pdf").write_bytes(b"x")
    assert sorted(expand("**//*")[0]) == ["sub", "sub/a.pdf"]
    assert expand(f"/{tmp_path}//*//a.pdf")[0] == [f"{tmp_path}/sub/a.pdf"]


_PARTS = st.sampled_from(["*", "**", "*.pdf", "a", "b?", "[ab]*", ".*", "", ".", "c", "*]"])


@examples(300)
@given(st.lists(_PARTS, min_size=1, max_size=4).map("/".join))
def test_a_glob_names_what_the_standard_library_says(forest: str, pattern: str) -> None:
    """Where no links are, and everything may be looked into."""
    if is_glob(pattern):
        paths, closed = expand(f"{forest}/{pattern}")
        known = glob.glob(f"{forest}/{pattern}", recursive=True)  # noqa: PTH207
        assert closed == {}
        assert _files(paths) == _files(known)


def _files(paths: Iterable[str]) -> set[str]:
    return {re.sub("/+", "/", path) for path in paths if Path(path).is_file()}


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make folders in folders, with files in each."""
    root = tmp_path_factory.mktemp("forest")
    for folder in ("", "a", "a/bc", "a/.d", "bc", "bc/a/bc", ".d", ".d/a"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in ("a.pdf", "b1", ".c.pdf", "]"):
            (root / folder / name).write_bytes(b"x")
    return str(root)


def test_a_path_that_is_too_long_is_a_document_that_is_missing() -> None:
    """It was an OSError."""
    (candidate,) = find_documents(["x" * 5000])
    with pytest.raises(DocumentError):
        candidate.document("d")
