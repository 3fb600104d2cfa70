"""What bounds a run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a run.

    Attributes:
        concurrency: requests in flight.
        max_failures: begin no new batch after so many failed documents; None: no limit.
        give_up_after: seconds without any answer of the vendor until the run ends.
        strict: nothing goes when something is refused.
    """

    concurrency: int = 8
    max_failures: int | None = None
    give_up_after: float = 86_400.0
    strict: bool = False
