"""One layer of settings for each source, and how they are laid over each other.

Text (from flags and the environment) is read by pydantic-settings, which knows from the field's
type whether it is plain text, JSON, or a mapping given entry by entry. Each value keeps its
origin, for the error message that somebody may have to read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from longshore._closest import closest
from longshore.errors import ConfigurationError
from longshore.provider import ProviderSettings

__all__ = [
    "Layer", "Origin", "Way", "environment", "merge", "misspelt", "overrides", "table", "variable",
]  # fmt: skip

Way: TypeAlias = tuple[str, ...]
"""The way to a value: ``("signed_fields", "part_url")``."""

Settings: TypeAlias = type[ProviderSettings]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from, in words, and the folder that its relative paths start from."""

    words: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Layer:
    """The values of one source.

    Attributes:
        values: by the name of the setting; a mapping may hold only some of its entries.
        origins: of each value and each entry.
        whole: the settings given in one go, which replace what lies below instead of adding to it.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Way, Origin] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()

    def pick(self, ways: Collection[Way]) -> Layer:
        """Return the layer with only what lies at these ways in it."""
        picked = Layer(whole=self.whole & {name for name, *rest in ways if not rest})
        for way in ways:
            found: Any = self.values
            for step in way:
                found = found.get(step) if isinstance(found, dict) else None
            if found is None:
                continue
            place = picked.values
            for step in way[:-1]:
                place = place.setdefault(step, {})
            place[way[-1]] = found
            if origin := self.origin(way):
                picked.origins[way] = origin
        return picked

    def origin(self, way: Way) -> Origin | None:
        """Return where the value at a way, or the mapping around it, came from."""
        found = (self.origins.get(way[:length]) for length in range(len(way), 0, -1))
        return next((origin for origin in found if origin), None)


def merge(layers: Iterable[Layer]) -> Layer:
    """Lay layers over each other, the lowest first."""
    values: dict[str, Any] = {}
    origins: dict[Way, Origin] = {}
    for layer in layers:
        for name, value in layer.values.items():
            if name in layer.whole or not isinstance(value, dict):
                origins = {way: origin for way, origin in origins.items() if way[0] != name}
                values[name] = value
            else:
                values[name] = _over(values.get(name), value)
        origins.update(layer.origins)
    return Layer(values, origins)


def _over(below: object, value: dict[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another, entry by entry."""
    made = dict(below) if isinstance(below, dict) else {}
    for key, item in value.items():
        made[key] = _over(made.get(key), item) if isinstance(item, dict) else item
    return made


def variable(target: str, *path: str) -> str:
    """Return the environment variable of a setting: ``LONGSHORE_<TARGET>_<FIELD>``."""
    return "_".join(("longshore", target, *path)).replace("-", "_").upper()


def table(settings: Settings, values: Mapping[str, Any], origin: Origin) -> Layer:
    """Make a layer of values that have their types already.

    Raises:
        ConfigurationError: there is no such setting.
    """
    for name in values:
        _known(settings, name, origin)
    return Layer(dict(values), {(name,): origin for name in values}, whole=frozenset(values))


def environment(settings: Settings, target: str, environ: Mapping[str, str], folder: Path) -> Layer:
    """Make a layer of the environment variables of a target; an empty one counts as not set.

    Variables of no known setting are left alone: they may belong to a target of a longer name.
    """

    def origin(path: Way) -> Origin:
        return Origin(f"the variable {variable(target, *path)}", folder)

    return _read(settings, _variables(target, environ), "_", origin)


def _variables(target: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what is set: the variables' names, in lower case, behind the target's -> the text."""
    prefix = variable(target) + "_"
    return {
        name.removeprefix(prefix).lower(): text
        for name, text in environ.items()
        if name.startswith(prefix) and text and name == name.upper()
    }


def misspelt(
    settings: Settings, target: str, environ: Mapping[str, str], layer: Layer
) -> dict[str, str]:
    """Find variables that a layer takes nothing from, though they look like a setting mistyped.

    What ends like a setting is left alone: it may belong to a target of a longer name
    (``LONGSHORE_ACME_EU_API_KEY`` to ``acme-eu``). So is what is only somewhat like one.

    Returns:
        Name of the variable -> what is wrong with it.
    """
    fields = settings.model_fields
    read = {"_".join(way) for way in layer.origins}
    found: dict[str, str] = {}
    for name in _variables(target, environ):
        known = name in read or any(f"_{name}".endswith(f"_{field}") for field in fields)
        if not known and (hint := closest(name, fields, cutoff=0.8)):
            found[variable(target, name)] = f"there is no setting {name!r}; {hint}"
    return found


def overrides(settings: Settings, target: str, given: Mapping[str, str], folder: Path) -> Layer:
    """Make a layer of ``--set key=value``; a dot leads into a mapping: ``meta.department=x``.

    Raises:
        ConfigurationError: there is no such setting, or a value is no JSON where it must be.
    """
    origin = Origin(f"given for target {target!r}", folder)  # by a command, or by Python
    for key in given:
        _known(settings, key.partition(".")[0], origin)
    layer = _read(settings, given, ".", lambda _path: origin)
    for key in given:
        if (*key.split(".", 1),) not in layer.origins:
            name, entry, _ = key.partition(".")
            wrong = f"has no entries such as {key!r}" if entry else "has no value"
            raise ConfigurationError(f"the setting {name!r} {wrong} ({origin.words})")
    return layer


def _known(settings: Settings, name: str, origin: Origin) -> None:
    if name not in settings.model_fields:
        known = settings.model_fields
        raise ConfigurationError(
            f"there is no setting {name!r} ({origin.words})",
            hint=closest(name, known) or f"there are: {', '.join(known)}",
        )


class _Texts(EnvSettingsSource):
    """pydantic-settings' reading of the environment, over any mapping of texts."""

    def __init__(self, settings: Settings, texts: Mapping[str, str], delimiter: str) -> None:
        # It only asks for the fields and their types.
        super().__init__(cast("type[BaseSettings]", settings), case_sensitive=True, env_prefix="")
        self.case_sensitive = True  # Windows turns it off for its own environment
        self.env_vars = texts
        self.delimiter = delimiter

    def explode_env_vars(
        self, field_name: str, field: FieldInfo, env_vars: Mapping[str, str | None]
    ) -> dict[str, Any]:
        """Return the entries given one by one: as text, and one level deep.

        The inherited one takes ``part_url`` for a way, and in some versions ``2`` for a number.
        """
        prefix = field_name + self.delimiter
        return {
            name.removeprefix(prefix): text
            for name, text in env_vars.items()
            if name.startswith(prefix)
        }


def _read(
    settings: Settings, texts: Mapping[str, str], delimiter: str, origin: Callable[[Way], Origin]
) -> Layer:
    source = _Texts(settings, texts, delimiter)
    layer = Layer()
    whole: set[str] = set()
    for name, info in settings.model_fields.items():
        text, _, is_complex = source.get_field_value(info, name)
        try:
            value = source.prepare_field_value(name, info, text, is_complex)
        except (ValueError, TypeError, RecursionError) as error:  # TypeError: no text at all
            raise ConfigurationError(
                f"the setting {name!r} is not valid JSON: {error} ({origin((name,)).words})"
            ) from None
        if value is None:
            continue
        layer.values[name] = value
        if text is not None:
            whole.add(name)
            layer.origins[name,] = origin((name,))
        if isinstance(value, dict):
            given = (key for key in value if f"{name}{delimiter}{key}" in texts)
            layer.origins.update({(name, key): origin((name, key)) for key in given})
    return Layer(layer.values, layer.origins, frozenset(whole))
