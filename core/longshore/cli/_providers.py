"""``providers``: which vendors there are, what each takes, and whether a target would work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from longshore.cli._command import EPILOG, calls_another, command
from longshore.cli._lines import entries
from longshore.cli._parameters import Set, pairs
from longshore.cli._terminal import Terminal
from longshore.cli._text import colour, printable
from longshore.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from longshore.capabilities import Capabilities
    from longshore.provider import Provider
    from longshore.targets import Target

__all__ = ["providers"]

VERBS = ("renew", "abort", "cancel", "act", "results", "inventory")
"""What a provider need not offer."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="A provider, an alias, or a target.")]


class _Listing(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let everything stand at its default where nothing is said.

        Typer loads pydantic to look at options, which takes longer than the list.
        """
        if args:
            return super().parse_args(ctx, args)
        shown = [param for param in self.params if param.expose_value]
        ctx.params = {param.name: param.get_default(ctx) for param in shown}
        return []


providers = typer.Typer(
    cls=_Listing,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    help="List the providers; show what one takes; check that a target would work.",
)


@command("longshore providers", "longshore providers show my-target")
def _list(terminal: Terminal, ctx: typer.Context) -> int | None:
    """List the providers; show what one takes; check that a target would work."""
    if calls_another(ctx):
        return None
    from longshore.plugins import Quarantined, load_plugins

    plugins = load_plugins()
    broken: list[Quarantined] = []
    for name, info in plugins.providers().items():
        card = info.card
        if terminal.json or terminal.verbose:  # only the class can tell whether it works
            try:
                offers = _offers(info.type)
            except PluginError as error:
                broken.append(Quarantined(name, info.distribution, error.message))
                continue
            terminal.line({
                "event": "provider",
                "name": name,
                "aliases": list(card.aliases),
                "title": card.title,
                "documentation": card.documentation,
                "distribution": info.distribution,
                "version": info.version,
                "offers": offers,
            })  # fmt: skip
        also = f" ({', '.join(card.aliases)})" if card.aliases else ""
        source = f"{info.distribution} {info.version}".strip()
        terminal.say(f"{name + also:<24}  {card.title or name:<16}  {source}")
    for left_out in (*plugins.quarantined, *broken):
        terminal.line({
            "event": "quarantined",
            "name": left_out.entry_point,
            "distribution": left_out.distribution,
            "reason": left_out.reason,
        })  # fmt: skip
        why = printable(f"{left_out.entry_point:<24}  not used: {left_out.reason}")
        terminal.say(colour("failed", why))
    return 0


def _offers(kind: type[Provider[Any]]) -> list[str]:
    return [verb for verb in VERBS if kind.offers(verb)]


@command("longshore providers show my-target", "longshore providers show my-target --json")
def _show(terminal: Terminal, name: Name, set: Set = None) -> int:
    """Show what a vendor takes, how it behaves, and the settings with their variables."""
    from longshore.pipeline import capabilities_of
    from longshore.targets import resolve_target

    target = resolve_target(name, overrides=pairs(set), config_file=terminal.config)
    provider, capabilities = target.provider, capabilities_of(target.provider)
    settings = _settings(target)
    line = {
        "event": "provider",
        "name": provider.name,
        "aliases": list(provider.aliases),
        "title": provider.title,
        "documentation": provider.documentation,
        "state_version": provider.state_version,
        "offers": _offers(type(provider)),
        "capabilities": capabilities.model_dump(mode="json"),
        "settings": settings,
    }
    terminal.line(line)
    also = f" ({', '.join(provider.aliases)})" if provider.aliases else ""
    terminal.say(f"{provider.name}{also}  {provider.title}  {provider.documentation}")
    terminal.say()
    for text in _words(capabilities):
        terminal.say(f"  {text}")
    terminal.say(f"  offers beside the upload: {', '.join(line['offers']) or 'nothing'}")  # type: ignore[arg-type]
    terminal.say()
    rows = list(_rows(target, settings))
    widest = max(len(variable) for variable, _, _ in rows)
    for variable, setting, default in rows:
        value = f"  ({default})" if default else ""
        terminal.say(f"  {variable:<{widest}}  --set {setting}{value}")
    return 0


def _rows(target: Target, settings: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Give each setting's variable, name and default; a line for each entry that one has."""
    from longshore.targets import variable

    for entry in settings:
        name = entry["name"]
        found = list(entries({name: entry["default"]})) or [(name, "")]
        for path, default in found:
            yield variable(target.name, *path.split(".")), path, default


def _settings(target: Target) -> list[dict[str, Any]]:
    from longshore.targets import variable

    found = []
    for name, field in type(target.provider.settings).model_fields.items():
        default: Any = field.get_default(call_default_factory=True, validated_data={})
        if hasattr(default, "model_dump"):
            default = default.model_dump(mode="json")
        found.append({"name": name, "variable": variable(target.name, name), "default": default})
    return found


def _words(capabilities: Capabilities) -> list[str]:
    """Write limits and behaviours as sentences."""
    from longshore.units import format_bytes, format_seconds

    limits, parts, rate, polls = (
        capabilities.limits,
        capabilities.parts,
        capabilities.rate,
        capabilities.polls,
    )
    words = [
        f"documents in one submission: {limits.documents_per_batch or 'no limit known'}",
        f"bytes of one document: {_size(limits.bytes_per_document)}",
        f"bytes of one submission: {_size(limits.bytes_per_batch)}",
    ]
    for what, names in (("endings", limits.extensions), ("media types", limits.media_types)):
        if names is not None:
            words.append(f"{what}: {', '.join(sorted(names))}")
    if parts is not None:
        chosen = (
            "the vendor chooses" if parts.chosen_by == "vendor" else format_bytes(parts.default)
        )
        words.append(f"in parts above {format_bytes(parts.above)}: {chosen}")
    if rate is not None:
        words.append(f"requests: {rate.requests:g} in {format_seconds(rate.seconds)}")
    if (reads := capabilities.read_rate) is not None:
        words.append(f"of reads alone: {reads.requests:g} in {format_seconds(reads.seconds)}")
    words.append(f"polls: every {format_seconds(polls.interval)}, no sooner than {polls.floor:g} s")
    words.append(f"requests in flight: {capabilities.concurrency}")
    if capabilities.credits:
        words.append(f"what a document costs: {capabilities.credits}")
    return [*words, *capabilities.behaviours]


def _size(size: int | None) -> str:
    from longshore.units import format_bytes

    return "no limit known" if size is None else format_bytes(size)


@command("longshore providers check my-target")
async def _check(terminal: Terminal, name: Name, set: Set = None) -> int:
    """Check that a target's settings are complete, and ask the vendor what prepare asks.

    For some vendors this finds or makes what an upload needs, such as a project. Others are
    asked nothing before an upload: then neither the address nor the key is tried.
    """
    from longshore.cli._plan import ask_vendor
    from longshore.pipeline import Environment, RunOptions
    from longshore.targets import target_now

    target = target_now(name, pairs(set), terminal.config)
    setup, _, asked = await ask_vendor(target, RunOptions(), Environment())
    terminal.line({
        "event": "check",
        "target": target.name,
        "provider": target.provider_name,
        "ok": True,
        "asked": asked,
        "setup": setup.data,
    })  # fmt: skip
    found = "the vendor can be used" if asked else "but only an upload tries address and key"
    terminal.say(f"{target.name}: the settings are complete, {found}")
    for key, value in entries(setup.data):
        terminal.say(printable(f"  {key}: {value}"))
    return 0


providers.callback(epilog=getattr(_list, EPILOG))(_list)
providers.command(
    "show", short_help="Show what a vendor takes, and its settings.", epilog=getattr(_show, EPILOG)
)(_show)
providers.command(
    "check", short_help="Check that a target would work.", epilog=getattr(_check, EPILOG)
)(_check)
