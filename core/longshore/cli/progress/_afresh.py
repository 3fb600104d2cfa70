"""Why a batch begins afresh: said at once, for what was sent of it already is sent again.

A vendor that cannot tell what became of a part costs the whole session, also after a kill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.cli._text import printable
from longshore.cli.progress._waits import kind_of

if TYPE_CHECKING:
    from longshore.pipeline import Event

__all__ = ["Afresh"]


class Afresh:
    """Remembers why parts failed, until their batch begins again."""

    def __init__(self) -> None:
        self._lost: dict[str, str] = {}  # batch -> why a part failed
        self._told: set[str] = set()

    def see(self, event: Event) -> str:
        """Take notice of an event; returns what is to be said at once: each reason, once."""
        from longshore.pipeline import DocumentFinished, StepEnded

        if isinstance(event, DocumentFinished):
            self._lost.pop(event.record.unit_id or "", None)
        elif isinstance(event, StepEnded) and event.verb == "send" and event.how == "failed":
            if event.error is not None:
                self._lost[event.unit_id] = event.error.message
        elif isinstance(event, StepEnded) and event.verb == "start" and event.how == "done":
            why = self._lost.pop(event.unit_id, "")
            if why and kind_of(why) not in self._told:
                self._told.add(kind_of(why))
                return printable(f"longshore: batch {event.unit_id} is sent afresh: {why}")
        return ""
