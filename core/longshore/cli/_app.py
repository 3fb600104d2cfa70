"""All commands in one table; each is imported only when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperGroup

from longshore.cli._command import EPILOG

__all__ = ["COMMANDS", "run"]

COMMANDS = {
    "upload": "_upload:upload",
    "plan": "_plan:plan",
    "resume": "_resume:resume",
    "rerun": "_resume:rerun",
    "status": "_status:status",
    "watch": "_watch:watch",
    "actions": "_actions:actions",
    "act": "_actions:act",
    "cancel": "_runs:cancel",
    "forget": "_runs:forget",
    "gc": "_runs:gc",
    "providers": "_providers:providers",
    "sandbox": "_sandbox:sandbox",
    "demo": "_demo:demo",
    "record": "_record:record",
}
"""Command -> module of this room and what in it: a function, or a Typer of its own commands."""


class _Commands(Mapping[str, Any]):
    """The commands by name, made when they are asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _make(name, COMMANDS[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, place in COMMANDS.items() if _is_there(place))

    def __len__(self) -> int:
        return len(list(iter(self)))


def _is_there(place: str) -> bool:
    return find_spec(f"longshore.cli.{place.partition(':')[0]}") is not None


def _make(name: str, place: str) -> Any:
    module, attribute = place.split(":")
    found = getattr(import_module(f"longshore.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        made = typer.main.get_command(found)
        made.name = name
        return made
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, epilog=getattr(found, EPILOG, None))(found)
    return typer.main.get_command(app)


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


app = typer.Typer(
    name="longshore",
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"longshore {version('longshore')}")
        raise typer.Exit


@app.callback(epilog="Example: longshore upload plans/ --to plangrep")
def _longshore(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Carry documents to any document-ingestion vendor: start, send parts, complete, poll."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what is wrong with the call itself is one line, a hint, and 2."""
    command = typer.main.get_command(app)
    given = None if arguments is None else list(arguments)
    try:
        code = command.main(given, prog_name="longshore", standalone_mode=False)
    except Exception as error:
        told = getattr(error, "format_message", None)  # Typer's own errors
        if told is None:
            raise
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "longshore"
        print(f"longshore: {_sentence(told())}", file=sys.stderr)  # noqa: T201
        print(f"hint: {where} --help", file=sys.stderr)  # noqa: T201
        return 2
    except typer.Abort:
        return 130
    return code if isinstance(code, int) else 0


def _sentence(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line[:1].lower() + line[1:]
