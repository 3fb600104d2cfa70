"""Secrets in settings: which fields hold them, how references are followed, how they stay out."""

from __future__ import annotations

import importlib
import logging
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, JsonValue, SecretBytes, SecretStr

from longshore.errors import ConfigurationError
from longshore.provider import ProviderSettings

__all__ = ["follow", "public_settings", "secret_fields", "secret_values"]

_log = logging.getLogger(__name__)

_MOST_SECRET = 1 << 16
"""Bytes of a secret at most."""


def secret_fields(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Give the way to each field that holds secrets, nested models included."""
    for name, info in model.model_fields.items():
        kinds = set(_kinds(info.annotation))
        if kinds & {SecretStr, SecretBytes}:
            yield (name,)
            continue
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from ((name, *rest) for rest in secret_fields(kind))


def _kinds(annotation: object) -> Iterator[object]:
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


def public_settings(settings: ProviderSettings) -> dict[str, JsonValue]:
    """Return the settings as JSON, without the secrets: what a run keeps."""
    public = settings.model_dump(mode="json")
    for *way, name in secret_fields(type(settings)):
        place: Any = public
        for step in way:
            place = place.get(step) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(name, None)
    return public


def secret_values(settings: ProviderSettings) -> tuple[str, ...]:
    """Return the values of all secrets, for the redactor."""
    return tuple(_values(settings))


def _values(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, SecretBytes):
        yield value.get_secret_value().decode("utf-8", "replace")
    elif isinstance(value, BaseModel):
        yield from _values(dict(value))
    elif isinstance(value, dict):
        yield from _values(list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _values(item)


def follow(value: Any, *, folder: Path, environ: Mapping[str, str], where: str) -> Any:
    """Return the secret behind a reference; what is no reference is the secret itself.

    Args:
        value: what was set: a text, or a list or mapping of them.
        folder: from which a relative ``file:PATH`` starts.
        environ: for ``env:NAME``.
        where: the setting and the source of the value, for messages; never the value.

    Raises:
        ConfigurationError: the reference leads to nothing.
    """
    if isinstance(value, dict):
        return {
            key: follow(item, folder=folder, environ=environ, where=where)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [follow(item, folder=folder, environ=environ, where=where) for item in value]
    if not isinstance(value, str):
        return value
    scheme, colon, rest = value.partition(":")
    readers: dict[str, Callable[[], str]] = {
        "env": lambda: _from_environment(rest, environ, where),
        "file": lambda: _from_file(rest, folder, where),
        "keyring": lambda: _from_keyring(rest, where),
    }
    return readers[scheme]() if colon and scheme in readers else value


def _from_environment(name: str, environ: Mapping[str, str], where: str) -> str:
    if secret := environ.get(name):
        return secret
    state = "is empty" if name in environ else "is not set"
    raise ConfigurationError(
        f"the environment variable {name!r} {state} ({where})", hint=f"export {name}=..."
    )


def _from_file(text: str, folder: Path, where: str) -> str:
    path = folder / text
    try:
        path = folder / Path(text).expanduser()
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # a pipe would wait for its writer, a device has no end
            raise ConfigurationError(f"the secret file {path} is not a regular file ({where})")
        with path.open("rb") as file:
            content = file.read(_MOST_SECRET + 1)
        secret = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError(f"the secret file {path} is not UTF-8 text ({where})") from None
    except OSError as error:
        raise ConfigurationError(
            f"the secret file {path} cannot be read: {error.strerror} ({where})"
        ) from None
    except (ValueError, RuntimeError):  # a NUL in the name, or ~nobody
        raise ConfigurationError(f"no file can be named {text!r} ({where})") from None
    if len(content) > _MOST_SECRET:
        raise ConfigurationError(f"the secret file {path} is too large for a secret ({where})")
    if not secret:
        raise ConfigurationError(f"the secret file {path} is empty ({where})")
    if os.name == "posix" and mode & 0o077:
        _log.warning("other users may read the secret file %s: run chmod 600 on it", path)
    return secret


def _from_keyring(text: str, where: str) -> str:
    service, slash, user = text.rpartition("/")
    if not (slash and service and user):
        raise ConfigurationError(f"a keyring reference is keyring:SERVICE/USER ({where})")
    try:
        keyring: Any = importlib.import_module("keyring")
    except ImportError:
        raise ConfigurationError(
            f"secrets in the keyring need the extra longshore[keyring] ({where})",
            hint="pip install 'longshore[keyring]'",
        ) from None
    try:
        secret: str | None = keyring.get_password(service, user)
    except Exception as error:
        raise ConfigurationError(
            f"the keyring cannot be asked: {type(error).__name__} ({where})"
        ) from error
    if not secret:
        raise ConfigurationError(
            f"the keyring has nothing for {service}/{user} ({where})",
            hint=f"keyring set {service} {user}",
        )
    return secret
