"""Documents that a user typed, each once; what is left out is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from longshore.cli._terminal import Terminal
from longshore.cli._text import printable

if TYPE_CHECKING:
    from longshore.pipeline import Candidate

__all__ = ["found_once"]


def found_once(terminal: Terminal, paths: Sequence[str]) -> Iterator[Candidate]:
    """Expand what a user typed; see ``find_once``.

    Raises:
        UsageError: a directory holds no file, a glob matches none, or a manifest is malformed.
        ConfigurationError: a package for a URL is missing.
    """
    from longshore.pipeline import find_once

    return find_once(paths, lambda text: terminal.note(printable(f"longshore: {text}")))
