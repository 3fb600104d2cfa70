"""From a name to a target whose settings are filled and checked."""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import JsonValue

from longshore._closest import closest
from longshore._faults import asked
from longshore.errors import ConfigurationError, UnknownTarget
from longshore.plugins import Plugins, load_plugins
from longshore.provider import Provider, ProviderSettings
from longshore.targets._fill import fill, texts
from longshore.targets._layers import (
    Layer,
    Origin,
    Way,
    environment,
    merge,
    misspelt,
    overrides,
    table,
    variable,
)
from longshore.targets._secrets import public_settings, secret_fields
from longshore.targets._toml import (
    FILE_NAME,
    ROUTE,
    Config,
    check_name,
    load_config,
    working_folder,
)

__all__ = [
    "REFRESHED", "Target", "check_known", "require", "resolve_for_resume", "resolve_target",
]  # fmt: skip

_log = logging.getLogger(__name__)

REFRESHED = frozenset({
    "timeout", "verify", "ca_bundle", "max_concurrency", "requests_per_minute", "poll_interval",
    "poll_timeout",
})  # fmt: skip
"""The settings that say how to talk to the vendor, not what to do: they may change at resume."""

_LABELS = {"api_key": "API key"}


@dataclass(frozen=True, slots=True)
class Target:
    """A provider with its settings filled, under the name that the user typed.

    Attributes:
        name: as typed: a table of ``longshore.toml``, or a provider's name or alias.
        provider_name: always the provider's own name.
        provider: the adapter, ready for use.
        settings_public: the settings as JSON, without secrets: what a run keeps.
        config_path: the ``longshore.toml`` that was read, if there was one.
    """

    name: str
    provider_name: str
    provider: Provider[Any]
    settings_public: dict[str, JsonValue]
    config_path: Path | None = None


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where settings may come from, for one target."""

    name: str
    provider_type: type[Provider[Any]]
    config: Config
    given: Mapping[str, str]
    environ: Mapping[str, str]
    cwd: Path

    @property
    def settings(self) -> type[ProviderSettings]:
        return self.provider_type.Settings

    def file(self) -> Layer:
        """Return what ``longshore.toml`` says."""
        path = self.config.path
        folder = path.parent if path else self.cwd
        values = dict(self.config.targets.get(self.name, {}))
        values.pop("provider", None)
        origin = Origin(f"{path}: [targets.{self.name}]", folder)
        return table(self.settings, values, origin)

    def variables(self) -> Layer:
        """Return what the environment says; what sets nothing by mistake is told."""
        layer = environment(self.settings, self.name, self.environ, self.cwd)
        config = self.config
        told = [config.targets, config.webhooks, self.given, layer.values]
        used = set(texts(map(dict, told)))
        for name, wrong in misspelt(self.settings, self.name, self.environ, layer).items():
            if f"env:{name}" not in used:  # a secret may be named after its target
                _log.warning("the variable %s is ignored: %s", name, wrong)
        return layer

    def flags(self) -> Layer:
        """Return what the call says."""
        return overrides(self.settings, self.name, self.given, self.cwd)

    def target(self, *layers: Layer) -> Target:
        """Fill the settings from layers, the lowest first."""
        settings = fill(
            self.settings, merge(layers), name=self.name, environ=self.environ, folder=self.cwd
        )
        _warn(self.name, settings)
        public = public_settings(settings)
        provider = self._made(settings)
        return Target(self.name, self.provider_type.name, provider, public, self.config.path)

    def _made(self, settings: ProviderSettings) -> Provider[Any]:
        """Make the adapter, and ask what every use asks of it: a mistake is told by its name."""
        name = self.provider_type.name
        provider = asked(name, "the constructor", self.provider_type, settings)
        if not asked(name, "missing", settings.missing):  # else ``require`` says so: more helpful
            asked(name, "account", provider.account)
        return provider


def _warn(name: str, settings: ProviderSettings) -> None:
    """Say when credentials and documents are not protected on their way."""
    parts = urlsplit(settings.base_url)
    if not settings.verify:
        _log.warning("target %s: TLS certificates are not checked (verify = false)", name)
    elif parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        _log.warning("target %s: base_url is not https: keys travel in the clear", name)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def resolve_target(
    name: str,
    *,
    overrides: Mapping[str, str] | None = None,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    plugins: Plugins | None = None,
    cwd: Path | None = None,
) -> Target:
    """Find a target by its name and fill its settings.

    Args:
        name: a table of ``longshore.toml``, or a provider's name or alias.
        overrides: ``--set`` pairs; a dot leads into a mapping.
        config_file: the file to use instead of looking for one.
        environ: by default this process's environment.
        plugins: by default the installed ones.
        cwd: where to look for ``longshore.toml``; by default the working folder.

    Raises:
        UnknownTarget: no target and no provider has this name.
        ConfigurationError: a setting or the file is wrong; the message says where it stands.
    """
    check_name(name)
    cwd, environ = cwd or working_folder(), os.environ if environ is None else environ
    config = load_config(config_file, cwd=cwd, environ=environ)
    provider_type = _provider_of(name, config, plugins or load_plugins())
    sources = _Sources(name, provider_type, config, overrides or {}, environ, cwd)
    return sources.target(sources.file(), sources.variables(), sources.flags())


def resolve_for_resume(
    name: str,
    stored: Mapping[str, JsonValue],
    *,
    provider_name: str,
    overrides: Mapping[str, str] | None = None,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    plugins: Plugins | None = None,
    cwd: Path | None = None,
) -> Target:
    """Make the target of an earlier run again.

    The rule: a run goes on with the settings it began with (``stored``). Only these may differ:

    - secrets: they are never stored and come freshly from ``--set``, the environment or
      ``longshore.toml``;
    - the settings in ``REFRESHED``: an explicit ``--set`` or environment variable wins now, what
      ``longshore.toml`` says does not;
    - ``base_url``: only ``--set`` changes it.

    Args:
        name: the run's target.
        stored: the run's public settings.
        provider_name: the run's provider.
        overrides: as for ``resolve_target``.
        config_file: as for ``resolve_target``.
        environ: as for ``resolve_target``.
        plugins: as for ``resolve_target``.
        cwd: as for ``resolve_target``.

    Raises:
        UnknownTarget: the run's provider is not installed.
        ConfigurationError: a setting is wrong, may not change at resume, or the name belongs to
            another provider now.
    """
    check_name(name)
    cwd, environ = cwd or working_folder(), os.environ if environ is None else environ
    config = load_config(config_file, cwd=cwd, environ=environ)
    provider_type = (plugins := plugins or load_plugins()).provider(provider_name)
    if name in config.targets:
        now = _provider_of(name, config, plugins).name
        if now != provider_type.name:
            raise ConfigurationError(
                f"the run was begun with {provider_type.name!r}, but {name!r} is {now!r} now",
                hint=f"give the other one a name of its own in {config.path}",
            )
    sources = _Sources(name, provider_type, config, overrides or {}, environ, cwd)
    secrets = {*secret_fields(sources.settings)}
    fresh = secrets | {(name,) for name in REFRESHED}
    flags = sources.flags()
    _check_changes(flags, fresh | {("base_url",)})
    return sources.target(
        table(sources.settings, stored, Origin("kept with the run", cwd)),
        sources.file().pick(secrets),
        sources.variables().pick(fresh),
        flags,
    )


def _check_changes(flags: Layer, allowed: set[Way]) -> None:
    for way in flags.origins:
        if not any(way[: len(free)] == free for free in allowed):
            raise ConfigurationError(
                f"the setting {'.'.join(way)!r} cannot change while a run is resumed",
                hint="upload again for that, and longshore forget removes this run; "
                f"what may change: base_url, secrets, {', '.join(sorted(REFRESHED))}",
            )


def require(target: Target) -> None:
    """Make sure that nothing is missing for talking to the vendor; a plan does without this.

    Raises:
        ConfigurationError: something is; the hint names the variable and the place in the file.
            Or its certificates cannot be used.
    """
    missing = target.provider.settings.missing()
    if not missing:
        _check_certificates(target)
        return
    words = " and ".join(f"no {_named(target.provider.settings, name)}" for name in missing)
    variables = " and ".join(variable(target.name, name) for name in missing)
    raise ConfigurationError(
        f"{words} for target {target.name!r}",
        hint=f"set {variables}, or {' and '.join(missing)} under [targets.{target.name}] "
        f"in {target.config_path or f'{FILE_NAME} (none was found)'}",
    )


def _check_certificates(target: Target) -> None:
    """Read ``ca_bundle`` as a connection will, before there is a run that could not go on."""
    settings = target.provider.settings
    if not (settings.verify and settings.ca_bundle):
        return
    from longshore._certificates import trusting  # ssl takes its time

    try:
        trusting(settings.ca_bundle)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error.message} (target {target.name!r})", hint=error.hint
        ) from error


def _named(settings: ProviderSettings, missing: str) -> str:
    """Name what is missing, and the settings that the provider would take in its place."""
    kind, given = type(settings), settings.model_dump(exclude_unset=True)
    names = [missing]
    for other, field in kind.model_fields.items():
        if other != missing and field.default is None:
            with suppress(Exception):  # it is to look otherwise, as its provider says in any way
                if missing not in kind.model_validate({**given, other: "1"}).missing():
                    names.append(other)
    return " or ".join(_LABELS.get(name, name) for name in names)


def _provider_of(name: str, config: Config, plugins: Plugins) -> type[Provider[Any]]:
    """Find the provider of a target; a table without ``provider`` is named after it."""
    body = config.targets.get(name)
    try:
        return plugins.provider(name if body is None else body.get("provider", name))
    except UnknownTarget as error:
        if body is not None:
            cure = "" if "provider" in body else 'add provider = "..."; '
            raise UnknownTarget(
                f"{config.path}: [targets.{name}]: {error.message}", hint=cure + error.hint
            ) from None
        if any(left_out.entry_point == name for left_out in plugins.quarantined):
            raise
        route = f"did you mean {ROUTE}{name}?" if name in config.routes else ""
        raise _unknown(name, config, plugins, hint=route) from None


def check_known(
    name: str, config: Config, where: str = "", *, plugins: Plugins | None = None
) -> None:
    """Make sure that a target can have this name, or could if its plugin were not broken.

    Raises:
        UnknownTarget: neither a target nor a provider has it; the hint has the closest names.
    """
    plugins = plugins or load_plugins()
    broken = {left_out.entry_point for left_out in plugins.quarantined}
    if name not in _names(config, plugins) | broken:
        raise _unknown(name, config, plugins, where=where)


def _names(config: Config, plugins: Plugins) -> set[str]:
    return {*config.targets, *plugins.providers(), *plugins.aliases}


def _unknown(
    name: str, config: Config, plugins: Plugins, *, where: str = "", hint: str = ""
) -> UnknownTarget:
    known = _names(config, plugins)
    there_are = f"there are: {', '.join(sorted(known)) or 'none'}"
    return UnknownTarget(
        f"{where}no target and no provider is named {name!r}"
        + ("" if config.path else f" (no {FILE_NAME} was found)"),
        hint=hint or closest(name, known) or there_are,
    )
