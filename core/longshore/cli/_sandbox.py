"""``sandbox``: local servers that behave as the vendors' documentation says."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longshore._closest import closest
from longshore.cli._command import command
from longshore.cli._terminal import Terminal
from longshore.errors import PluginError, UsageError

if TYPE_CHECKING:
    from longshore.plugins import Plugins
    from longshore.sandbox import Faults, Vendor

__all__ = ["make_vendors", "sandbox", "variables"]

PORT = 8700


@command(
    "longshore sandbox",
    "longshore sandbox --port 9000 --faults faults.json",
)
def sandbox(
    terminal: Terminal,
    *,
    provider: Annotated[
        list[str] | None,
        typer.Option("--provider", metavar="NAME", help="Only this one; may be given again."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=0, max=65535, metavar="N", help=f"By default {PORT} if free; 0: any."
        ),
    ] = None,
    faults: Annotated[
        Path | None, typer.Option("--faults", metavar="FILE", help="A fault plan, as JSON.")
    ] = None,
    assumptions: Annotated[
        bool,
        typer.Option("--assumptions", help="List what the vendors do not document, and end."),
    ] = False,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            "--assume", metavar="VENDOR.NAME=VALUE", help="Decide one of those; may be given again."
        ),
    ] = None,
) -> int:
    """Serve the vendors on this machine, as their documentation says, until Ctrl-C.

    Prints the variables that point longshore at them. Passing here is no evidence about a vendor.
    """
    from longshore.plugins import load_plugins

    plugins = load_plugins()
    vendors = make_vendors(plugins, provider or [], assume or [])
    if assumptions:
        return _list_assumptions(terminal, vendors)
    plan = _faults(faults, plugins)
    if plan is not None:
        _tell_idle(terminal, plan, [vendor.name for vendor in vendors])
    try:
        _serve(terminal, plugins, vendors, plan, PORT if port is None else port)
    except BrokenPipeError:  # nobody reads the variables: the port is all right
        raise
    except OSError as error:
        if port is not None:
            words = os.strerror(error.errno or 0)  # its own names our address, too
            raise UsageError(
                f"port {port} cannot be used: {words}", hint="--port 0 takes a free one"
            ) from None
        _serve(terminal, plugins, vendors, plan, 0)
    return 0


def make_vendors(plugins: Plugins, names: list[str], assume: list[str]) -> list[Vendor]:
    """Make the sandboxes of these providers; of all that have one if none is named.

    Raises:
        UsageError: an assumption is given in a wrong way, or for none of these.
        LongshoreError: a provider is unknown, or its sandbox cannot be made.
    """
    wanted = list(dict.fromkeys(plugins.provider(name).name for name in names))
    options = _options(plugins, assume)
    made: dict[str, Vendor] = {}
    for name in wanted or plugins.providers():
        given = options.pop(name, {})
        try:
            made[name] = plugins.sandbox(name, given)
        except PluginError as error:
            if given and isinstance(error.__cause__, ValueError):
                raise UsageError(
                    f"--assume {name}...: {error.__cause__}",
                    hint="longshore sandbox --assumptions lists them, with what they may be",
                ) from None
            if wanted or "has no sandbox" not in error.message:
                raise
    if options:
        raise UsageError(f"--assume {next(iter(options))}...: that sandbox is not started")
    return list(made.values())


def _options(plugins: Plugins, assume: list[str]) -> dict[str, dict[str, str]]:
    options: dict[str, dict[str, str]] = {}
    for text in assume:
        name, equals, value = text.partition("=")
        vendor, dot, option = name.partition(".")
        if not (equals and dot and option):
            raise UsageError(
                f"--assume {text}: no vendor.name=value",
                hint="longshore sandbox --assumptions lists the names",
            )
        options.setdefault(plugins.provider(vendor).name, {})[option] = value
    return options


def _faults(path: Path | None, plugins: Plugins) -> Faults | None:
    from longshore.sandbox import Faults

    if path is None:
        return None
    try:
        plan = Faults.from_json(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    known = plugins.providers()
    for index, rule in enumerate(plan.rules):
        if rule.vendor not in ("*", *known):  # it would never fire, and nobody would know
            raise UsageError(
                f"{path}: faults[{index}].vendor: no vendor is named {rule.vendor!r}",
                hint=closest(rule.vendor, known) or f"there are: {', '.join(sorted(known))}",
            )
    return plan


def _tell_idle(terminal: Terminal, plan: Faults, served: list[str]) -> None:
    """Say which rules are about a vendor that is left out: one plan may serve several calls."""
    for index, rule in enumerate(plan.rules):
        if rule.vendor not in ("*", *served):
            terminal.note(
                f"longshore: faults[{index}] never happens: "
                f"the sandbox of {rule.vendor} is not started"
            )


def _serve(
    terminal: Terminal, plugins: Plugins, vendors: list[Vendor], faults: Faults | None, port: int
) -> None:
    from longshore.cli._interrupt import ended_by_signals

    try:
        from longshore.sandbox import run_forever
    except ImportError as error:
        raise PluginError(str(error), hint="pip install 'longshore[sandbox]'") from None

    def ready(urls: dict[str, str]) -> None:
        found = {vendor.name: variables(plugins, vendor) for vendor in vendors}
        everything = {name: value for each in found.values() for name, value in each.items()}
        terminal.line({"event": "sandbox", "urls": urls, "variables": everything})
        for vendor, each in found.items():
            terminal.say(f"# {vendor}: {urls[vendor]}")
            for name, value in each.items():
                terminal.say(f"export {name}={shlex.quote(value)}")
            terminal.say()
        terminal.note("longshore: the sandboxes run until Ctrl-C; copy the lines to another shell")

    with ended_by_signals():  # a server raises SIGTERM once more when it has ended in good order
        run_forever(vendors, port=port, faults=faults, ready=ready)


def variables(plugins: Plugins, vendor: Vendor) -> Mapping[str, str]:
    """Return the environment that points a target of this vendor, by each of its names, at it."""
    from longshore.targets import variable

    settings = {"base_url": vendor.base_url, **vendor.demo_settings}
    return {
        variable(target, field): value
        for target in (vendor.name, *plugins.provider(vendor.name).aliases)
        for field, value in settings.items()
    }


def _list_assumptions(terminal: Terminal, vendors: list[Vendor]) -> int:
    for vendor in vendors:
        terminal.say(vendor.name)
        for row in vendor.assumptions.rows():
            terminal.line({"event": "assumption", "provider": vendor.name, **row})
            terminal.say(_assumption(vendor.name, row))
        terminal.say()
    return 0


def _assumption(vendor: str, row: Mapping[str, Any]) -> str:
    choices = f"  (one of {', '.join(map(_typed, row['choices']))})" if row["choices"] else ""
    return (
        f"  {vendor}.{row['name']}={_typed(row['value'])}{choices}\n"
        f"      {row['description']}; {row['source']}"
    )


def _typed(value: object) -> str:
    """Write a value as --assume takes it from a shell."""
    return shlex.quote(value if isinstance(value, str) else json.dumps(value))
