"""One object in a remote store, asked through fsspec, which is loaded only when it is needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from longshore.documents import Fingerprint
from longshore.errors import ConfigurationError, SourceMissing, SourceUnreadable, UsageError
from longshore.redaction import redact_text
from longshore.urls import scheme_of

__all__ = ["Place", "fingerprint_of", "locate", "marks_of", "size_of"]

T = TypeVar("T")

_ETAGS = ("ETag", "etag", "e_tag", "md5Hash", "content_md5", "Content-MD5", "checksum", "crc32c")
_TIMES = ("mtime", "LastModified", "last_modified", "Last-Modified", "updated", "modify", "created")
_PAUSES = (0.2, 1.0)
"""Seconds between the tries of a read that failed for no known reason."""

_PATIENT = (*_PAUSES, 2.0, 4.0, 8.0, 15.0)
"""The same for a store that is down, where somebody waits in a thread: 30 s in all."""

_LONGEST = 30.0
"""Seconds after which no more tries are made: a store's own client may take long for each."""

_MOST_CAUSES = 8

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
        rest: waits so many seconds before another try. Given where waiting holds up nobody else:
            then an outage of the store is waited for.
    """

    url: str
    fs: Any
    path: str
    document: str = ""
    rest: Callable[[float], None] | None = None

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
        if "http" in self.fs.protocol:
            data = self.ask(lambda: self._streamed(offset, size))
        else:  # by name: the file systems do not agree on the order of what follows the path
            data = bytes(
                self.ask(lambda: self.fs.cat_file(self.path, start=offset, end=offset + size))
            )
        if len(data) > size:
            raise SourceUnreadable(
                f"{self.shown}: the store sent more than the range that was asked for",
                document=self.document,
                hint="it does not serve ranges: download the document first",
            )
        return data

    def _streamed(self, offset: int, size: int) -> bytes:
        """Read a range and no more than a byte beyond: any server may send without end."""
        headers = {
            **self.fs.kwargs.get("headers", {}),
            "Accept-Encoding": "identity",
            "Range": f"bytes={offset}-{offset + size - 1}",
        }
        data = bytearray()
        with self.fs.open(self.path, block_size=0, size=size, headers=headers) as file:
            while len(data) <= size and (chunk := file.read(size + 1 - len(data))):
                data += chunk
        return bytes(data)

    def ask(self, call: Callable[[], T]) -> T:
        """Call the file system, some times if need be; its errors become ours."""
        rest = self.rest or time.sleep
        until = time.monotonic() + _LONGEST
        for number, pause in enumerate((*(_PATIENT if self.rest else _PAUSES), None)):
            try:
                if getattr(self.fs, "async_impl", False):
                    return call()
                with _ONE_AT_A_TIME:
                    return call()
            except FileNotFoundError as error:
                if pause is None or _is_gone(error) or _in_vain(error, number, until):
                    raise self._missing(error) from None
                rest(pause)
            except PermissionError as error:
                raise self._unreadable(error) from None
            except ImportError as error:
                raise _needs_package(self.url, error) from None
            except Exception as error:  # noqa: BLE001 - each file system has its own errors
                if pause is None or _in_vain(error, number, until):
                    raise self._unreadable(error) from None
                rest(pause)
        raise AssertionError("the last try returns or raises")

    def _missing(self, error: FileNotFoundError) -> SourceMissing:
        words = "no such object" if _is_gone(error) else _words(error.__cause__)
        hint = self._hint(error) or "check the URL"
        return SourceMissing(f"{self.shown}: {words}", document=self.document, hint=hint)

    def _unreadable(self, error: Exception) -> SourceUnreadable:
        words = f"{self.shown}: {_words(error)}"
        return SourceUnreadable(words, document=self.document, hint=self._hint(error))

    def _hint(self, error: Exception) -> str:
        down = self.rest is not None and _is_outage(error)
        return "when the store answers again: longshore rerun RUN --failed" if down else ""


def _is_gone(error: FileNotFoundError) -> bool:
    """Tell an object that is not there from a server that did not answer (fsspec's HTTP)."""
    cause = error.__cause__
    return not _of_network(cause) or getattr(cause, "status", None) in (404, 410)


def _is_outage(error: Exception) -> bool:
    """Tell whether the store may answer otherwise before long."""
    if isinstance(error, FileNotFoundError) and _is_gone(error):
        return False
    causes = [*_causes(error.__cause__ if isinstance(error, FileNotFoundError) else error)]
    for cause in causes:
        if isinstance(status := getattr(cause, "status", None), int):
            return status >= 500 or status in (408, 425, 429)
    return any(isinstance(cause, OSError) or _of_network(cause) for cause in causes)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those behind it: some stores' clients wrap that of the connection."""
    for _ in range(_MOST_CAUSES):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _in_vain(error: Exception, number: int, until: float) -> bool:
    return number >= len(_PAUSES) and (not _is_outage(error) or time.monotonic() > until)


def _of_network(error: BaseException | None) -> bool:
    return type(error).__module__.startswith("aiohttp") or isinstance(error, TimeoutError)


def _words(error: BaseException | None) -> str:
    return redact_text(" ".join(str(error).split())) or type(error).__name__


def locate(url: str, document: str = "") -> Place:
    """Find the file system of a URL; credentials come from its own configuration.

    Raises:
        ConfigurationError: a package is missing; the hint says which.
        UsageError: no file system has this scheme, or the URL is none.
        SourceUnreadable: the same, where it is about one document of others.
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
        words, hint = f"{redact_text(url)}: {_words(error)}", "check the URL"
        if document:
            raise SourceUnreadable(words, document=document, hint=hint) from None
        raise UsageError(words, hint=hint) from None
    return Place(url, fs, path, document)


_PACKAGES = {
    "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs", "gcs": "gcsfs", "gs": "gcsfs",
    "http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "s3a": "s3fs", "sftp": "paramiko",
    "smb": "smbprotocol", "ssh": "paramiko", "webhdfs": "requests",
}  # fmt: skip


def _needs_package(url: str, error: ImportError) -> ConfigurationError:
    """Name the package that a file system needs besides fsspec."""
    scheme = scheme_of(url)
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


def marks_of(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is ever asked for of a listing's entry; the rest may be anything, of any size."""
    wanted = ("size", "type", "partial", *_ETAGS, *_TIMES)
    return {name: info[name] for name in wanted if name in info}


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
