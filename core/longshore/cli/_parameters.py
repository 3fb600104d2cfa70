"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from longshore.errors import UsageError

__all__ = ["Paths", "Run", "Set", "SomeRun", "pairs"]

Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH...", help="Files, directories, globs, or - for a list on stdin."),
]

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or how it begins.")]

SomeRun = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="A run's id, or how it begins.")
]

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Overrule a setting of the target."),
]


def pairs(given: list[str] | None) -> dict[str, str]:
    """Read ``--set key=value``.

    Raises:
        UsageError: there is no ``=`` in one.
    """
    found: dict[str, str] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(
                f"--set {text}: there is no '='", hint="for example --set poll_interval=5s"
            )
        found[key.strip()] = value
    return found
