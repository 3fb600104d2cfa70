"""All commands in one table; each is imported only when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from longshore.cli._codes import INTERRUPTED, TROUBLE
from longshore.cli._command import EPILOG
from longshore.cli._terminal import Terminal
from longshore.cli._text import printable
from longshore.errors import UsageError

__all__ = ["COMMANDS", "run"]

COMMANDS = {
    "upload": ("_upload:upload", "Carry documents to a target and follow their jobs."),
    "plan": ("_plan:plan", "Show what an upload would do, and what is refused, and why."),
    "resume": ("_resume:resume", "Go on with a run, or with every unfinished one."),
    "rerun": ("_resume:rerun", "Send failed documents of a run again."),
    "status": ("_status:status", "List the runs, or show one document by document."),
    "watch": ("_watch:watch", "Follow a run that another process executes."),
    "compare": ("_compare:compare", "Carry the same documents to several targets; report on it."),
    "migrate": ("_migrate:migrate", "Carry the documents of one target to another; check it."),
    "actions": ("_actions:actions", "List what jobs wait for a person to do."),
    "act": ("_actions:act", "Do what a job offers."),
    "cancel": ("_runs:cancel", "Cancel what is not over in a run."),
    "forget": ("_runs:forget", "Delete a run from the journal."),
    "gc": ("_runs:gc", "Give abandoned sessions back to the vendors."),
    "webhooks": ("_webhooks:webhooks", "Take deliveries of vendors, and poll sooner."),
    "providers": ("_providers:providers", "List the vendors; show what one takes; check a target."),
    "sandbox": ("_sandbox:sandbox", "Serve the vendors on this machine, as documented."),
    "demo": ("_demo:demo", "Carry a few documents to every vendor's sandbox."),
    "record": ("_record:record", "Write cassettes, from a vendor or from the sandboxes."),
    "new-provider": ("_new_provider:new_provider", "Make the package of a new provider."),
}
"""Command -> module of this room and what in it (a function, or a Typer of its own commands);
and what the list of all commands says, so that it need not import any."""


class _Commands(Mapping[str, Any]):
    """The commands by name, made when they are asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _make(name, COMMANDS[name][0])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _make(name: str, place: str) -> Any:
    module, attribute = place.split(":")
    found = getattr(import_module(f"longshore.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        made: Any = typer.main.get_command(found)
        made.name = name
        for below in made.commands.values():
            _leave_types_out(below)
        return made
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, epilog=getattr(found, EPILOG, None))(found)
    made = typer.main.get_command(app)
    _leave_types_out(made)
    return made


def _leave_types_out(command: Any) -> None:
    """Keep Python's types out of the help: ``PATH <list[str]>`` tells a person nothing."""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            parameter.display_type_rich = _no_type


def _no_type(ctx: Any) -> None:
    """Stand for what Typer would write behind an argument's name."""


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="longshore",
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=_SETTINGS,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"longshore {version('longshore')}")
        raise typer.Exit


@app.callback(
    epilog="A TARGET is a table of longshore.toml, or a vendor as `longshore providers` lists it."
    "\n\nExample: longshore demo"
    "\n\nExample: longshore upload plans/ --to my-target"
)
def _longshore(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Carry documents to any document-ingestion vendor: start, send parts, complete, poll."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what is wrong with the call itself is one line, a hint, and 2."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    command, name = typer.main.get_command(app), "longshore"
    if given and given[0] in COMMANDS:  # at once: Typer loads pydantic to look at --version
        command, name = _Commands()[given[0]], f"longshore {given[0]}"
        given = given[1:]
    try:
        code = command.main(given, prog_name=name, standalone_mode=False, **_SETTINGS)
    except typer.Abort:
        return INTERRUPTED
    except OSError as error:  # the help or the version, for a command takes care of its own
        terminal = Terminal()
        terminal.crash(error)
        terminal.deaf()
        return TROUBLE
    except Exception as error:
        told = getattr(error, "format_message", None)  # Typer's own errors
        if told is None:
            raise
        if not given and name == "longshore":  # what it tells then is the help
            Terminal().last(told())
            return TROUBLE
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path if context is not None else name} --help"
        called = next((word for word in given if word in COMMANDS), None)
        if name == "longshore" and called and given[0].startswith("-"):
            hint = f"options go after the command: longshore {called} ..."
        Terminal().fail(UsageError(_sentence(told()), hint=hint))
        return TROUBLE
    return code if isinstance(code, int) else 0


def _sentence(text: str) -> str:
    line = printable(" ".join(text.split()).rstrip(".")).partition(", unable to parse")[0]
    for theirs, ours in (("Value error, ", ""), ("Input should be ", "it should be ")):
        line = line.replace(theirs, ours)  # pydantic's words, by which Typer refuses a value
    return line[:1].lower() + line[1:]
