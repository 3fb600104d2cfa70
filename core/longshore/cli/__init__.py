"""The command line: Typer for the commands, Rich for what they show."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: without the program's name; by default those of this process.
    """
    _open_streams()
    try:
        from longshore.cli._app import run

        return run(arguments)
    except KeyboardInterrupt:  # so early that no command listens yet
        return 130


def _open_streams() -> None:
    """Give a process that was started without one of them a stream that leads nowhere.

    Else a file that is opened later gets its number, and what is meant for a person its bytes.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - for good
            setattr(sys, name, stream)
