"""Finding the documents that a user means: files, directories, globs and manifests."""

from __future__ import annotations

import glob
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from longshore.documents import Document, shown
from longshore.errors import UsageError
from longshore.redaction import redact_text
from longshore.sources import Found, describe, find_remote, is_remote
from longshore.urls import is_absolute

__all__ = ["Candidate", "find_documents"]

_MAGIC = ("*", "?", "[")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that was found, or why it cannot be one.

    Attributes:
        path: as the user gave it, or as it was found below what the user gave.
        name: another file name to tell the vendor; "" for the file's own.
        media_type: another media type; "" to guess from the name.
        info: what a remote store's listing said about it.
    """

    path: str
    name: str = ""
    media_type: str = ""
    info: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def shown(self) -> str:
        """The path as it may be printed and kept: a URL without its credentials."""
        return redact_text(self.path) if is_absolute(self.path) else shown(self.path)

    def document(self, id: str) -> Document:
        """Describe the file, or the remote object.

        Raises:
            DocumentError: it is missing or cannot be read.
            ConfigurationError: a package for its kind of URL is missing.
        """
        if is_remote(self.path):
            document = describe(Found(self.path, self.info), id=id, name=self.name)
        else:
            document = Document.from_path(Path(self.path), id=id, name=self.name)
        if self.media_type:
            document = document.model_copy(update={"media_type": self.media_type})
        return document

    def stub(self, id: str) -> Document:
        """Describe what can still be said about a file that cannot be read."""
        return Document(
            id=id, name=self.name or Path(self.shown).name, size=0, source=shown(self.path)
        )


def find_documents(paths: Iterable[str], *, stdin: TextIO | None = None) -> Iterator[Candidate]:
    """Expand what a user typed, in the order given and sorted below directories.

    Args:
        paths: files, directories (recursive), globs, URLs of those in a remote store, or ``-``
            for a manifest on stdin.
        stdin: where ``-`` reads from.

    Raises:
        UsageError: a directory holds no file, a glob matches none, or a manifest is malformed.
        ConfigurationError: a package for a URL is missing.
    """
    for path in paths:
        if path == "-":
            yield from _manifest(stdin or sys.stdin)
        elif is_remote(path):
            yield from (Candidate(found.url, info=found.info) for found in find_remote(path))
        elif Path(path).is_dir():
            yield from _directory(Path(path))
        elif any(mark in path for mark in _MAGIC) and not Path(path).exists():
            yield from _glob(path)
        else:
            yield Candidate(path)


def _directory(folder: Path) -> Iterator[Candidate]:
    found = False
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            found = True
            yield Candidate(str(path))
    if not found:
        raise UsageError(
            f"{folder}: the directory holds no files",
            hint="name a directory with documents; hidden files are not counted",
        )


def _glob(pattern: str) -> Iterator[Candidate]:
    paths = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - patterns may be absolute
    files = [path for path in paths if Path(path).is_file()]
    if not files:
        raise UsageError(f"{pattern}: no file matches", hint="check the pattern")
    yield from map(Candidate, files)


def _manifest(lines: TextIO) -> Iterator[Candidate]:
    """Read one path, or one JSON object with ``path`` (``name``, ``media_type``), per line."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        yield _entry(text, number) if text.startswith("{") else Candidate(text)


def _entry(text: str, number: int) -> Candidate:
    hint = 'write one path a line, or objects like {"path": "a.pdf", "name": "b.pdf"}'
    try:
        entry = json.loads(text)
        known = {key: str(entry[key]) for key in ("name", "media_type") if entry.get(key)}
        return Candidate(str(entry["path"]), **known)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"manifest, line {number}: {error}", hint=hint) from None
