"""The plugins of a process: loaded one by one, in quarantine where they are broken."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

from longshore._closest import closest
from longshore.errors import LongshoreError, PluginError, UnknownTarget
from longshore.plugins._hooks import API_VERSION, Hooks
from longshore.plugins._info import ProviderInfo, Source, described, info_of

if TYPE_CHECKING:
    from longshore.provider import Provider

__all__ = ["GROUP", "Plugins", "Quarantined", "load_plugins"]

GROUP = "longshore.providers"
"""The entry-point group of providers."""

_OURS = "longshore"
_log = logging.getLogger("longshore.plugins")


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A plugin that was left out, and why."""

    entry_point: str
    distribution: str
    reason: str


class _Observer(Protocol):
    def __call__(self, *, event: object) -> object: ...


class Plugins:
    """The plugins of one process: those that work, and those in quarantine.

    Make it with ``load_plugins()``, or with ``Plugins.of(...)`` from explicit plugin objects.

    Attributes:
        aliases: other name -> provider name.
        quarantined: what was left out.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager("longshore")
        self._manager.add_hookspecs(Hooks)
        self._providers: dict[str, ProviderInfo] = {}
        self._owners: dict[str, object] = {}
        # Never changed in place: they come and go while those of another thread are told.
        self._observers: tuple[tuple[str, _Observer], ...] = ()
        self._silenced: set[str] = set()
        self.aliases: dict[str, str] = {}
        self.quarantined: tuple[Quarantined, ...] = ()

    @classmethod
    def of(cls, *plugins: object) -> Plugins:
        """Use these plugin objects (modules, or anything with hooks) and look for no others."""
        made = cls()
        for plugin in plugins:
            name = getattr(plugin, "__name__", type(plugin).__name__)
            made._admit(name, plugin, Source())
        made._connect_observers()
        return made

    @classmethod
    def discover(cls, entry_points: Iterable[EntryPoint] | None = None) -> Plugins:
        """Load the installed plugins one by one, our own distribution's first.

        The order decides who is quarantined when two claim one name: never the built-in one.
        """
        found = (
            importlib.metadata.entry_points(group=GROUP) if entry_points is None else entry_points
        )
        made = cls()
        for entry in sorted(found, key=_precedence):
            source = Source.of(entry)
            try:
                plugin = entry.load()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin can do anything
                made._quarantine(entry.name, source, f"it cannot be imported: {described(error)}")
            else:
                made._admit(entry.name, plugin, source)
        made._connect_observers()
        return made

    # -------------------------------------------------------------------------- what is there

    def providers(self) -> dict[str, ProviderInfo]:
        """Return the usable providers by name, sorted."""
        return dict(sorted(self._providers.items()))

    def info(self, name: str) -> ProviderInfo:
        """Return a provider and where it comes from, by its name or an alias.

        Raises:
            UnknownTarget: there is none; the hint has the closest names, or why its plugin
                was left out.
        """
        found = self._providers.get(self.aliases.get(name, name))
        if found is not None:
            return found
        for left_out in self.quarantined:
            if left_out.entry_point == name:
                raise UnknownTarget(
                    f"the plugin {name!r} is not used: {left_out.reason}",
                    hint="`longshore providers` lists what is there and what was left out",
                )
        known = [*self._providers, *self.aliases]
        raise UnknownTarget(
            f"no provider is named {name!r}",
            hint=closest(name, known) or f"there are: {', '.join(sorted(known)) or 'none'}",
        )

    def provider(self, name: str) -> type[Provider[Any]]:
        """Return a provider class by its name or an alias; raises as ``info`` and ``type`` do."""
        return self.info(name).type

    def version_of(self, provider: str | Provider[Any] | type[Provider[Any]]) -> str:
        """Return the version of the distribution that holds a provider; "" if none does."""
        return self.info(provider if isinstance(provider, str) else provider.name).version

    # ----------------------------------------------------------------------------- other hooks

    def sandbox(self, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Return the vendor's side of a provider, by its name or an alias.

        Raises:
            UnknownTarget: no such provider.
            PluginError: its plugin has no sandbox, or cannot make it.
        """
        name = self.info(name).card.name
        owner = self._owners[name]
        others = [plugin for plugin in self._manager.get_plugins() if plugin is not owner]
        # The provider's own plugin first: another one's error must not stand in its way.
        own = self._manager.subset_hook_caller("longshore_sandbox", others)
        rest = self._manager.subset_hook_caller("longshore_sandbox", [owner])
        for call in (own, rest):
            try:
                made = call(name=name, options=dict(options or {}))
            except LongshoreError:
                raise
            except Exception as error:
                missing = isinstance(error, ImportError)
                raise PluginError(
                    f"the sandbox of {name!r} cannot be made: {described(error)}",
                    hint="pip install 'longshore[sandbox]'" if missing else "",
                ) from error
            if made is not None:
                return made
        raise PluginError(f"the provider {name!r} has no sandbox")

    @property
    def observed(self) -> bool:
        """True when somebody wants to be told of events."""
        return bool(self._observers)

    def notify(self, event: object) -> None:
        """Tell all observers. Their errors are logged (the first of each plugin), never raised."""
        for name, observe in self._observers:
            try:
                observe(event=event)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - not even by SystemExit does it stop a run
                level = logging.DEBUG if name in self._silenced else logging.WARNING
                self._silenced.add(name)
                _log.log(level, "the observer of plugin %r failed: %s", name, described(error))

    @contextmanager
    def observing(self, name: str, observe: Callable[[Any], object]) -> Iterator[None]:
        """Tell a function of events, too, as long as the context lasts; as ``notify`` does.

        A run whose executor began before is not heard of, unless somebody else listened to it.
        """
        observer = name, lambda *, event: observe(event)
        self._observers += (observer,)
        try:
            yield
        finally:
            self._observers = tuple(other for other in self._observers if other is not observer)
            self._silenced.discard(name)

    # ------------------------------------------------------------------------------- admission

    def _admit(self, name: str, plugin: object, source: Source) -> None:
        if self._manager.is_registered(plugin):
            self._quarantine(name, source, "it is registered already, under another entry point")
            return
        try:
            self._check_version(plugin, source)
            self._register(name, plugin, source)
        except Exception as error:  # noqa: BLE001 - a plugin can be anything
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            broken = f"it cannot be registered: {described(error)}"
            self._quarantine(
                name, source, error.message if isinstance(error, PluginError) else broken
            )

    def _quarantine(self, name: str, source: Source, reason: str) -> None:
        _log.warning("plugin %r is not used: %s", name, reason)
        left_out = Quarantined(name, source.distribution, reason)
        self.quarantined = (*self.quarantined, left_out)

    @staticmethod
    def _check_version(plugin: object, source: Source) -> None:
        wanted = getattr(plugin, "longshore_api", API_VERSION)
        if wanted == API_VERSION:
            return
        here = f"longshore {importlib.metadata.version(_OURS)} has version {API_VERSION}"
        plugin_name = source.distribution or "the plugin"
        if isinstance(wanted, int) and wanted > API_VERSION:
            cure = f"install a newer longshore, one with plugin API {wanted}"
        else:
            cure = f"install a version of {plugin_name} for plugin API {API_VERSION}"
        raise PluginError(f"it needs plugin API {wanted!r}, but {here}: {cure}")

    def _register(self, name: str, plugin: object, source: Source) -> None:
        where = source.distribution or len(self._manager.get_plugins())
        self._manager.register(plugin, f"{name}@{where}")
        self._check_hooks(plugin)
        infos = [info_of(offered, source) for offered in self._ask(plugin)]
        self._check_names(infos)
        for info in infos:
            self._providers[info.card.name] = info
            self._owners[info.card.name] = plugin
            self.aliases.update(dict.fromkeys(info.card.aliases, info.card.name))

    def _connect_observers(self) -> None:
        """Give each observer a caller of its own, so that one's error does not skip the next."""
        for label, plugin in self._manager.list_name_plugin():
            callers = self._manager.get_hookcallers(plugin) or []
            if any(caller.name == "longshore_event" for caller in callers):
                self._observers += ((label, self._only(plugin, "longshore_event")),)

    def _only(self, plugin: object, hook: str) -> Any:
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        return self._manager.subset_hook_caller(hook, others)

    def _check_hooks(self, plugin: object) -> None:
        callers = self._manager.get_hookcallers(plugin) or []
        if not callers:
            raise PluginError("it has no function marked with hookimpl")
        for caller in callers:
            own = [impl.function for impl in caller.get_hookimpls() if impl.plugin is plugin]
            if any(map(iscoroutinefunction, own)):
                raise PluginError(f"{caller.name} is async, and nobody awaits it")
            optional = all(impl.optionalhook for impl in caller.get_hookimpls())
            if not caller.has_spec() and not optional:
                hooks = [word for word in vars(Hooks) if word.startswith("longshore_")]
                near = closest(caller.name, hooks)
                raise PluginError(f"there is no hook {caller.name!r} {near}".strip())

    def _ask(self, plugin: object) -> list[object]:
        """Return what the plugin offers, unchecked."""
        try:
            answers = self._only(plugin, "longshore_providers")()
            offered = list(answers[0]) if answers else None
        except Exception as error:
            raise PluginError(f"longshore_providers() failed: {described(error)}") from error
        callers = self._manager.get_hookcallers(plugin) or []
        if offered is None and any(caller.name == "longshore_providers" for caller in callers):
            raise PluginError("longshore_providers() returned None, and not a list of providers")
        return offered or []

    def _check_names(self, infos: list[ProviderInfo]) -> None:
        taken = {**{name: name for name in self._providers}, **self.aliases}
        for info in infos:
            for name in (info.card.name, *info.card.aliases):
                if name in taken:
                    where = self._providers.get(taken[name])
                    by = f" by {where.distribution}" if where and where.distribution else ""
                    raise PluginError(f"the name {name!r} is already taken{by}")
                taken[name] = info.card.name


def _precedence(entry: EntryPoint) -> tuple[bool, str, str]:
    distribution = Source.of(entry).distribution
    return (distribution != _OURS, distribution, entry.name)


@cache
def load_plugins() -> Plugins:
    """Return the installed plugins; discovered once per process."""
    return Plugins.discover()
