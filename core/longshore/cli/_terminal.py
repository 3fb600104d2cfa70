"""Where a command speaks: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Protocol

import typer

from longshore.cli._text import harmless, json_text, printable, structured
from longshore.errors import LongshoreError

__all__ = ["Above", "Terminal"]

_NEXT = re.compile("longshore (?:status|watch|actions|resume|forget)(?: [0-9a-f]{8})?")
"""A command in a hint that is about the journal of this one."""


def _speaks_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


class Above(Protocol):
    """A display that keeps the last lines of a terminal for itself; others write above it."""

    def print(self, text: str) -> None:
        """Write a line above the display."""
        ...


@dataclass
class Terminal:
    """What the options that every command has say, and how a command speaks.

    Attributes:
        json: JSON Lines on stdout and nothing else there.
        journal: the journal file; None is the usual place.
        config: the ``longshore.toml``; None is to look for it.
        quiet: neither progress nor logs on stderr.
        verbose: more detail, logs, tracebacks.
        display: what is on the terminal right now, if anything is.
        hinted: hints that were given already.
    """

    json: bool = False
    journal: Path | None = None
    config: Path | None = None
    quiet: bool = False
    verbose: bool = False
    display: Above | None = None
    hinted: set[str] = field(default_factory=set)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Send the logs where they belong, and leave nothing unwritten."""
        from longshore.cli._logs import logs

        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # a name in any script stops no command
                stream.reconfigure(errors="backslashreplace")
        with logs(self._write, quiet=self.quiet, verbose=self.verbose):
            yield
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            self.deaf()

    # ------------------------------------------------------------------ stdout

    def line(self, value: Mapping[str, Any]) -> None:
        """Print one JSON line, if scripts are listening.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        if self.json:
            self._out(json_text(json.dumps(value, ensure_ascii=not _speaks_utf8())))

    def say(self, text: str = "") -> None:
        """Print a line for people.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        if not self.json:
            self._out(text)

    def _out(self, text: str) -> None:
        text = harmless(text)
        if self.display is not None and sys.stdout.isatty():
            self.display.print(text)
            return
        try:
            typer.echo(text)  # flushes
        except BrokenPipeError:
            raise
        except OSError as error:  # a full disk: nobody will read the rest, either
            self._err(f"longshore: stdout cannot be written: {error.strerror}")
            raise BrokenPipeError(error.strerror) from error

    def deaf(self) -> None:
        """Nobody reads stdout any more: write the rest to nowhere, so that nothing fails on it."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

    # ------------------------------------------------------------------ what to type next

    def typed(self, command: str) -> str:
        """Complete a command to type next: with the journal and the configuration of this one."""
        places = {"--journal": self.journal, "--config": self.config}
        named = (f" {flag} {shlex.quote(str(path))}" for flag, path in places.items() if path)
        return command + "".join(named)

    # ------------------------------------------------------------------ stderr

    def note(self, text: str) -> None:
        """Say something on stderr, unless it is to be quiet."""
        if not self.quiet:
            self._err(text)

    def event(self, text: str) -> None:
        """Say what an event of a run tells, unless the logs tell it with all its fields."""
        if not structured():
            self.note(text)

    def last(self, text: str) -> None:
        """Say the last line, also when it is to be quiet: how to go on."""
        self._err(text)

    def fail(self, error: LongshoreError, run: str = "") -> None:
        """Say what went wrong, with which of several runs, and what to do next."""
        about = f"run {run}: " if run and run not in error.message else ""
        hint = _NEXT.sub(lambda found: self.typed(found[0]), error.hint or "")
        self._trouble(about + error.message, hint)

    def crash(self, error: Exception) -> None:
        """Say that something went wrong that nobody thought of."""
        from longshore.redaction import redact_text

        if self.verbose:
            import traceback

            self._err(redact_text("".join(traceback.format_exception(error))).rstrip())
        words = " ".join(str(error).split())
        hint = "this is a fault in Longshore"
        if isinstance(error, (OSError, MemoryError)) or "start new thread" in words:
            hint = "a disk or a limit of this machine (df, ulimit -a), or a fault in Longshore"
        if not self.verbose:
            hint += "; --verbose shows where it happened"
        self._trouble(f"unexpected {type(error).__name__}: {words}", hint)

    def _trouble(self, message: str, hint: str) -> None:
        from longshore.redaction import redact_text

        message, hint = printable(redact_text(message)), printable(redact_text(hint))
        if structured():
            self._err(message, "error", **({"hint": hint} if hint else {}))
            return
        self._err(f"longshore: {message}")
        if hint:
            self._err(f"hint: {hint}")

    def _err(self, text: str, level: str = "info", **fields: str) -> None:
        if structured():
            from longshore.cli._logs import as_record

            text = as_record(level, text, **fields)
        self._write(text)

    def _write(self, text: str) -> None:
        text = harmless(text)
        if self.display is not None:
            self.display.print(text)
            return
        with suppress(OSError):  # a full disk or a reader that went away stops no upload
            typer.echo(text, err=True)
