"""What one unit of work has sent so far, and whether anything of it is on its way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from longshore.transfer._port import Source

__all__ = ["Tally"]


@dataclass(slots=True)
class Tally:
    """Counts what leaves for one unit of work.

    Attributes:
        bytes_sent: bytes of documents in requests that were answered.
        requests: tries that left, or may have.
        retries: tries after the first of the same request.
        troubles: tries that did not go well, by kind.
        repeated: a try of the last exchange that may have arrived was followed by another.
        acted: a try of the last exchange is on its way, or did not surely come to nothing.
        idle: nothing is on its way: the next try waits for its time.
        patience: seconds for which the answer is waited for, where that must not get lost.
        progress: told document bytes as they leave, for a progress bar.
        retried: told why, and how long until the next try.
        again: called before another try; what it raises ends them.
        reading: the open documents of the last try.
    """

    bytes_sent: int = 0
    requests: int = 0
    retries: int = 0
    troubles: dict[str, int] = field(default_factory=dict)
    repeated: bool = False
    acted: bool = False
    idle: bool = False
    patience: float = 0.0
    progress: Callable[[int], None] = field(default=lambda _count: None)
    retried: Callable[[str, float], None] = field(default=lambda _why, _seconds: None)
    again: Callable[[], Awaitable[None]] | None = None
    reading: Collection[Source] = ()

    @property
    def waits(self) -> bool:
        """Nothing is lost by an end now: the next try waits for its time, or a document's store."""
        return self.idle or any(getattr(source, "waits", False) for source in self.reading)

    async def another(self) -> None:
        """Count another try, if it may be made."""
        self.retries += 1
        if self.again is not None:
            await self.again()
