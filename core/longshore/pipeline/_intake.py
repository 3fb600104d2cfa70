"""Finding the documents that a user means: files, directories, globs and manifests."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from longshore._closest import closest
from longshore.documents import Document, shown
from longshore.errors import SourceMissing, SourceUnreadable, UsageError
from longshore.journal import journals_among
from longshore.pipeline._glob import expand, is_glob
from longshore.redaction import redact_text
from longshore.sources import Found, describe, find_remote, is_remote
from longshore.urls import is_absolute

__all__ = ["Candidate", "find_documents"]

_log = logging.getLogger(__name__)

_ONE_FILE = "each line of a manifest names one file"
_JSON = json.JSONDecoder()
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(?: *;[ -~]*)?", re.ASCII)

_KEYS = frozenset({"path", "name", "media_type"})
"""Of a manifest's entry."""

_THEIR_WORDS = {
    "content_type": "media_type", "file_name": "name", "filename": "name",
    "mime_type": "media_type", "mimetype": "media_type",
}  # fmt: skip
"""What others call them."""

_LONGEST_LINE = 1 << 20
"""Characters of a line of a manifest: less."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that was found, or why it cannot be one.

    Attributes:
        path: as the user gave it, or as it was found below what the user gave.
        name: another file name to tell the vendor; "" for the file's own.
        media_type: another media type; "" to guess from the name.
        info: what a remote store's listing said about it.
        trouble: why it cannot be read, where that is known already.
    """

    path: str
    name: str = ""
    media_type: str = ""
    info: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    trouble: str = ""

    @property
    def shown(self) -> str:
        """The path as it may be printed and kept: a URL without its credentials."""
        return shown(redact_text(self.path) if is_absolute(self.path) else self.path)

    def document(self, id: str) -> Document:
        """Describe the file, or the remote object.

        Raises:
            DocumentError: it is missing or cannot be read.
            ConfigurationError: a package for its kind of URL is missing.
        """
        if self.trouble:
            hint = "check the permissions of the folder and of those above it"
            raise SourceUnreadable(f"{self.shown}: {self.trouble}", hint=hint)
        try:
            if is_remote(self.path):
                document = describe(Found(self.path, self.info), id=id, name=self.name)
            else:
                document = Document.from_path(self.path, id=id, name=self.name)
        except (SourceMissing, SourceUnreadable) as error:
            error.hint = self._hint() or error.hint
            raise
        if self.media_type:
            document = document.model_copy(update={"media_type": self.media_type})
        return document

    def _hint(self) -> str:
        """Say what can be done where a line of a manifest names several files."""
        if _is_folder(self.path):
            return f"{_ONE_FILE}: list the folder's files, or give the folder as PATH"
        web = self.path.startswith(("http://", "https://"))  # where a ? begins a query
        glob = is_glob(self.path) and not os.path.lexists(self.path)
        if glob and not web:
            return f"check the path; {_ONE_FILE}: a glob is given as PATH"
        return ""

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
        elif _is_folder(path):
            yield from _directory(str(Path(path)))
        elif is_glob(path) and not os.path.lexists(path):
            yield from _glob(path)
        else:
            yield Candidate(path)


def _directory(folder: str) -> Iterator[Candidate]:
    found = False
    for candidate in _walk(folder):
        found = True
        yield candidate
    if not found:
        raise UsageError(
            f"{folder}: the directory holds no files",
            hint="name a directory with documents; hidden files are not counted",
        )


def _glob(pattern: str) -> Iterator[Candidate]:
    """Give the files that match, each once: a link may lead to a folder that matches, too.

    Folders that match are told, unless ``**`` leads into them.
    """
    paths, closed = expand(pattern)
    once: dict[Path, str] = {}
    folders: list[str] = []
    for path in sorted(paths, key=lambda path: (len(path), path)):
        if _is_folder(path):
            folders.append(path)
        else:
            once.setdefault(_place(Path(path)), path)
    if "**" not in pattern:
        _tell(pattern, "the files in folders that match do not go", folders)
    if not (once or closed):
        raise UsageError(f"{pattern}: no file matches", hint="check the pattern")
    for path in sorted([*once.values(), *closed]):
        yield _unlisted(path, closed[path]) if path in closed else Candidate(path)


def _unlisted(folder: str, error: OSError) -> Candidate:
    """What is in a folder that cannot be listed must not be missing in silence."""
    return Candidate(folder, trouble=f"the folder cannot be listed: {error.strerror}")


def _tell(path: str, what: str, folders: Sequence[str]) -> None:
    if folders:
        example = shown(folders[0])
        words = "%s: %s, such as %s (%d in all): name those that are meant"
        _log.warning(words, shown(path), what, example, len(folders))


def _walk(folder: str) -> Iterator[Candidate]:
    """Give all that is below a folder, sorted; what is no file is refused later, by its name.

    Hidden names and journals are left out, and links to folders are not followed: they may lead in
    a circle. Those links are told, and so is a folder that cannot be listed.
    """
    links: list[str] = []
    waiting = [(folder, True)]  # no recursion: folders may lie deeper than Python calls
    while waiting:
        path, is_folder = waiting.pop()
        if not is_folder:
            yield Candidate(path)
            continue
        try:
            waiting += reversed(_listed(path, links))
        except OSError as error:
            yield _unlisted(path, error)
    _tell(folder, "links to folders are not followed", links)


def _listed(folder: str, links: list[str]) -> list[tuple[str, bool]]:
    """Return the files and folders in a folder, sorted; True: a folder to be walked.

    Links to folders are added to the other links.
    """
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    journals = journals_among(folder, [entry.name for entry in found])
    listed: list[tuple[str, bool]] = []
    for entry in found:
        path = entry.name if folder == "." else entry.path
        if entry.name.startswith(".") or entry.name in journals:
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        if not is_folder and entry.is_symlink() and _is_folder(path):
            links.append(path)
        else:
            listed.append((path, is_folder))
    return listed


def _is_folder(path: str) -> bool:
    """Ask without raising, for whatever text: ``Path.is_dir`` raises for a name too long."""
    return os.path.isdir(path)  # noqa: PTH112


def _place(path: Path) -> Path:
    """Return where a name stands, with the links to its folder resolved, not its own."""
    return Path(os.path.realpath(path.parent)) / path.name


def _manifest(lines: TextIO) -> Iterator[Candidate]:
    """Read one path, or one JSON object with ``path`` (``name``, ``media_type``), per line."""
    if isinstance(lines, TextIOWrapper):  # names are bytes: what is no UTF-8 is kept
        lines.reconfigure(errors="surrogateescape")
    for number, line in enumerate(iter(partial(lines.readline, _LONGEST_LINE), ""), 1):
        if len(line) == _LONGEST_LINE:
            raise UsageError(f"manifest, line {number}: it does not end")
        text = line.strip()
        if number == 1:
            text = text.removeprefix("\ufeff")  # as some editors begin a file
        if not text:
            continue
        yield _entry(text, number) if text.startswith("{") else Candidate(text)


def _entry(text: str, number: int) -> Candidate:
    hint = 'write one path a line, or objects like {"path": "a.pdf", "name": "b.pdf"}'
    try:
        entry, end = _JSON.raw_decode(text)  # half of the time of json.loads, for each document
        if end < len(text):
            raise json.JSONDecodeError("Extra data", text, end)
        if not entry.keys() <= _KEYS:
            _check_keys(frozenset(entry))
        name, media_type = entry.get("name"), entry.get("media_type")
        return Candidate(
            _text(entry, "path"),
            name=_text(entry, "name") if name else "",
            media_type=_text(entry, "media_type") if media_type else "",
        )
    except KeyError as error:
        raise UsageError(f"manifest, line {number}: {error} is missing", hint=hint) from None
    except (ValueError, RecursionError) as error:
        words = str(error).replace("line 1 column", "column")  # of this text, not of the manifest
        raise UsageError(f"manifest, line {number}: {words}", hint=hint) from None


@lru_cache(maxsize=16)  # most lines have the same keys, and to compare words takes its time
def _check_keys(keys: frozenset[str]) -> None:
    """Refuse a key that looks like a known one misspelt; others are somebody else's, and allowed.

    That what others call ours is not read, is told.

    Raises:
        ValueError: there is one.
    """
    for key in sorted(keys - _KEYS):
        if near := closest(key, _KEYS - keys, cutoff=0.75):
            known = ", ".join(sorted(_KEYS))
            raise ValueError(f"there is no key {key!r}: {near} (known: {known})")
        ours = _THEIR_WORDS.get(key)
        if ours is not None and ours not in keys:
            _log.warning("manifest: the key %r is not read: ours is %r", key, ours)


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is no text")
    if key == "name":
        value.encode()  # half a surrogate could not be sent
    if key == "media_type" and not _MEDIA_TYPE.fullmatch(value):
        raise ValueError("media_type is not a media type such as application/pdf")
    return value
