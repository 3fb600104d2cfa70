"""One executor per run: a lock that the kernel frees when its process dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from longshore.errors import JournalError, RunInUse

__all__ = ["hold_run", "journals_among", "opening"]

_LOCKS = ".locks"
_OPENING = "opening"


@contextmanager
def hold_run(journal: Path, run_id: str) -> Iterator[None]:
    """Hold a run of this journal; the lock file tells who does.

    Raises:
        RunInUse: another process, or another executor in this one, holds it.
        JournalError: the lock file cannot be written.
    """
    path = _folder(journal) / f"{quote(run_id, safe='')}.lock"
    file = _lock(path, run_id)
    try:
        with suppress(OSError):  # on a full disk the lock holds all the same
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        with suppress(OSError):  # a file that stays, where nothing may be deleted, locks nobody out
            path.unlink()  # before it is freed, so that no other's file is deleted
        os.close(file)


@contextmanager
def opening(journal: Path) -> Iterator[None]:
    """Let one process after the other open a journal: two cannot switch it to WAL at once."""
    path = _folder(journal) / _OPENING
    file = _open(path)
    try:
        _flock(file, fcntl.LOCK_EX, path)
        yield
    finally:
        os.close(file)


def _folder(journal: Path) -> Path:
    return Path(f"{journal}{_LOCKS}")


def journals_among(folder: str, names: Iterable[str]) -> set[str]:
    """Return which names in a folder are journals, or files that belong to one.

    The lock folder tells; no file is opened, for SQLite's locks might be on it.
    """
    locks = [name for name in names if name.endswith(_LOCKS)]
    journals = [n.removesuffix(_LOCKS) for n in locks if Path(folder, n, _OPENING).is_file()]
    return {f"{name}{end}" for name in journals for end in ("", "-wal", "-shm", "-hooks", _LOCKS)}


def _lock(path: Path, run_id: str) -> int:
    while True:
        file = _open(path)
        try:
            _flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, path)
            if _is_at(path, file):
                return file
        except BlockingIOError as error:
            pid = os.pread(file, 20, 0).decode("ascii", "replace")
            os.close(file)
            raise RunInUse(
                f"run {run_id} is in use by process {pid or '(unknown)'}",
                hint=f"wait until it has ended, or stop it; longshore watch {run_id} shows it",
            ) from error
        except JournalError:
            os.close(file)
            raise
        os.close(file)  # its last holder deleted it between our open and our lock


def _flock(file: int, how: int, path: Path) -> None:
    try:
        fcntl.flock(file, how)
    except BlockingIOError:  # somebody else has it
        raise
    except OSError as error:
        raise JournalError(
            f"the lock file {path} cannot be locked: {error.strerror}",
            hint="name a file on a local disk with --journal",
        ) from error


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        # No link is followed: beside a shared journal it may lead to a file that is not to be cut.
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise JournalError(
            f"the lock file {path} cannot be written: {error.strerror}",
            hint="check who may write beside the journal",
        ) from error


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False
