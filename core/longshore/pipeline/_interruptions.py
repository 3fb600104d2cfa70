"""What ends a flow before it has its result."""

from __future__ import annotations

from longshore.lifecycle import Session

__all__ = ["Restart", "Suspended"]


class Suspended(Exception):
    """The flow is to be run again at a later time."""

    def __init__(self, at: float, why: str) -> None:
        super().__init__(why)
        self.at = at
        self.why = why


class Restart(Exception):
    """The session is given up; a fresh one is needed, ``after`` seconds at the earliest."""

    def __init__(
        self, why: str, *, blame: bool, abandon: Session | None = None, after: float = 0.0
    ) -> None:
        super().__init__(why)
        self.blame = blame
        self.abandon = abandon
        self.after = after
