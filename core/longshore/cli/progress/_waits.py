"""What batches wait for: said at once where it takes a while, and in the line on how far a run is.

After a crash it may be minutes until the vendor can be asked what became of a request.
"""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from longshore.cli._text import printable

if TYPE_CHECKING:
    from longshore.pipeline import Event, StepEnded

__all__ = ["Waits", "kind_of"]

LONG = 5.0
"""Seconds of a wait from which on people are told of it at once."""

_IDS = re.compile(r"\S*\d\S*")
"""What differs where many batches wait for the same: a reason may name the vendor's job."""


class Waits:
    """Remembers which steps wait."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, dict[tuple[str, str], StepEnded]] = defaultdict(dict)
        self._told: set[str] = set()

    def see(self, event: Event) -> str:
        """Take notice of an event; returns what is to be said at once: each reason, once."""
        from longshore.pipeline import DocumentFinished, StepEnded

        if isinstance(event, DocumentFinished):
            self._waiting.pop(event.record.unit_id or "", None)
        elif isinstance(event, StepEnded) and event.how == "waiting":
            self._waiting[event.unit_id][event.verb, event.object] = event
            return self._first_of(event)
        elif isinstance(event, StepEnded) and event.unit_id in self._waiting:
            self._ended(event)
        return ""

    def _ended(self, event: StepEnded) -> None:
        steps = self._waiting[event.unit_id]
        steps.pop((event.verb, event.object), None)
        if not steps or event.verb == "conclude":
            del self._waiting[event.unit_id]

    def _first_of(self, event: StepEnded) -> str:
        why, seconds = _why(event), (event.until or 0.0) - event.ended
        if seconds < LONG or kind_of(why) in self._told:
            return ""
        self._told.add(kind_of(why))
        who = event.verb if event.verb == "prepare" else f"batch {event.unit_id}"
        return f"longshore: {who} waits{_until(event)}: {why}"

    def text(self) -> str:
        """Say what is waited for, most often and longest: ``3 wait until 14:03:20: ...``."""
        reasons: defaultdict[str, list[StepEnded]] = defaultdict(list)
        for steps in list(self._waiting.values()):  # copies: the bars ask in a thread of their own
            for event in list(steps.values()):
                reasons[kind_of(_why(event))].append(event)
        if not reasons:
            return ""
        kind, events = max(reasons.items(), key=lambda reason: len(reason[1]))
        last = max(events, key=lambda event: event.until or 0.0)
        why = kind if len({_why(event) for event in events}) > 1 else _why(last)
        return f"{len(events)} {'waits' if len(events) == 1 else 'wait'}{_until(last)}: {why}"


def _why(event: StepEnded) -> str:
    return printable(event.error.message) if event.error is not None else event.verb


def kind_of(why: str) -> str:
    """Return a reason without what differs from batch to batch."""
    return _IDS.sub("…", why)


def _until(event: StepEnded) -> str:
    from datetime import datetime

    if event.until is None:
        return ""
    with suppress(OverflowError, ValueError, OSError):  # a plugin may ask for any pause
        return datetime.fromtimestamp(event.until).astimezone().strftime(" until %H:%M:%S")
    return ""
