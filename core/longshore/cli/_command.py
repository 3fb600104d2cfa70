"""What every command has in common: its options, its errors, its exit codes."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeAlias, cast, get_type_hints

import typer

from longshore.cli._codes import INTERRUPTED, TROUBLE
from longshore.cli._terminal import Terminal
from longshore.errors import LongshoreError, UsageError

__all__ = ["EPILOG", "Config", "Journal", "calls_another", "command"]

EPILOG = "longshore_epilog"
"""The attribute of a command that holds what stands below its help."""

_PANEL = "Every command"

_OBSERVER = re.compile("LONGSHORE_[^_]+")
"""``LONGSHORE_LOG`` and its like, also misspelt; a target's variables have one more part."""

Journal = Annotated[
    Path | None,
    typer.Option("--journal", metavar="FILE", help="The journal to use.", rich_help_panel=_PANEL),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="The longshore.toml to use.", rich_help_panel=_PANEL
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="JSON Lines on stdout, for scripts.", rich_help_panel=_PANEL),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress, no logs.", rich_help_panel=_PANEL)
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="More detail, and logs.", rich_help_panel=_PANEL)
]

_COMMON: dict[str, tuple[Any, Any]] = {
    "json": (Json, False),
    "journal": (Journal, None),
    "config": (Config, None),
    "quiet": (Quiet, False),
    "verbose": (Verbose, False),
}

P = ParamSpec("P")

_Code: TypeAlias = int | None
_Command: TypeAlias = Callable[Concatenate[Terminal, P], _Code | Coroutine[Any, Any, _Code]]


def command(*examples: str) -> Callable[[_Command[P]], Callable[..., None]]:
    """Make a function a command: it gets a ``Terminal`` and returns its exit code.

    It may be async. One that returns None leaves the rest to a command of its own group.

    The options that every command has are added to its own and end up in the ``Terminal``.

    Args:
        examples: command lines for the end of its help.
    """

    def decorate(function: _Command[P]) -> Callable[..., None]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            common: dict[str, Any] = {name: kwargs.pop(name) for name in _COMMON}
            terminal = Terminal(**common)
            with terminal.open():
                code = _guarded(terminal, lambda: _observed(function, terminal, *args, **kwargs))
            if code is not None:
                raise typer.Exit(code)

        hints = get_type_hints(function, include_extras=True)
        own = list(inspect.signature(function).parameters.values())[1:]
        parameters = [parameter.replace(annotation=hints[parameter.name]) for parameter in own]
        for name, (annotation, default) in _COMMON.items():
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
        changed: Any = run
        changed.__signature__ = inspect.Signature(parameters)
        changed.__annotations__ = {p.name: p.annotation for p in parameters}
        setattr(changed, EPILOG, _epilog(examples))
        return run

    return decorate


def calls_another(ctx: typer.Context) -> bool:
    """Tell whether a command of a group is called: then the group itself does nothing.

    Raises:
        UsageError: an option stands before the command, which would not know of it.
    """
    if ctx.invoked_subcommand is None:
        return False
    below = f"{ctx.command_path} {ctx.invoked_subcommand}"
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"{parameter.opts[0]} stands before {ctx.invoked_subcommand}",
                hint=f"options go after the command: {below} ...",
            )
    return True


def _epilog(examples: tuple[str, ...]) -> str:
    return "\n\n".join(f"Example: {example}" for example in examples)


def _observed(
    function: _Command[P], terminal: Terminal, *args: P.args, **kwargs: P.kwargs
) -> _Code:
    """Run a command, with the observers that the environment asks for."""
    if not any(_OBSERVER.fullmatch(name) for name in os.environ):
        return _done(function, terminal, *args, **kwargs)
    from longshore.events import observing

    with observing():
        return _done(function, terminal, *args, **kwargs)


def _done(function: _Command[P], terminal: Terminal, *args: P.args, **kwargs: P.kwargs) -> _Code:
    if not inspect.iscoroutinefunction(function):
        return cast("_Code", function(terminal, *args, **kwargs))
    # Late: the help does without asyncio. But before there is a coroutine: a signal meanwhile would
    # have Python complain, below the last line, that nobody awaited it.
    from longshore.cli._interrupt import run_async

    code: _Code = run_async(function(terminal, *args, **kwargs))
    return code


def _guarded(terminal: Terminal, work: Callable[[], _Code]) -> _Code:
    """Turn what goes wrong into a line, a hint and an exit code."""
    try:
        return work()
    except LongshoreError as error:
        terminal.fail(error)
    except BrokenPipeError:
        terminal.deaf()
        return INTERRUPTED
    except KeyboardInterrupt:
        terminal.note("longshore: interrupted")
        return INTERRUPTED
    except typer.Exit as error:
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, not a traceback
        terminal.crash(error)
    return TROUBLE
