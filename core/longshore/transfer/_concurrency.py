"""How many requests of a target are in flight at once: as many as bring something.

It begins low and doubles while each doubling brings more throughput, then keeps the level that
was best and tries one more now and then. A 429 or a time-out halves it. Nothing here knows the
network: it only sees requests begin and end.

Networks and machines hiccup, so one slow moment proves nothing: a level is given up only when it
brought nothing several times in a row, and no throughput is believed that was seen in less time
than a request takes.
"""

from __future__ import annotations

from typing import NamedTuple

from longshore.transfer._port import Clock

__all__ = ["Concurrency", "Flight"]

_FIRST = 4
_WORTH = 1.1  # a higher level is kept when it brings a tenth more
_WINDOW = 2  # a level is judged after so many requests for each that is in flight
_REQUEST = 64 << 10  # bytes that a request without a body counts for
_PATIENCE = (4, 64)  # windows until the next try of a higher level; doubles in vain
_FORGET = 0.98  # how much of the best throughput is still believed in the next window
_DOUBTS = 3  # windows in a row in which a higher level brings nothing, until it is given up


class Flight(NamedTuple):
    """A request on its way: when it left, and how often the level had been halved by then."""

    at: float
    halvings: int


class Concurrency:
    """Says how many requests may be in flight.

    Args:
        clock: the engine's.
        most: never more than these.

    Attributes:
        level: how many may be in flight now.
    """

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = max(most, 1)
        self.level = min(_FIRST, self._most)
        self._kept = self.level  # the level that was best
        self._crowd = self._most + 1  # the level that was too many
        self._best = 0.0
        self._doubling = True
        self._patience = _PATIENCE[0]
        self._windows = 0  # since a higher level was tried
        self._doubts = 0
        self._halvings = 0
        self._open_window()

    def full(self) -> None:
        """There is more to do than may be in flight now; without that nothing is learnt."""
        self._full = True

    def began(self) -> Flight:
        """A request leaves; returns what is wanted when it ends."""
        return Flight(self._clock.now(), self._halvings)

    def ended(self, flight: Flight, size: int) -> None:
        """A request was answered; ``size`` bytes of documents went with it."""
        self._done += 1
        self._work += size + _REQUEST
        now = self._clock.now()
        enough = self._done >= (1 if self._doubling else _WINDOW) * self.level
        # Several answers of earlier requests in one moment would look like a great throughput.
        if not enough or flight.at < self._since or now <= self._since:
            return
        if self._full:
            self._judge(self._work / (now - self._since))
        self._open_window()

    def crowded(self, flight: Flight) -> None:
        """A request had a 429 or no answer in time: there may have been too many at once.

        Those that were in flight together halve the level only once.
        """
        if flight.halvings < self._halvings:
            return
        self._halvings += 1
        self._doubling = False
        self._best, self._windows, self._doubts = 0.0, 0, 0
        self._crowd = max(self.level, 2)
        self._patience = min(self._patience * 2, _PATIENCE[1])
        self.level = self._kept = max(self.level // 2, 1)
        self._open_window()

    def _open_window(self) -> None:
        self._done = self._work = 0
        self._full = False
        self._since = self._clock.now()

    def _judge(self, rate: float) -> None:
        trying = self.level > self._kept or not self._best
        self._best *= _FORGET
        if trying and rate >= self._best * _WORTH:
            self._best, self._kept, self._doubts = rate, self.level, 0
            self._rise()
        elif trying and self._doubts + 1 < _DOUBTS:
            self._doubts += 1
        elif trying:
            self._doubling = False
            self.level, self._windows, self._doubts = self._kept, 0, 0
            self._patience = min(self._patience * 2, _PATIENCE[1])
        else:
            self._best = max(self._best, rate)
            self._windows += 1
            if self._windows >= self._patience:
                self._crowd = max(self._crowd, self.level + 2)  # what was too many may not be now
                self._rise()

    def _rise(self) -> None:
        step = self.level if self._doubling else max(self.level // 4, 1)
        self._windows = 0
        self.level = min(self.level + step, self._most, self._crowd - 1)
