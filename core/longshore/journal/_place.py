"""Where the journal lies: the default place, who may read it, and disks that cannot hold it."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import platformdirs

from longshore.errors import JournalError

__all__ = [
    "default_journal_path", "file_system_of", "is_missing", "is_network", "keep_private",
    "prepare_place",
]  # fmt: skip

_ELSEWHERE = "name a file on a local disk with --journal"
_MOUNTS = Path("/proc/self/mountinfo")

# Where several machines may reach one file, neither locks nor shared memory can be relied on.
_NETWORK = frozenset({
    "9p", "acfs", "afs", "auristorfs", "beegfs", "ceph", "cifs", "coda", "gfs", "gfs2", "glusterfs",
    "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs",
    "wekafs",
})  # fmt: skip
_NETWORK_FUSE = frozenset({
    "blobfuse", "blobfuse2", "ceph", "ceph-fuse", "curlftpfs", "davfs", "davfs2", "gcsfuse",
    "glusterfs", "goofys", "juicefs", "moosefs", "mount-s3", "mountpoint-s3", "rclone", "s3fs",
    "seaweedfs", "smbnetfs", "sshfs",
})  # fmt: skip


def default_journal_path() -> Path:
    """Return ``$XDG_STATE_HOME/longshore/journal.db``, or this platform's equivalent.

    Raises:
        JournalError: this user has no home.
    """
    with suppress(RuntimeError):
        folder = platformdirs.user_state_path("longshore", appauthor=False)
        if folder.is_absolute():  # some releases raise, others return a folder named ~
            return folder / "journal.db"
    raise JournalError(
        "there is no place for the journal: this user has no home folder",
        hint="name a file with --journal, or set HOME or XDG_STATE_HOME to an absolute path",
    )


def is_missing(path: Path) -> bool:
    """Tell whether there is no journal at a path; whatever else is wrong, opening it says."""
    path = Path(os.path.expanduser(path))  # noqa: PTH111 - Path's raises without a home
    try:
        path.stat()
    except FileNotFoundError:
        return not Path(f"{path}-wal").exists()  # else it is lost, which is worse
    except OSError:
        pass
    return False


def prepare_place(path: Path) -> Path:
    """Make sure that the file is there, on a disk that can hold it.

    Returns:
        The file without links on the way: by whatever name it is reached, its locks are the same.

    Raises:
        JournalError: no file, a network disk, or no permission.
    """
    try:
        path = path.expanduser().resolve()  # a shell leaves the ~ of --journal=~/FILE
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            kind = "a directory" if path.is_dir() else "no regular file"
            raise JournalError(f"{path} is {kind}, not a journal", hint=_ELSEWHERE)
        _refuse_network(path)
        # An existing file is never opened here: closing it again would take away the locks that
        # SQLite holds on it in this process.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        path.stat()  # links in a circle exist, and lead to no file
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise JournalError(
            f"the journal {path} cannot be written: {getattr(error, 'strerror', error)}",
            hint=f"check who may write there, or {_ELSEWHERE}",
        ) from error
    return path


def keep_private(path: Path) -> None:
    """Let only its owner read a journal; nothing else that a user may have named by mistake.

    SQLite gives its ``-wal`` and ``-shm`` files the mode of the database.
    """
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(OSError):
            if (mode := file.stat().st_mode) & 0o077:
                file.chmod(mode & 0o700)


def _refuse_network(path: Path) -> None:
    if sys.platform != "linux" or not _MOUNTS.exists():
        return
    mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    kind = file_system_of(path.resolve(), mounts)
    if is_network(kind):
        raise JournalError(
            f"{path} is on a network disk ({kind}), where a journal can be damaged",
            hint=_ELSEWHERE,
        )


def file_system_of(path: Path, mounts: str) -> str:
    """Return the type of the file system that an absolute path is on; "" when unknown.

    Args:
        path: absolute, without symbolic links.
        mounts: the text of ``/proc/self/mountinfo`` (Linux, proc_pid_mountinfo(5)).
    """
    best, kind = 0, ""
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        fields = mount.split()
        if len(fields) < 5 or not source:
            continue
        point = Path(_unescape(fields[4]))
        # the later of two mounts on one point covers the earlier
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), source.split()[0]
    return kind


def is_network(kind: str) -> bool:
    """Tell whether a file system of this type is reached over a network."""
    return kind in _NETWORK or kind.removeprefix("fuse.") in _NETWORK_FUSE


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
