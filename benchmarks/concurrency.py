"""How many requests are in flight, over time, on networks that exist only in virtual time."""

from __future__ import annotations

from benchmarks._measure import Bench
from benchmarks._result import Curve, Result
from tests.transfer.network import MIB, Network

__all__ = ["run"]

_PART = 8 * MIB


def run(_bench: Bench) -> Result:
    """Draw the curve for a few kinds of network; the tests hold the controller to them."""
    patient = Network(lambda _flying: 0.05)
    narrow = Network(lambda flying: flying * _PART / 100e6)
    shared = Network(lambda flying: _PART / min(10e6, 80e6 / flying))
    strict = Network(lambda _flying: 0.05, refuses_above=10)
    carried = {
        "50 ms an answer, whatever else is under way": (patient, patient.carry(3000)),
        "a line of 100 MB/s, parts of 8 MiB": (narrow, narrow.carry(150, _PART)),
        "10 MB/s a connection, 80 MB/s in all": (shared, shared.carry(300, _PART)),
        "50 ms an answer, 429 above ten at once": (strict, strict.carry(3000)),
    }
    result = Result(
        "concurrency",
        "How many requests at once",
        "Computed: requests on a network in virtual time, at most 64 at once.",
        ["network", "requests", "seconds", "at the end", "429"],
    )
    for label, (network, seconds) in carried.items():
        last = network.levels[-1]
        result.rows.append([label, len(network.levels), seconds, last, network.refused])
        points = [(at / seconds, level) for at, level in network.curve]
        result.curves.append(
            Curve(
                "Requests in flight",
                label,
                "share of the time that has passed",
                "requests in flight",
                points,
                log=False,
            )
        )
    return result
