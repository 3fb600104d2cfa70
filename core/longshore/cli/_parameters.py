"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longshore.cli._terminal import Terminal
from longshore.cli._text import printable
from longshore.errors import UsageError

if TYPE_CHECKING:
    from longshore.pipeline import Candidate, RunOptions

__all__ = [
    "BatchSize", "BwLimit", "Concurrency", "Follow", "GiveUpAfter", "MaxFailures", "PartSize",
    "Paths", "Run", "Set", "SomeRun", "candidates_of", "check_names", "options_of", "pairs", "said",
]  # fmt: skip

Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH", help="Files, directories, globs, URLs; - is a list on stdin."),
]


def said(value: str | None) -> str | None:
    """Refuse an empty value: a script's variable was not set, and every run's id begins so.

    Raises:
        typer.BadParameter: it is.
    """
    if value == "":
        raise typer.BadParameter("it is empty")
    return value


_RUN: Any = typer.Argument(metavar="RUN", help="A run's id, or how it begins.", callback=said)

Run = Annotated[str, _RUN]

SomeRun = Annotated[str | None, _RUN]

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Overrule a setting of the target."),
]

# What bounds an upload, whichever command makes it.

Concurrency = Annotated[int | None, typer.Option(min=1, metavar="N", help="Requests in flight.")]

PartSize = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Bytes of a part, such as 16MiB.")
]

BatchSize = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Documents in one submission, at most.")
]

BwLimit = Annotated[
    str | None, typer.Option(metavar="RATE", help="Bytes a second that may leave: 5M; 0: no cap.")
]

Follow = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Follow the jobs until they are over.")
]

MaxFailures = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Begin nothing new after N failures.")
]

GiveUpAfter = Annotated[
    str,
    typer.Option(metavar="TIME", help="How long an outage is waited out, half a minute at least."),
]


def pairs(given: list[str] | None) -> dict[str, str]:
    """Read ``--set key=value``.

    Raises:
        UsageError: there is no ``=`` in one, or nothing before it.
    """
    found: dict[str, str] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        name = key.partition(".")[0].rpartition(":")[2]  # behind the target, if one is named
        if not (name.strip() and equals):
            wrong = "there is no name before '='" if equals else "there is no '='"
            raise UsageError(f"--set {text}: {wrong}", hint="for example --set poll_interval=5s")
        found[key.strip()] = value
    return found


def check_names(given: Iterable[str], targets: Sequence[str]) -> None:
    """Check that ``--set target:key=value`` names a target that is there.

    Raises:
        UsageError: it does not.
    """
    for key in given:
        target, colon, _ = key.partition(".")[0].partition(":")
        if colon and target not in targets:
            raise UsageError(
                f"--set {key}: {target!r} is none of the targets",
                hint=f"there are: {', '.join(targets)}",
            )


def candidates_of(terminal: Terminal, paths: Sequence[str]) -> Iterator[Candidate]:
    """Find the documents that a user typed, each once; what is left out is said.

    Raises:
        UsageError: a directory holds no file, a glob matches none, or a manifest is malformed.
        ConfigurationError: a package for a URL is missing.
    """
    from longshore.pipeline import find_once

    return find_once(paths, lambda text: terminal.note(printable(f"longshore: {text}")))


def options_of(command: str, **given: Any) -> RunOptions:
    """Check the options of a run, as they were given to a command.

    Raises:
        UsageError: one of them cannot be read.
    """
    from longshore.pipeline import options_from

    return options_from(
        given,
        named=lambda name: "--" + name.replace("_", "-"),
        hint=f"longshore {command} --help",
    )
