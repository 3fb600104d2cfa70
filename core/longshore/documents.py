"""Documents, their pieces, and the proof that a file is still the one that was planned."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import stat
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from longshore._model import Lean
from longshore.errors import SourceChanged, SourceMissing, SourceUnreadable

__all__ = [
    "Document",
    "Fingerprint",
    "Piece",
    "SourceFile",
    "extension_of",
    "media_type_of",
    "sha256_file",
    "shown",
]

# What the standard library's table lacks or knows only by the system's own table.
_MEDIA_TYPES = {
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".json": "application/json",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_AGAIN = "put it back, then upload it again"
_HASH_CHUNK = 2 << 20  # 1.3 ms: after each chunk a thread waits for its turn among the others
# Without O_NONBLOCK, opening a pipe that took the file's place would wait for its writer.
_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


class Fingerprint(Lean):
    """The cheap marks of a source: when they are equal, the source is taken to be unchanged.

    Attributes:
        size: bytes.
        mtime_ns: last change of the content, in nanoseconds since the epoch.
        ctime_ns: last change of the inode, in nanoseconds since the epoch.
        inode: the file's number on its disk.
        etag: what a remote store calls this version of the content; "" for a local file.
    """

    size: int
    mtime_ns: int = 0
    ctime_ns: int = 0
    inode: int = 0
    etag: str = ""

    @classmethod
    def of(cls, status: os.stat_result) -> Fingerprint:
        """Take the marks from an ``os.stat`` result."""
        return cls.of_fields(
            {
                "size": status.st_size,
                "mtime_ns": status.st_mtime_ns,
                "ctime_ns": status.st_ctime_ns,
                "inode": status.st_ino,
            }
        )

    def fits(self, status: os.stat_result) -> bool:
        """Tell whether ``of`` would be equal, without making it: each request asks twice."""
        marks = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, "")
        return marks == (self.size, self.mtime_ns, self.ctime_ns, self.inode, self.etag)


class Document(Lean):
    """One file to carry.

    Attributes:
        id: unique within the journal; given at planning.
        name: the file name that the vendor is told.
        size: bytes.
        media_type: for example ``application/pdf``.
        source: where the bytes are: an absolute path (or URL) that the core can open.
        fingerprint: the marks of the source when it was planned.
        sha256: 64 lower-case hex digits, or None until they are known.
    """

    id: str
    name: str
    size: int
    media_type: str = "application/octet-stream"
    source: str = ""
    fingerprint: Fingerprint | None = None
    sha256: str | None = None

    @property
    def stem(self) -> str:
        """The name without its last ending: ``plan`` for ``plan.pdf``."""
        base = self.name.rpartition("/")[2]
        return base.rpartition(".")[0] if self.extension else base

    @property
    def extension(self) -> str:
        """The last ending in lower case with its dot: ``.pdf``; "" when there is none."""
        return extension_of(self.name)

    def whole(self) -> Piece:
        """Return the piece that is the whole document."""
        return Piece(document=self.id, offset=0, size=self.size)

    @classmethod
    def from_path(cls, path: Path | str, *, id: str, name: str = "") -> Document:
        """Describe a local file.

        Raises:
            SourceMissing: there is no such file.
            SourceUnreadable: it is no regular file, or may not be read.
        """
        path = str(path)  # no Path here: a manifest may name a million files
        try:
            whole = _absolute(path)
            status = os.stat(whole)  # noqa: PTH116
        except (FileNotFoundError, ValueError) as error:  # ValueError: no file can be named so
            raise SourceMissing(
                f"{shown(path) or repr(path)}: no such file", hint="check the path"
            ) from error
        except OSError as error:
            closed = isinstance(error, PermissionError)
            raise SourceUnreadable(
                f"{shown(path)}: {error.strerror}",
                hint="check the modes of the folders above it" if closed else "",
            ) from error
        if not stat.S_ISREG(status.st_mode):
            raise SourceUnreadable(f"{shown(path)}: not a regular file")
        if shown(whole) != whole:
            raise _unnameable(path)
        if not os.access(whole, os.R_OK):
            raise SourceUnreadable(
                f"{shown(path)}: no permission to read", hint="check the file's mode"
            )
        name = name or whole.rpartition("/")[2]
        return cls.of_fields(
            {
                "id": id,
                "name": name,
                "size": status.st_size,
                "media_type": media_type_of(name),
                "source": whole,
                "fingerprint": Fingerprint.of(status),
            }
        )


class Piece(Lean):
    """A contiguous byte range of one document.

    Attributes:
        document: the document's id.
        offset: first byte.
        size: number of bytes.
    """

    document: str
    offset: int
    size: int

    def __repr__(self) -> str:
        """Return what a model returns, in a fifth of the time: every digest of a body asks."""
        return f"Piece(document={self.document!r}, offset={self.offset}, size={self.size})"

    @property
    def end(self) -> int:
        """The offset just after the last byte."""
        return self.offset + self.size

    def skip(self, count: int) -> Piece:
        """Return what is left after the first ``count`` bytes."""
        return Piece(document=self.document, offset=self.offset + count, size=self.size - count)


class SourceFile:
    """An open document that notices when the file is no longer the planned one.

    Reads never move a shared position, so several parts may be read at once.

    Attributes:
        proved: the marks with which the file is known to be the planned one.
    """

    def __init__(self, document: Document) -> None:
        self.document, self.fd = document, -1
        try:
            self.fd = os.open(document.source, _OPEN)
            regular = stat.S_ISREG(os.fstat(self.fd).st_mode)
        except FileNotFoundError as error:
            raise SourceMissing(
                f"{document.source}: the file is gone",
                document=document.id,
                hint=_AGAIN,
            ) from error
        except OSError as error:
            self.close()
            raise SourceUnreadable(
                f"{document.source}: {error.strerror}",
                document=document.id,
                hint="make it readable, then upload it again",
            ) from error
        if not regular:
            self.close()
            raise SourceUnreadable(
                f"{document.source}: not a regular file any more",
                document=document.id,
                hint=_AGAIN,
            )
        self.proved: Fingerprint | None = document.fingerprint

    def check(self) -> None:
        """Compare the file with its planned fingerprint.

        If only the cheap marks differ and the SHA-256 is known, the bytes decide.

        Raises:
            SourceChanged: it changed since it was planned, or the disk fails: nobody can tell.
        """
        document, proved = self.document, self.proved
        try:
            status = os.fstat(self.fd)
            if proved is None or proved.fits(status):
                return
            now = Fingerprint.of(status)
            # The open file is hashed, not its path: that may be another file by now, or none.
            if now.size == document.size and document.sha256 and self.sha256() == document.sha256:
                self.proved = now
                return
        except OSError as error:
            words = f"{document.source}: the file cannot be compared any more: {error.strerror}"
            raise SourceChanged(words, document=document.id) from error
        raise SourceChanged(
            f"{document.source}: the file changed after it was planned",
            document=document.id,
            hint="upload it again when it is no longer being written",
        )

    def read(self, offset: int, size: int) -> bytes:
        """Read up to ``size`` bytes at ``offset``; fewer only at the end of the file."""
        return os.pread(self.fd, size, offset)

    def fileno(self) -> int:
        """Return the descriptor, for those who can send a file without reading it."""
        return self.fd

    def sha256(self, between: Callable[[], None] | None = None) -> str:
        """Hash the open file; reads it in chunks (0.6 s a GiB), frees the GIL.

        Args:
            between: called before each chunk; what it raises ends the hashing.
        """
        digest, offset = hashlib.sha256(), 0
        while chunk := self.read(offset, _HASH_CHUNK):
            if between is not None:
                between()
            digest.update(chunk)
            offset += len(chunk)
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> SourceFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _unnameable(path: str) -> SourceUnreadable:
    """Say why a path cannot be kept as text: its own bytes, or how this process reads them."""
    encoding = sys.getfilesystemencoding()
    if encoding == "utf-8":
        why = "the name of the file or of a folder above it is not UTF-8"
        return SourceUnreadable(f"{shown(path)}: {why}", hint="rename the file")
    why = f"the locale of this process reads names as {encoding}, not as UTF-8"
    return SourceUnreadable(f"{shown(path)}: {why}", hint="set PYTHONUTF8=1 or a UTF-8 locale")


def _absolute(path: str) -> str:
    """Put the working directory before a relative path; ``..`` stays, a link may be before it.

    Raises:
        ValueError: the path is empty: it names nothing, and not the working directory.
    """
    if not path:
        raise ValueError
    whole = path if path.startswith("/") else f"{Path.cwd()}/{path}"
    return str(Path(whole)) if "/." in whole or "//" in whole or whole.endswith("/") else whole


def shown(path: Path | str) -> str:
    """Write a path so that it can be printed and stored, whatever bytes its name has."""
    if isinstance(path, str) and path.isascii():
        return path
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a surrogate, from a manifest: no file is named so
        return str(path).encode("utf-8", "backslashreplace").decode()


def media_type_of(name: str) -> str:
    """Guess the media type from a file name; ``application/octet-stream`` when unknown."""
    # A guess looks at no more than the last two endings, and most names share theirs.
    return _media_type(name if name.startswith(".") else ".".join(["x", *name.rsplit(".", 2)[1:]]))


def extension_of(name: str) -> str:
    """Return the last ending in lower case with its dot: ``.pdf``; "" when there is none."""
    base = name.rpartition("/")[2]
    dot = base.rfind(".")
    return base[dot:].lower() if 0 < dot < len(base) - 1 else ""


@lru_cache(maxsize=256)
def _media_type(name: str) -> str:
    extension = extension_of(name)
    guess, packed = mimetypes.guess_type(name)
    if packed:  # plan.pdf.gz is no PDF
        return "application/gzip" if packed == "gzip" else "application/octet-stream"
    return _MEDIA_TYPES.get(extension) or guess or "application/octet-stream"


def sha256_file(path: str) -> str:
    """Return the SHA-256 of a file as hex; reads it in chunks (0.6 s a GiB), frees the GIL."""
    digest = hashlib.sha256()
    with Path(path).open("rb", buffering=0) as file:
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
