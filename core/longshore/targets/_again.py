"""A call that is made again: what it overrules, and what of that an earlier run keeps already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from longshore.errors import ConfigurationError
from longshore.targets._resolve import (
    REFRESHED,
    Target,
    require,
    resolve_for_resume,
    resolve_target,
)

__all__ = [
    "CHANGEABLE", "differing", "kept", "lasting", "overrides_of", "target_again", "target_now",
]  # fmt: skip

CHANGEABLE = REFRESHED | {"base_url"}
"""The settings that may differ between two calls for the same run, besides secrets."""


def overrides_of(target: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return what is overruled for one target: ``key`` of all, and above it ``target:key``."""
    common = {key: value for key, value in given.items() if ":" not in _root(key)}
    start = f"{target}:"
    own = {k.removeprefix(start): v for k, v in given.items() if k.startswith(start)}
    return common | own


def lasting(target: Target, given: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that tell one call from another: no secret, nothing that may differ."""
    public = target.settings_public
    return {k: v for k, v in given.items() if _root(k) in public and _root(k) not in CHANGEABLE}


def differing(
    target: Target, stored: Mapping[str, JsonValue], given: Mapping[str, str]
) -> dict[str, str]:
    """Return what is overruled otherwise than a run keeps it, or may differ.

    Args:
        target: with what is given.
        stored: the settings of the run, without secrets.
        given: what is overruled; a dot leads into a mapping.
    """
    now = target.settings_public

    def same(key: str) -> bool:
        name, _, entry = key.partition(".")
        value = now.get(name)
        public = name in now and (not entry or (isinstance(value, dict) and entry in value))
        return public and name not in CHANGEABLE and value == stored.get(name)

    return {key: text for key, text in given.items() if not same(key)}


def target_now(name: str, given: Mapping[str, str], config_file: Path | None) -> Target:
    """Fill a target's settings, all that talking to the vendor needs.

    Raises:
        ConfigurationError: one of them is wrong or missing.
    """
    target = resolve_target(name, overrides=given, config_file=config_file)
    require(target)
    return target


def target_again(
    name: str,
    stored: Mapping[str, JsonValue],
    *,
    provider_name: str,
    given: Mapping[str, str],
    config_file: Path | None,
) -> Target:
    """Make the target of an earlier run for a call that repeats what began it.

    The run goes on with its own settings, so those are no change; secrets come freshly.

    Raises:
        ConfigurationError: a setting is wrong or missing.
    """
    fresh = {k: v for k, v in given.items() if _root(k) in CHANGEABLE or _root(k) not in stored}
    target = resolve_for_resume(
        name, stored, provider_name=provider_name, overrides=fresh, config_file=config_file
    )
    require(target)
    return target


def kept(
    target: str, settings: Mapping[str, JsonValue], config_file: Path | None
) -> dict[str, tuple[JsonValue, JsonValue]]:
    """Return what a run keeps though the environment or ``longshore.toml`` say otherwise now.

    Args:
        target: its name.
        settings: of the run, without secrets.
        config_file: the file to use instead of looking for one.

    Returns:
        Name of the setting -> what the run keeps, and what a new one would have.
    """
    try:
        now = resolve_target(target, config_file=config_file)
    except ConfigurationError:
        return {}  # a new run would have nothing
    other = now.settings_public
    given = sorted(now.provider.settings.model_fields_set & other.keys() & settings.keys())
    return {name: (settings[name], other[name]) for name in given if settings[name] != other[name]}


def _root(key: str) -> str:
    return key.partition(".")[0]
