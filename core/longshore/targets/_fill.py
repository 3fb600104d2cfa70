"""From a layer of raw values to checked settings, or to one clear error."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from longshore._closest import closest
from longshore.errors import ConfigurationError
from longshore.provider import ProviderSettings
from longshore.redaction import Redactor
from longshore.targets._layers import Layer, Way
from longshore.targets._secrets import follow, secret_fields

__all__ = ["fill", "texts"]


def fill(
    settings: type[ProviderSettings],
    layer: Layer,
    *,
    name: str,
    environ: Mapping[str, str],
    folder: Path,
) -> ProviderSettings:
    """Follow the secret references and check all values.

    Args:
        settings: the provider's settings class.
        layer: what was found, all sources merged.
        name: the target, for messages.
        environ: for ``env:NAME``.
        folder: where relative paths start that come from no file.

    Raises:
        ConfigurationError: names the first wrong setting, why it is wrong and where its value
            came from; never a secret's value.
    """
    secrets = tuple(secret_fields(settings))
    for way in secrets:
        _follow_at(layer, way, environ, folder)
    _complete_path(layer, folder)
    try:
        return settings.model_validate(layer.values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    raise _error(settings, layer, details, f"target {name!r}")


def _complete_path(layer: Layer, folder: Path) -> None:
    """Write out where the certificates are: a run may be resumed from another folder."""
    if isinstance(path := layer.values.get("ca_bundle"), str) and path:
        start = _folder(layer, ("ca_bundle",), folder)
        layer.values["ca_bundle"] = str(start / os.path.expanduser(path))  # noqa: PTH111


def _follow_at(layer: Layer, way: Way, environ: Mapping[str, str], folder: Path) -> None:
    """Put the secret in the place of its reference."""
    *steps, last = way
    place = layer.values
    for step in steps:
        inner = place.get(step)
        if not isinstance(inner, dict):
            return
        place[step] = dict(inner)  # a copy: the values may be the file's own
        place = place[step]
    if last in place:
        origin = layer.origin(way)
        place[last] = follow(
            place[last],
            folder=_folder(layer, way, folder),
            environ=environ,
            where=f"{'.'.join(way)}{f', {origin.words}' if origin else ''}",
        )


def _folder(layer: Layer, way: Way, otherwise: Path) -> Path:
    """Return where the relative paths in a value start: beside the file that it came from."""
    origin = layer.origin(way)
    return origin.folder if origin else otherwise


def _error(
    settings: type[ProviderSettings], layer: Layer, details: list[ErrorDetails], name: str
) -> ConfigurationError:
    ways = [_known_way(layer, detail["loc"]) for detail in details]
    way = ways[0]  # one setting at a time: the first
    wrong = [detail for detail, other in zip(details, ways, strict=True) if other == way]
    hint = ""
    if any(detail["type"] == "extra_forbidden" for detail in wrong):
        hint = closest(way[-1], _names_beside(settings, way))
    reasons = "; ".join(dict.fromkeys(_reason(detail) for detail in wrong))
    if any(way[: len(secret)] == secret[: len(way)] for secret in secret_fields(settings) if way):
        reasons = "this cannot be used as a secret"
    origin = layer.origin(way)
    what = f"the setting {'.'.join(way)!r} of {name}" if way else f"the settings of {name}"
    where = f" ({origin.words})" if origin else ""
    known = Redactor(texts(layer.values.get(way[0]) for way in secret_fields(settings)))
    return ConfigurationError(known.text(f"{what}: {reasons}{where}"), hint=hint)


def texts(values: Iterable[object]) -> Iterator[str]:
    """Yield every text in tables and lists within each other."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from texts(value.values())
        elif isinstance(value, list):
            yield from texts(value)


def _reason(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "there is no such setting"
    return detail["msg"].removeprefix("Value error, ")


def _known_way(layer: Layer, location: tuple[int | str, ...]) -> Way:
    """Return the part of an error's location that a user can know; the rest is pydantic's."""
    way: list[str] = []
    value: Any = layer.values
    for step in location:
        if way and not (isinstance(value, dict) and step in value):
            break
        way.append(str(step))
        value = value.get(step) if isinstance(value, dict) else None
    return tuple(way)


def _names_beside(settings: type[BaseModel], way: Way) -> list[str]:
    """Return the names that could have stood at the end of a way."""
    model: type[BaseModel] = settings
    for step in way[:-1]:
        annotation = model.model_fields[step].annotation
        kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        model = next((kind for kind in kinds if issubclass(kind, BaseModel)), BaseModel)
    return list(model.model_fields)
