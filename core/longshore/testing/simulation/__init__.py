"""A deterministic simulator: the real engine, the vendors' pure cores, no time and no network.

``enumerate_points(case)`` plays a history with each single thing that can go wrong,
``enumerate_pairs(case)`` with each of them and a crash afterwards, ``play(case, seed=7)`` one
with many steps at once in a seeded order and whatever chance brings. ``broken_promises`` holds
the end of each against what Longshore promises.
"""

from __future__ import annotations

from longshore.testing.simulation._case import Case
from longshore.testing.simulation._check import broken_promises
from longshore.testing.simulation._enumerate import (
    Tally,
    enumerate_pairs,
    enumerate_points,
    enumerate_seeds,
    shrink,
    single_faults,
)
from longshore.testing.simulation._faults import CORE, FAULTS, faults_at
from longshore.testing.simulation._history import History, play
from longshore.testing.simulation._journal import SimulatedJournal
from longshore.testing.simulation._sources import MemorySources
from longshore.testing.simulation._transport import SimulatedTransport
from longshore.testing.simulation._world import Crash, Event, Plan, World, drive

__all__ = [
    "CORE", "FAULTS", "Case", "Crash", "Event", "History", "MemorySources", "Plan",
    "SimulatedJournal", "SimulatedTransport", "Tally", "World", "broken_promises", "drive",
    "enumerate_pairs", "enumerate_points", "enumerate_seeds", "faults_at", "play", "shrink",
    "single_faults",
]  # fmt: skip
