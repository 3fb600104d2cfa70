"""What holds for every test: no network but loopback, nothing of this person's environment."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

# Two cores that share their time make any deadline a matter of luck.
settings.register_profile("longshore", deadline=None, print_blob=True)
settings.load_profile("longshore")


# A job in the background of a shell ignores Ctrl-C, and so would every process started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class NetworkBlocked(RuntimeError):
    """A test tried to leave this machine.

    Not an OSError: the code under test must not take it for an outage and retry.
    """


def _is_local(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guard_socket(method: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1]  # sendto(data, [flags,] address)
        if isinstance(address, tuple) and not _is_local(address[0]):
            raise NetworkBlocked(f"{method.__name__} to {address[0]}: only loopback is allowed")
        return method(self, *args)

    return guarded


def _guard_lookup(lookup: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: object, *args: Any, **options: Any) -> Any:
        if not _is_local(host):
            raise NetworkBlocked(f"{lookup.__name__} of {host!r}: only loopback is allowed")
        return lookup(host, *args, **options)

    return guarded


def _block_network() -> None:
    """Close the ways out in `socket`, below every client, so that vcrpy's patches stay whole."""
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _guard_socket(getattr(socket.socket, name)))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        setattr(socket, name, _guard_lookup(getattr(socket, name)))


def _forget_environment() -> None:
    """Take away what would change results here: targets, proxies, forced colours."""
    unwanted = {"FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR", "GITHUB_ACTIONS"}
    for name in list(os.environ):
        proxy = name.lower().endswith("_proxy")
        ours = name.startswith("LONGSHORE_") and not name.startswith("LONGSHORE_TEST_")
        if proxy or ours or name in unwanted:
            del os.environ[name]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --system, which runs what is skipped otherwise."""
    parser.addoption("--system", action="store_true", help="run tests marked 'system' too")


def pytest_configure() -> None:
    """Prepare each test process once, before a test module is imported."""
    _forget_environment()
    _block_network()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs root or a system package, and say what it needs."""
    if config.getoption("--system"):
        return
    for item in items:
        marker = item.get_closest_marker("system")
        if marker is not None:
            needs = marker.kwargs.get("reason") or "needs root or a system package"
            item.add_marker(pytest.mark.skip(reason=f"{needs} (make test-system)"))


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep every test away from this person's journal and settings."""
    home = tmp_path_factory.mktemp("home")
    os.environ["HOME"] = str(home)
    for name in ("CONFIG", "STATE", "DATA", "CACHE"):
        os.environ[f"XDG_{name}_HOME"] = str(home / name.lower())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many histories each case of the crash enumerator was played through."""
    for report in terminalreporter.getreports("passed"):
        for name, line in report.user_properties:
            if name == "enumerated":
                terminalreporter.write_line(str(line))
