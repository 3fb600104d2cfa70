"""``longshore.toml``: where it is, and what may be in it."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from longshore._closest import closest
from longshore.errors import ConfigurationError

__all__ = [
    "FILE_NAME", "ROUTE", "Config", "check_name", "load_config", "working_folder",
]  # fmt: skip

FILE_NAME = "longshore.toml"

ROUTE = "route:"
"""What a target's name begins with if it is a route: ``--to route:main``."""

_TOP_LEVEL = {"targets": "NAME", "routes": "NAME", "webhooks": "TARGET"}
_NAME = re.compile(r"[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Config:
    """What a ``longshore.toml`` says.

    Attributes:
        path: the file; None if there is none.
        targets: name -> its table, as written.
        routes: the ``[routes]`` table, as written.
        webhooks: target -> how its vendor signs deliveries, as written.
    """

    path: Path | None = None
    targets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    routes: Mapping[str, Any] = field(default_factory=dict)
    webhooks: Mapping[str, Any] = field(default_factory=dict)


def check_name(name: str, where: str = "") -> None:
    """Refuse a target name that could not be part of an environment variable's name."""
    if name.startswith(ROUTE):
        raise ConfigurationError(
            f"{where}{name!r} is a route, and a target is needed here",
            hint=f"longshore upload takes routes; with --to {name} --dry-run it shows the plan",
        )
    if not _NAME.fullmatch(name):
        meant = name.lower().replace("_", "-")
        raise ConfigurationError(
            f"{where}{name!r} is no target name",
            hint="use lower-case letters, digits and hyphens: "
            + (meant if _NAME.fullmatch(meant) else "[a-z0-9-]+"),
        )


def _find(config_file: Path | None, *, cwd: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the configuration file that counts; None if there is none.

    The one given, else ``longshore.toml`` here or in the nearest parent folder, else
    ``$XDG_CONFIG_HOME/longshore/longshore.toml`` or this platform's equivalent.

    Raises:
        ConfigurationError: the file given is not there.
    """
    if config_file is not None:
        path = cwd / os.path.expanduser(config_file)  # noqa: PTH111 - Path's raises without a home
        if os.path.isdir(path):  # noqa: PTH112 - Path's raises where a folder is closed to us
            raise ConfigurationError(
                f"{path} is a folder, and a configuration file is needed",
                hint=f"name the file: --config {shlex.quote(str(path / FILE_NAME))}",
            )
        if not _is_file(path):
            raise ConfigurationError(f"there is no configuration file {path}", hint="see --config")
        return path
    folders = [cwd, *cwd.parents]
    if base := environ.get("XDG_CONFIG_HOME"):
        folders.append(Path(base) / "longshore")
    else:
        with suppress(RuntimeError):  # nobody's home: a user without a name, in a container
            folders.append(platformdirs.user_config_path("longshore", appauthor=False))
    return next((path for folder in folders if _is_file(path := folder / FILE_NAME)), None)


def _is_file(path: Path) -> bool:
    """Ask without raising: who became another user stands in a folder that is closed to them."""
    return os.path.isfile(path)  # noqa: PTH113


def working_folder() -> Path:
    """Return where the process is.

    Raises:
        ConfigurationError: that folder was deleted.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigurationError(
            "the folder that this was started in is gone", hint="cd to another one"
        ) from None


def load_config(
    config_file: Path | None,
    *,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Find and read the configuration file; an empty ``Config`` if there is none.

    Args:
        config_file: the file to use instead of looking for one.
        cwd: where to look for it; by default the working folder.
        environ: by default this process's environment.

    Raises:
        ConfigurationError: it is missing, cannot be read, is no TOML (the message has line and
            column), holds what nobody knows, or was found and belongs to another user.
    """
    environ = os.environ if environ is None else environ
    path = _find(config_file, cwd=cwd or working_folder(), environ=environ)
    if path is None:
        return Config()
    try:
        if config_file is None:
            _check_owner(path)
        content = _parsed(path.read_text("utf-8-sig"))  # with a mark of some editors, or none
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text") from None
    except ValueError as error:  # no TOML, or a number of thousands of digits
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"{path} is nested too deeply") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    for key in content:
        if key not in _TOP_LEVEL:
            raise ConfigurationError(
                f"{path}: there is no setting {key!r} at the top",
                hint=closest(key, _TOP_LEVEL)
                or "the tables are [targets.NAME], [routes.NAME] and [webhooks.TARGET]",
            )
    for key, name in _TOP_LEVEL.items():
        if not isinstance(content.setdefault(key, {}), dict):
            raise ConfigurationError(f"{path}: {key!r} is no table", hint=f"write [{key}.{name}]")
    _check_targets(path, content["targets"])
    return Config(path, **content)


def _parsed(text: str) -> dict[str, Any]:
    """Read TOML; an error tells line and column also where the document ends too soon."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        lines = text.split("\n")
        end = f"at line {len(lines)}, column {len(lines[-1]) + 1}, the end of the document"
        raise ValueError(str(error).replace("at end of document", end)) from None


def _check_owner(path: Path) -> None:
    """Refuse a file that was found by looking and belongs to somebody else.

    Whoever writes it says where the credentials of the environment are sent. In a folder that
    many may write to, such as /tmp, that could be anybody.

    Raises:
        ConfigurationError: it is neither ours nor the administrator's.
    """
    if os.name != "posix":
        return
    ours = {os.geteuid(), os.getuid(), 0}
    if (sudo := os.environ.get("SUDO_UID", "")).isdecimal():
        ours.add(int(sudo))
    if not {path.stat().st_uid, path.lstat().st_uid} <= ours:  # a link is as good as a file
        raise ConfigurationError(
            f"{path} belongs to another user, who could send your credentials elsewhere",
            hint=f"if you trust it: --config {shlex.quote(str(path))}",
        )


def _check_targets(path: Path, targets: Mapping[str, Any]) -> None:
    for name, table in targets.items():
        check_name(name, f"{path}: ")
        if not isinstance(table, dict):
            raise ConfigurationError(
                f"{path}: 'targets.{name}' is no table", hint=f"write [targets.{name}]"
            )
        if not isinstance(table.get("provider", ""), str):
            raise ConfigurationError(f"{path}: [targets.{name}] provider is no text")
