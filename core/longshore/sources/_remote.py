"""Documents in remote stores: found, described, and read range by range; nothing is stored."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from longshore.documents import Document, Fingerprint, media_type_of
from longshore.errors import SourceChanged, SourceUnreadable, UsageError
from longshore.sources._place import Place, fingerprint_of, locate, marks_of, size_of
from longshore.urls import is_absolute, scheme_of

__all__ = ["Found", "RemoteFile", "describe", "find_remote", "is_remote"]

_BLOCK = 2 << 20
"""Bytes of one range; usual part sizes are multiples of it, so that nothing is read in vain."""

_HASH_BLOCK = 8 << 20
_LOOK_UP = 0.25
"""Seconds after which whoever waits for a store looks whether that is still wanted."""

_MAGIC = ("*", "?", "[")
_WEB = ("http", "https")
_LOCAL = ("file", "local")


@dataclass(frozen=True, slots=True)
class Found:
    """An object that a listing named.

    Attributes:
        url: of the object.
        info: what the listing said about it; None when it must be asked.
    """

    url: str
    info: Mapping[str, Any] | None = None


def is_remote(path: str) -> bool:
    """Tell whether a path is a URL, and no local file of a strange name."""
    return is_absolute(path) and not os.path.lexists(path)


def find_remote(url: str) -> Iterator[Found]:
    """Expand a URL: one object, a folder (recursive) or a glob where the store lists.

    Web addresses are objects, whatever is in them: a ``?`` begins their query.

    Raises:
        UsageError: the folder holds nothing, or nothing matches.
        ConfigurationError: a package is missing.
    """
    place = locate(url)
    if scheme_of(url) in _WEB:
        yield Found(url)
    elif any(mark in place.path for mark in _MAGIC):
        listing = place.ask(lambda: place.fs.glob(place.path, detail=True))
        yield from _listed(place, listing, "no object matches")
    elif place.ask(lambda: bool(place.fs.isdir(place.path))):
        listing = place.ask(lambda: place.fs.find(place.path, detail=True))
        yield from _listed(place, listing, "no objects in there")
    else:
        yield Found(url)


def _listed(place: Place, found: Mapping[str, Mapping[str, Any]], nothing: str) -> Iterator[Found]:
    start = len(_folder_of(place.path))
    names = sorted(
        name
        for name, info in found.items()
        if info.get("type") != "directory" and "/." not in "/" + name[start:].lstrip("/")
    )
    if not names:
        raise UsageError(
            f"{place.shown}: {nothing}", hint="check the URL; hidden files are not counted"
        )
    for name in names:
        yield Found(_url_of(place, name), marks_of(found[name]))


def _folder_of(path: str) -> str:
    """Return the part of a path that holds no pattern."""
    plain: list[str] = []
    for part in path.split("/"):
        if any(mark in part for mark in _MAGIC):
            break
        plain.append(part)
    return "/".join(plain)


def _url_of(place: Place, name: str) -> str:
    """Write the URL of an object in the way in which the user wrote theirs.

    In ``zip://*.pdf::plans.zip`` the store is what stands behind the colons.
    """
    url, *store = place.url.split("::", 1)
    path = place.path.lstrip("/")
    if path and path in url:
        url = url.rpartition(path)[0] + name.lstrip("/")
    else:
        url = str(place.fs.unstrip_protocol(name))
    return "::".join([url, *store])


def describe(found: Found, *, id: str, name: str = "") -> Document:
    """Describe a remote object as a document.

    Raises:
        SourceMissing: there is no such object.
        SourceUnreadable: it cannot be read, or the store does not tell its size.
    """
    place = locate(found.url, id)
    if place.fs.protocol in ("file", ("file", "local")):
        return Document.from_path(Path(place.path), id=id, name=name)
    info = found.info or place.info()
    size = size_of(info, place)
    if info.get("type") == "directory":
        raise SourceUnreadable(
            f"{place.shown}: a folder, not an object",
            document=id,
            hint="a manifest names single objects: give the folder as PATH",
        )
    if info.get("partial") is False and size > _BLOCK:
        raise SourceUnreadable(
            f"{place.shown}: the server does not serve ranges",
            document=id,
            hint="download the document first",
        )
    name = name or _name_of(found.url, place)
    return Document(
        id=id,
        name=name,
        size=size,
        media_type=media_type_of(name),
        source=_from_anywhere(found.url),
        fingerprint=fingerprint_of({**info, "size": size}),
    )


def _from_anywhere(url: str) -> str:
    """Write out where the local archive of a chain is: a resume may work in another folder."""
    *chain, store = url.split("::")
    if chain and ("://" not in store or scheme_of(store) in _LOCAL):
        from fsspec.implementations.local import LocalFileSystem

        path = LocalFileSystem._strip_protocol(store)  # noqa: SLF001 - as fsspec itself reads it
        if os.path.lexists(path):
            return "::".join([*chain, path])
    return url


def _name_of(url: str, place: Place) -> str:
    if scheme_of(url) in _WEB:
        return PurePosixPath(unquote(urlsplit(url).path)).name or urlsplit(url).hostname or "file"
    return PurePosixPath(place.path).name or "file"


class RemoteFile:
    """An open remote document that notices when the object is no longer the planned one.

    Before the last bytes of a region leave, the store is asked about the object (``prove``): if
    its marks are still those that were planned, all bytes that were read of it are, too. That
    happens in the thread that reads.

    Attributes:
        proved: the marks with which the object is known to be the planned one.
        waits: the store does not answer: a read goes on when it does, or never.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.waits = False
        self._place = replace(locate(document.source, document.id), rest=self._rest)
        self._closed = threading.Event()
        self._between: Callable[[], None] = lambda: None
        self.proved: Fingerprint | None = document.fingerprint
        self._changed: SourceChanged | None = None
        self._block, self._at = b"", 0

    def check(self) -> None:
        """Raise what ``prove`` noticed; asks nothing, so that it may be called anywhere.

        Raises:
            SourceChanged: the object changed since it was planned.
        """
        if self._changed is not None:
            raise self._changed

    def read(self, offset: int, size: int) -> bytes:
        """Read up to ``size`` bytes at ``offset``; fewer only at the end.

        Raises:
            SourceMissing: it is gone.
            SourceUnreadable: the store cannot be asked.
        """
        if not self._at <= offset < self._at + len(self._block):
            wanted = min(max(size, _BLOCK), self.document.size - offset)
            self._block = self._place.fetch(offset, wanted) if wanted > 0 else b""
            self._at = offset
        start = offset - self._at
        return self._block[start : start + size]

    def prove(self) -> None:
        """Ask the store whether the object is still the planned one.

        If only the marks differ and the SHA-256 is known, the bytes decide.

        Raises:
            SourceChanged: it is not.
        """
        now = self._marks()
        if self.proved is None or now == self.proved:
            return
        if now.size == self.document.size and self._same_bytes() and self._marks() == now:
            self.proved = now
            return
        self._changed = SourceChanged(
            f"{self._place.shown}: the object changed after it was planned",
            document=self.document.id,
            hint="upload it again when it is no longer being written",
        )
        raise self._changed

    def sha256(self, between: Callable[[], None] | None = None) -> str:
        """Hash the object; reads all of it over the network, a few MiB at a time.

        Args:
            between: called before each of them; what it raises ends the hashing. Without it an
                outage of the store is not waited for: whoever plans would wait for each document.
        """
        if between is None:
            self._place = replace(self._place, rest=None)
        else:
            self._between = between
        digest = self._digest(between)
        self.prove()
        return digest

    def _same_bytes(self) -> bool:
        known = self.document.sha256
        return known is not None and self._digest() == known

    def _digest(self, between: Callable[[], None] | None = None) -> str:
        digest = hashlib.sha256()
        for offset in range(0, self.document.size, _HASH_BLOCK):
            if between is not None:
                between()
            wanted = min(_HASH_BLOCK, self.document.size - offset)
            data = self._place.fetch(offset, wanted)
            digest.update(data)
            if len(data) < wanted:
                break  # shorter than planned: its marks say so, too
        return digest.hexdigest()

    def _marks(self) -> Fingerprint:
        info = self._place.info()
        return fingerprint_of({**info, "size": size_of(info, self._place)})

    def _rest(self, seconds: float) -> None:
        """Wait before another try, as long as somebody wants to know.

        Raises:
            SourceUnreadable: nobody does any more.
        """
        self.waits = True
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._between()
            if self._closed.wait(min(left, _LOOK_UP)):
                raise SourceUnreadable(f"{self._place.shown}: not read to its end")
        self.waits = False

    def close(self) -> None:
        """Let go of what was read ahead; whoever waits for the store stops."""
        self._block = b""
        self._closed.set()

    def __enter__(self) -> RemoteFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
