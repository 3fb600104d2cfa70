"""The command line: Typer for the commands, Rich for what they show."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: without the program's name; by default those of this process.
    """
    from longshore.cli._app import run

    return run(arguments)
