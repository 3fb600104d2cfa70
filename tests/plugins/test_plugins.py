"""Discovery of providers: what works is offered, what is broken is left out with the reason."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from longshore.errors import PluginError, UnknownTarget
from longshore.plugins import API_VERSION, Plugins, load_plugins
from longshore.provider import (
    Batch,
    Card,
    Flow,
    Job,
    Provider,
    Receipt,
    Session,
    Status,
    Transfer,
    hookimpl,
)


class Good(Provider):
    name = "good"
    aliases: ClassVar[tuple[str, ...]] = ("fine",)

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        raise NotImplementedError

    def poll(self, job: Job) -> Flow[Status]:
        raise NotImplementedError


class GoodPlugin:
    """Has all three hooks."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    @hookimpl
    def longshore_providers(self) -> list[type[Provider[Any]]]:
        return [Good]

    @hookimpl
    def longshore_sandbox(self, name: str, options: dict[str, Any]) -> object | None:
        return ("sandbox", options) if name == "good" else None

    @hookimpl
    def longshore_event(self, event: object) -> None:
        self.seen.append(event)


def offering(*classes: object, api: object = API_VERSION) -> object:
    """Make a plugin that offers these."""

    class Plugin:
        longshore_api = api

        @hookimpl
        def longshore_providers(self) -> Any:
            return list(classes)

    return Plugin()


def variant(**attributes: object) -> type[Provider[Any]]:
    """Make a provider class that differs from the good one in some attributes."""
    return type("Variant", (Good,), {"name": "variant", "aliases": (), **attributes})


def reason(plugin: object) -> str:
    """Return why a plugin is left out, while the good one beside it still works."""
    plugins = Plugins.of(GoodPlugin(), plugin)
    assert list(plugins.providers()) == ["good"]
    (left_out,) = plugins.quarantined
    return left_out.reason


def test_a_provider_is_found_by_name_and_alias() -> None:
    """Both give the class; the aliases are listed."""
    plugins = Plugins.of(GoodPlugin())

    assert Good is plugins.provider("good") is plugins.provider("fine")
    assert plugins.aliases == {"fine": "good"}
    assert plugins.quarantined == ()
    assert plugins.version_of("good") == plugins.version_of(Good) == ""


def test_a_card_stands_for_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its class is imported when it is asked for, not before, and takes its names from the card."""
    module = ModuleType("carded_provider")
    plugins = Plugins.of(offering(Card("carded", "carded_provider:Carded", ("other",), "A title")))
    assert [info.card.title for info in plugins.providers().values()] == ["A title"]

    card = plugins.info("other").card
    kind = types.new_class("Carded", (Good,), {"card": card})
    monkeypatch.setitem(sys.modules, "carded_provider", module)
    monkeypatch.setattr(module, "Carded", kind, raising=False)

    assert plugins.provider("other") is kind
    assert (kind.name, kind.aliases, kind.title) == ("carded", ("other",), "A title")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("no_such_module:Carded", "'carded' cannot be imported: ModuleNotFoundError"),
        ("longshore.errors:NoSuchClass", "'carded' cannot be imported: AttributeError"),
        ("longshore.errors:PluginError", "which is no Provider class"),
        (f"{__name__}:Good", "the card of 'carded' leads to 'good'"),
    ],
)
def test_a_card_that_leads_nowhere(
    place: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for the class is told; the other providers work."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Good.__module__])
    plugins = Plugins.of(GoodPlugin(), offering(Card("carded", place)))

    with pytest.raises(PluginError, match=re.escape(expected)):
        plugins.provider("carded")
    assert plugins.provider("good") is Good


def test_an_unknown_name_gets_the_closest() -> None:
    """The hint offers names and aliases that look alike, else all there are."""
    plugins = Plugins.of(GoodPlugin())

    with pytest.raises(UnknownTarget, match="no provider is named 'god'") as near:
        plugins.provider("god")
    assert near.value.hint == "did you mean good?"
    with pytest.raises(UnknownTarget) as far:
        plugins.provider("zzz")
    assert far.value.hint == "there are: fine, good"


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        (offering("good"), "returned 'good', which is no Provider class"),
        (offering(type("Nameless", (Provider,), {})), "class Nameless has no name"),
        (offering(variant(name="Not_plain")), "'Not_plain' is not of the form [a-z0-9-]+"),
        (offering(Card("Not_plain", "a:B")), "'Not_plain' is not of the form [a-z0-9-]+"),
        (offering(Card("good", "a:B")), "the name 'good' is already taken"),
        (offering(variant(aliases=("Ü",))), "'Ü' is not of the form"),
        (offering(variant(send=Provider.send)), "provider 'variant' does not define send()"),
        (offering(variant(poll=Provider.poll)), "provider 'variant' does not define poll()"),
        (offering(variant(aliases=None)), "it cannot be registered: TypeError"),
        (offering(variant(Settings=dict)), "Settings of provider 'variant'"),
        (offering(variant(name="good")), "the name 'good' is already taken"),
        (offering(variant(name="fine")), "the name 'fine' is already taken"),
        (offering(variant(aliases=("good",))), "the name 'good' is already taken"),
        (offering(variant(), variant()), "the name 'variant' is already taken"),
        (offering(variant(), 1), "returned 1, which is no Provider class"),
        (object(), "no function marked with hookimpl"),
    ],
)
def test_a_broken_plugin_is_left_out(plugin: object, expected: str) -> None:
    """Whatever is wrong is named, and the others go on."""
    assert expected in reason(plugin)


def test_a_hook_that_fails_is_left_out() -> None:
    """An error inside longshore_providers is the reason."""

    class Failing:
        @hookimpl
        def longshore_providers(self) -> Any:
            raise RuntimeError("out of order")

    assert "RuntimeError: out of order" in reason(Failing())


def test_a_hook_without_a_return_is_left_out() -> None:
    """A hook that returns nothing is a forgotten ``return``, and not a plugin without providers."""

    class Plugin:
        @hookimpl
        def longshore_providers(self) -> None:
            list([Good])  # noqa: C410 - a forgotten return

    assert reason(Plugin()) == "longshore_providers() returned None, and not a list of providers"


def test_a_plugin_may_offer_no_provider() -> None:
    """An empty list, or no such hook beside another one, is no mistake."""

    class Observer:
        @hookimpl
        def longshore_event(self, event: object) -> None:
            raise NotImplementedError

    assert Plugins.of(offering(), Observer()).quarantined == ()


def test_a_plugin_counts_once() -> None:
    """The same module under two entry points is left out the second time."""
    plugin = GoodPlugin()
    plugins = Plugins.of(plugin, plugin)

    assert list(plugins.providers()) == ["good"]
    assert "it is registered already" in plugins.quarantined[0].reason


def test_a_misspelt_hook_is_left_out() -> None:
    """A hook that nobody calls is a mistake; the nearest one is named."""

    class Misspelt:
        @hookimpl
        def longshore_provider(self) -> Any:
            return [Good]

    assert "did you mean longshore_providers" in reason(Misspelt())


def test_a_hook_with_a_wrong_argument_is_left_out() -> None:
    """Pluggy's own check of the arguments is a reason too."""

    class Wrong:
        @hookimpl
        def longshore_event(self, evnt: object) -> None: ...

    assert "it cannot be registered" in reason(Wrong())


@pytest.mark.parametrize(
    ("wanted", "cure"),
    [
        (API_VERSION + 1, f"install a newer longshore, one with plugin API {API_VERSION + 1}"),
        (API_VERSION - 1, f"install a version of the plugin for plugin API {API_VERSION}"),
        ("one", f"install a version of the plugin for plugin API {API_VERSION}"),
    ],
)
def test_another_api_version_is_left_out(wanted: object, cure: str) -> None:
    """The message names the version to install."""
    assert cure in reason(offering(variant(), api=wanted))


def test_the_sandbox_of_a_provider_is_made() -> None:
    """By name and by alias, with the options; other plugins' errors do not matter."""

    class Failing:
        @hookimpl
        def longshore_sandbox(self, name: str) -> object:
            raise RuntimeError("out of order")

        @hookimpl
        def longshore_providers(self) -> Any:
            return [variant()]

    plugins = Plugins.of(GoodPlugin(), Failing())

    assert plugins.sandbox("fine", {"a": 1}) == ("sandbox", {"a": 1})
    with pytest.raises(PluginError, match="RuntimeError: out of order"):
        plugins.sandbox("variant")
    with pytest.raises(UnknownTarget):
        plugins.sandbox("nobody")


def test_a_provider_without_a_sandbox_says_so() -> None:
    """No plugin answers: a clear error."""
    with pytest.raises(PluginError, match="'variant' has no sandbox"):
        Plugins.of(GoodPlugin(), offering(variant())).sandbox("variant")


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, asyncio.CancelledError])
def test_observers_see_events_and_cannot_stop_them(
    caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    """An observer's error is logged once; the others still see every event."""

    class Failing:
        @hookimpl
        def longshore_event(self) -> None:
            raise error("out of order")

    good = GoodPlugin()
    plugins = Plugins.of(Failing(), good, Failing())
    with caplog.at_level(logging.WARNING):
        plugins.notify("first")
        plugins.notify("second")

    assert good.seen == ["first", "second"]
    assert caplog.text.count("out of order") == 2  # two plugins, each once


def test_an_async_hook_is_no_hook() -> None:
    """Nothing would be observed, and nothing said of it."""

    class Async:
        @hookimpl
        async def longshore_event(self) -> None:
            """Never runs."""

    (left_out,) = Plugins.of(GoodPlugin(), Async()).quarantined
    assert left_out.reason == "longshore_event is async, and nobody awaits it"


def test_observers_come_and_go_while_others_are_told() -> None:
    """As where one thread begins to observe what another one carries."""
    good, seen = GoodPlugin(), list[object]()
    plugins = Plugins.of(good)
    with ExitStack() as stack:

        def another(_event: object) -> None:
            stack.enter_context(plugins.observing("another", seen.append))

        with plugins.observing("first", another):
            plugins.notify("first")
        plugins.notify("second")
    plugins.notify("third")

    assert (good.seen, seen) == (["first", "second", "third"], ["second"])


# ---------------------------------------------------------------------------- entry points

Install = Callable[..., None]

SOURCE = """
from longshore.provider import Provider, hookimpl

class Made(Provider):
    name = {name!r}
    def send(self, batch, session, transfer): yield
    def poll(self, job): yield

@hookimpl
def longshore_providers():
    return [Made]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution of one module for this test."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(distribution: str, module: str, source: str, *, entry: str = "") -> None:
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{distribution}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        (info / "entry_points.txt").write_text(
            f"[longshore.providers]\n{entry or module} = {module}\n"
        )

    yield put
    load_plugins.cache_clear()  # other tests have not installed it


def test_installed_plugins_are_found(install: Install) -> None:
    """A third-party distribution is found beside the built-in ones, with its version."""
    install("acme-docs", "acme_found", SOURCE.format(name="acme"))
    plugins = Plugins.discover()
    info = plugins.providers()["acme"]

    assert (info.distribution, info.version) == ("acme-docs", "1.2")
    assert plugins.version_of("acme") == "1.2"
    assert {info.distribution for info in plugins.providers().values()} == {
        "acme-docs",
        "longshore",
    }


@pytest.mark.parametrize(
    "source", ["import not_there_at_all", "raise SystemExit(3)", "1 / 0", "syntax error"]
)
def test_a_plugin_that_cannot_be_imported_is_left_out(install: Install, source: str) -> None:
    """The others are there, and asking for it by name tells why it is not."""
    module = f"acme_broken_{abs(hash(source))}"
    install("acme-docs", module, source, entry="acme")
    plugins = Plugins.discover()
    (left_out,) = plugins.quarantined

    assert (left_out.entry_point, left_out.distribution) == ("acme", "acme-docs")
    assert left_out.reason.startswith("it cannot be imported: ")
    assert set(load_plugins().providers()) == set(plugins.providers())
    with pytest.raises(UnknownTarget, match="the plugin 'acme' is not used: it cannot be imported"):
        plugins.provider("acme")


def test_a_plugin_cannot_take_a_built_in_name(install: Install) -> None:
    """Whatever the order of installation, our own provider stays."""
    name = next(iter(Plugins.discover().providers()))
    install("aaa-docs", "aaa_thief", SOURCE.format(name=name), entry=name)
    plugins = Plugins.discover()

    assert plugins.providers()[name].distribution == "longshore"
    assert [f"the name {name!r} is already taken by longshore"] == [
        left_out.reason for left_out in plugins.quarantined
    ]


def test_discovery_happens_once() -> None:
    """The installed plugins are loaded once per process."""
    assert load_plugins() is load_plugins()
