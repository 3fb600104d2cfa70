"""A network of our own: loopback with reno, which does not pace.

The host's congestion control may (BBR does), and that distorts what loopback can carry. The
sockets of other people's clients cannot be told; a network namespace can.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["certificate", "congestion", "enter_own_network"]

_INSIDE = "LONGSHORE_BENCH_INSIDE"
_CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _UP = 0x8913, 0x8914, 0x1


def enter_own_network() -> None:
    """Run this program again inside a network namespace; does nothing where that is refused."""
    if os.environ.pop(_INSIDE, ""):
        _raise_loopback()
        return
    unshare = shutil.which("unshare")
    if unshare is None:
        return
    how = [unshare, "--net"] if os.geteuid() == 0 else [unshare, "--map-root-user", "--net"]
    if subprocess.run([*how, "true"], check=False, capture_output=True).returncode:
        return
    os.environ[_INSIDE] = "1"
    os.execv(unshare, [*how, sys.executable, "-m", "benchmarks", *sys.argv[1:]])


def _raise_loopback() -> None:
    with socket.socket() as any_socket:
        asked = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked), 16)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _UP))
    with suppress(OSError):  # else as the host has it
        _CONTROL.write_text("reno")


def congestion() -> str:
    """Return the congestion control that clients use here."""
    return _CONTROL.read_text().strip() if _CONTROL.exists() else "unknown"


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for loopback that is its own authority.

    Returns:
        The file to trust, and the sink's own with the key.
    """
    trusted, key, both = folder / "ca.pem", folder / "key.pem", folder / "sink.pem"
    command = [
        *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
        *("-keyout", str(key), "-out", str(trusted)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + trusted.read_bytes())
    return trusted, both
