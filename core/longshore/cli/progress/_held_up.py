"""What holds up the runs of several targets: the vendors' budgets, and steps that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.cli.progress._budget import Budget
from longshore.cli.progress._waits import Waits

if TYPE_CHECKING:
    from longshore.pipeline import Event
    from longshore.targets import Target

__all__ = ["HeldUp"]


class HeldUp:
    """Knows of each target whether its vendor's budget is spent, and of all what they wait for."""

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}
        self._waits = Waits()

    def expect(self, target: Target) -> None:
        """Take notice of what a target's vendor allows."""
        from longshore.pipeline import capabilities_of

        self._budgets.setdefault(target.name, Budget(capabilities_of(target.provider)))

    def see(self, target: str, event: Event) -> str:
        """Take notice of one event; returns what is to be said at once, if anything is."""
        from longshore.pipeline import StepEnded

        if isinstance(event, StepEnded) and target in self._budgets:
            self._budgets[target].add(event.requests, read=event.verb == "poll")
        return self._waits.see(event)

    def texts(self) -> list[str]:
        """Say why it does not go faster, if anything is known of that."""
        # A copy: the bars ask in a thread of their own.
        spent = ((name, budget.text()) for name, budget in list(self._budgets.items()))
        waits = self._waits.text()
        return [*(f"{name}: {text}" for name, text in spent if text), *([waits] if waits else [])]
