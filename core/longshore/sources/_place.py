"""One object in a remote store, asked through fsspec, which is loaded only when it is needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from longshore.documents import Fingerprint
from longshore.errors import ConfigurationError, SourceMissing, SourceUnreadable, UsageError
from longshore.redaction import redact_text

__all__ = ["Place", "fingerprint_of", "locate", "size_of"]

T = TypeVar("T")

_ETAGS = ("ETag", "etag", "e_tag", "md5Hash", "content_md5", "Content-MD5", "checksum", "crc32c")
_TIMES = ("mtime", "LastModified", "last_modified", "Last-Modified", "updated", "modify", "created")
_PAUSES = (0.2, 1.0)
"""Seconds between the tries of a read that failed for no known reason."""

_ONE_AT_A_TIME = threading.Lock()
"""Stores without an event loop of their own need not bear two threads at once."""


@dataclass(frozen=True, slots=True)
class Place:
    """An object, and the file system that reaches it.

    Attributes:
        url: as it was given; it may hold credentials.
        fs: the fsspec file system.
        path: of the object in it.
        document: the id for errors, "" while it has none.
    """

    url: str
    fs: Any
    path: str
    document: str = ""

    @property
    def shown(self) -> str:
        """The URL as it may be printed."""
        return redact_text(self.url)

    def info(self) -> dict[str, Any]:
        """Ask the store about the object, past any cache.

        Raises:
            SourceMissing: there is no such object.
            SourceUnreadable: the store cannot be asked.
        """

        def ask() -> dict[str, Any]:
            self.fs.invalidate_cache()
            return dict(self.fs.info(self.path))

        return self.ask(ask)

    def fetch(self, offset: int, size: int) -> bytes:
        """Read a range of the object.

        Raises:
            SourceMissing: there is no such object any more.
            SourceUnreadable: it cannot be read, or the store does not serve ranges.
        """
        # By name: the file systems do not agree on the order of what follows the path.
        data = bytes(self.ask(lambda: self.fs.cat_file(self.path, start=offset, end=offset + size)))
        if len(data) > size:
            raise SourceUnreadable(
                f"{self.shown}: the store sent more than the range that was asked for",
                document=self.document,
                hint="it does not serve ranges: download the document first",
            )
        return data

    def ask(self, call: Callable[[], T]) -> T:
        """Call the file system, some times if need be; its errors become ours."""
        for pause in (*_PAUSES, None):
            try:
                if getattr(self.fs, "async_impl", False):
                    return call()
                with _ONE_AT_A_TIME:
                    return call()
            except FileNotFoundError as error:
                if pause is None or _is_gone(error):
                    raise self._missing(error) from None
                time.sleep(pause)
            except PermissionError as error:
                raise self._unreadable(error) from None
            except ImportError as error:
                raise _needs_package(self.url, error) from None
            except Exception as error:  # noqa: BLE001 - each file system has its own errors
                if pause is None:
                    raise self._unreadable(error) from None
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _missing(self, error: FileNotFoundError) -> SourceMissing:
        words = "no such object" if _is_gone(error) else _words(error.__cause__)
        return SourceMissing(f"{self.shown}: {words}", document=self.document, hint="check the URL")

    def _unreadable(self, error: Exception) -> SourceUnreadable:
        return SourceUnreadable(f"{self.shown}: {_words(error)}", document=self.document)


def _is_gone(error: FileNotFoundError) -> bool:
    """Tell an object that is not there from a server that did not answer (fsspec's HTTP)."""
    cause = error.__cause__
    of_network = type(cause).__module__.startswith("aiohttp") or isinstance(cause, TimeoutError)
    return not of_network or getattr(cause, "status", None) in (404, 410)


def _words(error: BaseException | None) -> str:
    return redact_text(" ".join(str(error).split())) or type(error).__name__


def locate(url: str, document: str = "") -> Place:
    """Find the file system of a URL; credentials come from its own configuration.

    Raises:
        ConfigurationError: a package is missing; the hint says which.
        UsageError: no file system has this scheme, or the URL is none.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise ConfigurationError(
            f"{redact_text(url)}: documents that are not local files need fsspec",
            hint="pip install 'longshore[fsspec]'",
        ) from None
    try:
        fs, path = url_to_fs(url)
    except ImportError as error:
        raise _needs_package(url, error) from None
    except Exception as error:  # noqa: BLE001 - each file system has its own errors
        words = redact_text(" ".join(str(error).split()))
        raise UsageError(f"{redact_text(url)}: {words}", hint="check the URL") from None
    return Place(url, fs, path, document)


_PACKAGES = {
    "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs", "gcs": "gcsfs", "gs": "gcsfs",
    "http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "s3a": "s3fs", "sftp": "paramiko",
    "smb": "smbprotocol", "ssh": "paramiko", "webhdfs": "requests",
}  # fmt: skip


def _needs_package(url: str, error: ImportError) -> ConfigurationError:
    """Name the package that a file system needs besides fsspec."""
    scheme = urlsplit(url).scheme
    package = _PACKAGES.get(scheme)
    said = " ".join(str(error).split())
    return ConfigurationError(
        f"{redact_text(url)}: {scheme}:// needs a package that is not installed",
        hint=f"pip install {package}" if package else said,
    )


def size_of(info: Mapping[str, Any], place: Place) -> int:
    """Return the size that the store told.

    Raises:
        SourceUnreadable: it did not.
    """
    size = info.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise SourceUnreadable(
            f"{place.shown}: the store does not tell its size",
            document=place.document,
            hint="download the document first",
        )
    return size


def fingerprint_of(info: Mapping[str, Any]) -> Fingerprint:
    """Take the marks of an object: its ETag or checksum, else its time; size in any case.

    A time beside an ETag is left out: a listing may tell it more precisely than a single answer.
    """
    size = int(info["size"])
    for name in _ETAGS:
        if info.get(name):
            return Fingerprint(size=size, etag=str(info[name]))
    for name in _TIMES:
        if (value := info.get(name)) is not None:
            return _marked(size, value)
    return Fingerprint(size=size)


def _marked(size: int, value: object) -> Fingerprint:
    if isinstance(value, datetime):
        value = value.timestamp()
    if isinstance(value, int | float):
        return Fingerprint(size=size, mtime_ns=int(value * 1e9))
    return Fingerprint(size=size, etag=str(value))  # a date as text: equal or not
