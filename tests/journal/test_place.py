"""Disks that cannot hold a journal are recognised before the first write."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from longshore.errors import JournalError
from longshore.journal import SQLiteJournal, _place
from longshore.journal._place import file_system_of, is_network

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:26 / /home rw,nosuid shared:9 - nfs4 server:/home rw,vers=4.2
31 30 254:3 / /home/me/local rw shared:10 master:2 - xfs /dev/vdb rw
32 22 0:40 / /mnt/with\040space rw - fuse.sshfs me@host:/ rw
33 22 0:41 / /auto rw - autofs systemd-1 rw
34 33 0:42 / /auto rw - cifs //server/share rw
35 22 0:43 / /dev/shm rw - tmpfs tmpfs rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/journal.db", "ext4"),
        ("/home/me/journal.db", "nfs4"),
        ("/home/me/local/journal.db", "xfs"),
        ("/home/me/localities/journal.db", "nfs4"),
        ("/homes/journal.db", "ext4"),
        ("/mnt/with space/journal.db", "fuse.sshfs"),
        ("/auto/journal.db", "cifs"),
        ("/dev/shm/journal.db", "tmpfs"),
    ],
)
def test_the_longest_mount_point_decides(path: str, kind: str) -> None:
    """By whole path components; of two mounts on one point the later counts."""
    assert file_system_of(Path(path), MOUNTS) == kind


def test_without_mounts_nothing_is_known() -> None:
    """An unknown file system is not refused."""
    assert file_system_of(Path("/journal.db"), "") == ""
    assert not is_network("")


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre",
     "fuse.sshfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs"],
)  # fmt: skip
def test_network_file_systems_are_known(kind: str) -> None:
    """Several machines may write there at once."""
    assert is_network(kind)


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuse.ntfs-3g"]
)
def test_local_file_systems_are_welcome(kind: str) -> None:
    """A journal may lie there."""
    assert not is_network(kind)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts are read from /proc")
def test_a_journal_on_a_network_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any file is created."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"30 22 0:26 / {tmp_path} rw - nfs4 server:/home rw\n")
    monkeypatch.setattr(_place, "_MOUNTS", mounts)

    with pytest.raises(JournalError, match=r"network disk \(nfs4\)") as caught:
        SQLiteJournal(tmp_path / "journal.db")

    assert "--journal" in caught.value.hint
    assert not (tmp_path / "journal.db").exists()
