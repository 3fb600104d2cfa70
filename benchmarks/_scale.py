"""How large the measured things are."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "TINY", "Scale"]

_MIB, _GIB = 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Scale:
    """The sizes of one run of the suite.

    Attributes:
        document: bytes of the document whose bytes are carried.
        large: bytes of the (sparse) one whose memory is compared with it.
        part: bytes of a part.
        small: documents of 16 KiB.
        bare: of those, how many the bare loop sends: its cost for each does not change.
        batch: documents in a full batch.
        queued: the numbers of documents whose cost is compared.
        late: documents for the vendor that answers late.
        manifest: lines of the manifest.
        polled: jobs that are polled.
        interval: seconds between two polls of a job.
        watched: seconds in which their polls are counted.
        sizes: bytes of the documents of a curve.
        counts: documents of a curve.
        planned: lines of manifests of a curve.
        at_once: requests in flight of a curve.
        starts: turns of each command, at least.
    """

    document: int
    large: int
    part: int
    small: int
    bare: int
    batch: int
    queued: tuple[int, int]
    late: int
    manifest: int
    polled: int
    interval: float
    watched: float
    sizes: tuple[int, ...]
    counts: tuple[int, ...]
    planned: tuple[int, ...]
    at_once: tuple[int, ...]
    starts: int


FULL = Scale(
    document=2 * _GIB,
    large=20 * _GIB,
    part=8 * _MIB,
    small=5_000,
    bare=500,
    batch=100,
    queued=(100, 10_000),
    late=1_280,
    manifest=1_000_000,
    polled=10_000,
    interval=30.0,
    watched=150.0,
    sizes=(*(_MIB << shift for shift in (0, 2, 4, 6, 8, 10, 12)), 20 * _GIB),
    counts=(1, 10, 100, 1_000, 10_000, 100_000, 1_000_000),
    planned=(1, 10, 100, 1_000, 10_000, 100_000, 1_000_000),
    at_once=(1, 2, 4, 8, 16, 32, 64),
    starts=5,
)
QUICK = Scale(
    document=256 * _MIB,
    large=1 * _GIB,
    part=8 * _MIB,
    small=400,
    bare=200,
    batch=100,
    queued=(100, 1_000),
    late=256,
    manifest=50_000,
    polled=300,
    interval=3.0,
    watched=6.0,
    sizes=tuple(_MIB << shift for shift in (0, 2, 4, 6, 8)),
    counts=(1, 10, 100, 1_000),
    planned=(1, 10, 100, 1_000, 10_000),
    at_once=(1, 4, 16, 64),
    starts=5,
)
TINY = Scale(
    document=12 * _MIB,
    large=24 * _MIB,
    part=6 * _MIB,
    small=4,
    bare=2,
    batch=2,
    queued=(2, 4),
    late=4,
    manifest=20,
    polled=4,
    interval=0.05,
    watched=0.2,
    sizes=(_MIB, 2 * _MIB),
    counts=(1, 2),
    planned=(1, 10),
    at_once=(1, 2),
    starts=1,
)
