"""Routes: which target gets which documents while a team moves from one vendor to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from longshore._closest import closest
from longshore.errors import ConfigurationError
from longshore.targets._toml import FILE_NAME, ROUTE, check_name, load_config
from longshore.units import Seconds

__all__ = ["ROUTE", "Route", "resolve_route"]

_KEYS = ("primary", "shadow", "percent", "fallback", "fallback_after")
_SECONDS = TypeAdapter[float](Seconds)


@dataclass(frozen=True, slots=True)
class Route:
    """A table ``[routes.NAME]``.

    Attributes:
        name: without ``route:``.
        primary: gets the documents that no other target gets.
        percent: target -> its share of the documents, in percent, instead of the primary.
        shadow: target -> percent of the documents that it gets a copy of; nothing depends on it.
        fallback: targets that take what a target in trouble has not begun, in this order.
        fallback_after: seconds of an outage until they do.
    """

    name: str
    primary: str
    percent: Mapping[str, float] = field(default_factory=dict)
    shadow: Mapping[str, float] = field(default_factory=dict)
    fallback: tuple[str, ...] = ()
    fallback_after: float = 60.0

    @property
    def mains(self) -> tuple[str, ...]:
        """The targets whose outcome counts, without the fallbacks."""
        return (self.primary, *self.percent)


def resolve_route(name: str, *, config_file: Path | None = None) -> Route:
    """Find a route by its name, with or without ``route:``.

    Args:
        name: of the route.
        config_file: the file to use instead of looking for one.

    Raises:
        ConfigurationError: there is none, or it cannot work; the message says where it stands.
    """
    name = name.removeprefix(ROUTE)
    config = load_config(config_file)
    if name not in config.routes:
        place = f"write [routes.{name or 'NAME'}] in {config.path or FILE_NAME}"
        raise ConfigurationError(
            f"there is no route {name!r}", hint=closest(name, config.routes) or place
        )
    return _Reader(f"{config.path}: [routes.{name}]", config.routes[name]).route(name)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one table; ``where`` is for messages."""

    where: str
    table: Any

    def route(self, name: str) -> Route:
        if not isinstance(self.table, dict):
            raise self._wrong("is no table", "primary = ...")
        for key in self.table:
            if key not in _KEYS:
                raise self._wrong(
                    f"there is no setting {key!r}",
                    closest(key, _KEYS) or f"there are: {', '.join(_KEYS)}",
                )
        if not isinstance(self.table.get("primary"), str):
            raise self._wrong("there is no primary", 'primary = "my-target"')
        route = Route(
            name=name,
            primary=self.table["primary"],
            percent=self._shares("percent", several=False),
            shadow=self._shares("shadow", several=True),
            fallback=tuple(self._names("fallback")),
            fallback_after=self._seconds("fallback_after"),
        )
        self._check(route)
        return route

    def _check(self, route: Route) -> None:
        for target in (route.primary, *route.percent, *route.shadow, *route.fallback):
            check_name(target, f"{self.where}: ")
        for key, targets in (("percent", route.percent), ("shadow", route.shadow)):
            if route.primary in targets:
                raise self._wrong(f"{key} names the primary", "it gets what the others leave")
        if route.primary in route.fallback:
            raise self._wrong("fallback names the primary", "name another target")
        for target in route.fallback:
            if target in route.shadow:
                raise self._wrong(
                    f"{target!r} is shadow and fallback: it would get documents twice",
                    "name another target as one of them",
                )
        if sum(route.percent.values()) > 100:
            raise self._wrong("percent is more than 100 in all", "the primary gets the rest")

    def _names(self, key: str) -> list[str]:
        names = self.table.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._wrong(f"{key} is no list of targets", f'{key} = ["my-target"]')
        return list(dict.fromkeys(names))

    def _shares(self, key: str, *, several: bool) -> dict[str, float]:
        """Read ``{target = percent}``; where a list will do, each of it gets everything."""
        value = self.table.get(key, {})
        if several and isinstance(value, list):
            return dict.fromkeys(self._names(key), 100.0)
        if not isinstance(value, dict):
            raise self._wrong(f"{key} is no table of targets", f"{key} = {{my-target = 10}}")
        for target, share in value.items():
            number = isinstance(share, int | float) and not isinstance(share, bool)
            if not number or not 0 <= share <= 100:
                raise self._wrong(f"{key}: {target} = {share!r} is no percentage", "0 to 100")
        return {target: float(share) for target, share in value.items()}

    def _seconds(self, key: str) -> float:
        try:
            return _SECONDS.validate_python(self.table.get(key, 60.0))
        except ValidationError:
            raise self._wrong(f"{key} is no time", f'{key} = "2m"') from None

    def _wrong(self, words: str, hint: str) -> ConfigurationError:
        return ConfigurationError(f"{self.where}: {words}", hint=hint)
