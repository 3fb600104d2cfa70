"""Text for terminals and scripts: nothing in it that one could obey."""

from __future__ import annotations

import json
import os
import re

import typer

__all__ = ["FORMAT", "colour", "harmless", "json_text", "printable", "structured"]

FORMAT = "LONGSHORE_LOG"
"""The variable that asks for structured logs: ``json``."""

_COLOURS = {
    "succeeded": "green",
    "running": "blue",
    "skipped": "blue",
    "needs_action": "yellow",
    "unknown": "yellow",
    "partial": "yellow",
}


_OURS = re.compile("(\n|\x1b\\[[0-9]{1,2}m)")
"""What a text may hold beside what can be printed: line ends, and the colours of ``colour``."""


def printable(text: str) -> str:
    """Show control characters instead of sending them to a terminal."""
    if text.isprintable():  # nearly always, and much sooner told than character by character
        return text
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )


def harmless(text: str) -> str:
    """Let only line ends and colours through: the last net below ``printable``."""
    if text.isprintable():
        return text
    return "".join(
        piece if index % 2 else printable(piece) for index, piece in enumerate(_OURS.split(text))
    )


def json_text(text: str) -> str:
    """Escape what a terminal could obey or a reader of lines could take for a line's end."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1] for character in text
    )


def structured() -> bool:
    """Tell whether each line on stderr is to be an object of JSON, and what happens be logged."""
    return os.environ.get(FORMAT, "").strip().lower() == "json"


def colour(state: str, text: str) -> str:
    """Give a text the colour of a state; it is taken away where stdout is no terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown"):
        return text
    return typer.style(text, fg=_COLOURS.get(state, "red"))
