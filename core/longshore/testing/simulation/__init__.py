"""A deterministic simulator: the real engine, the vendors' pure cores, no time and no network.

``enumerate_points(case)`` plays a history with a crash or a lost answer at each single point and
holds the end of each against what Longshore promises.
"""

from __future__ import annotations

from longshore.testing.simulation._check import broken_promises
from longshore.testing.simulation._enumerate import Tally, enumerate_points, single_faults
from longshore.testing.simulation._history import Case, History, play
from longshore.testing.simulation._world import (
    Crash,
    Event,
    MemorySources,
    Plan,
    SimulatedJournal,
    SimulatedTransport,
    World,
    drive,
)

__all__ = [
    "Case", "Crash", "Event", "History", "MemorySources", "Plan", "SimulatedJournal",
    "SimulatedTransport", "Tally", "World", "broken_promises", "drive", "enumerate_points",
    "play", "single_faults",
]  # fmt: skip
