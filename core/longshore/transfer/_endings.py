"""How one try of a request ended, and what that says by itself."""

from __future__ import annotations

from typing import TypeAlias

from longshore.provider import Response
from longshore.transfer._port import AnswerLost, NotSent

__all__ = ["Ending", "came_to_nothing", "may_have_acted", "trouble_of", "why_of"]

Ending: TypeAlias = Response | NotSent | AnswerLost
"""An answer, or one of the two ways in which there is none."""


def may_have_acted(ending: Ending) -> bool:
    """Tell whether a try that is repeated may have made the vendor work all the same."""
    if isinstance(ending, Response):
        return ending.status >= 500 or ending.status == 408
    return isinstance(ending, AnswerLost)


def came_to_nothing(ending: Ending) -> bool:
    """Tell whether a try surely did nothing at the vendor."""
    return isinstance(ending, NotSent) or (isinstance(ending, Response) and ending.status == 429)


def why_of(ending: Ending) -> str:
    """Say in a few words how a try ended."""
    if isinstance(ending, Response):
        return f"status {ending.status}"
    return str(ending) or type(ending).__name__


def trouble_of(ending: Ending) -> str | None:
    """Return the word under which a try that did not go well is counted."""
    if isinstance(ending, Response):
        return str(ending.status) if ending.status >= 400 else None
    return "not_sent" if isinstance(ending, NotSent) else "answer_lost"
