"""Noticing that the end of the write-ahead log is gone, which SQLite takes for the end itself.

Layout of both files: sqlite.org/walformat.html.
"""

from __future__ import annotations

import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from longshore.errors import JournalError

__all__ = ["check_log"]

_LOG_HEADER = 32
_FRAME_HEADER = 24


class _Index(NamedTuple):
    """What the shared memory of the last process says of the log.

    Attributes:
        page: bytes of a page.
        frames: that were committed.
        salt: stands in each frame of this log.
        copied: frames that the database has by now.
    """

    page: int
    frames: int
    salt: bytes
    copied: int


def check_log(path: Path) -> None:
    """Compare the log with what the last process knew of it, if that was killed.

    Not to be called while this process has the journal open: closing one of its files would take
    away SQLite's locks.

    Raises:
        JournalError: what was committed is missing.
    """
    log, memory = Path(f"{path}-wal"), Path(f"{path}-shm")
    if not _size(path) and _size(log):
        raise JournalError(
            f"the journal {path} is empty, but its log {log} is not: what it held is lost",
            hint=f"put {path.name} back from a copy, or name another file with --journal",
        )
    before = _read_index(memory)
    if before is None or before.copied >= before.frames or _reaches(log, before):
        return
    if _read_index(memory) != before:
        return  # another process is writing, and has begun the log anew
    raise JournalError(
        f"the end of {log} is lost, and with it the last steps of the journal {path}",
        hint=f"put {log.name} back; or delete {memory.name} to go on with what is left: "
        "what was under way may then be sent again",
    )


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _read_index(memory: Path) -> _Index | None:
    """Return what the shared memory says; None where there is none that is valid."""
    try:
        with memory.open("rb") as file:
            data = file.read(136)
    except OSError:
        return None
    # the header is there twice, so that nobody uses one that is only half written
    if len(data) < 136 or data[:48] != data[48:96] or not data[12]:
        return None
    order = "<" if sys.byteorder == "little" else ">"
    page, frames = struct.unpack(f"{order}HI", data[14:20])
    (copied,) = struct.unpack(f"{order}I", data[96:100])
    return _Index(65536 if page == 1 else page, frames, data[32:40], copied)


def _reaches(log: Path, index: _Index) -> bool:
    """Tell whether the last frame is there."""
    try:
        with log.open("rb") as file:
            file.seek(_LOG_HEADER + (index.frames - 1) * (_FRAME_HEADER + index.page))
            frame = file.read(_FRAME_HEADER + index.page)
    except FileNotFoundError:
        return False
    return len(frame) == _FRAME_HEADER + index.page and frame[8:16] == index.salt
