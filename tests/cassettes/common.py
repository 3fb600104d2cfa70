"""What the tables of scenarios share."""

from __future__ import annotations

from longshore.lifecycle import Outcome
from longshore.sandbox import Fault
from longshore.testing.samples import geojson, pdf, tiff

__all__ = ["CITY", "KEY", "MIB", "OPEN", "PLAN", "REFUSED", "SCAN", "SPEC", "grey", "throttled"]

KEY = "not-a-real-key"
MIB = 2**20

PLAN = ("plan.pdf", pdf("Ground floor", "First floor"))
SPEC = ("specification.pdf", pdf("Concrete works"))
CITY = ("city.geojson", geojson(("Town hall", 9.99, 53.55), ("Harbour", 9.97, 53.54)))
SCAN = ("scan.tif", tiff(64, 48))

OPEN = (Outcome.RUNNING,)
"""The account is stopped, so the document stays where it is and can be resumed."""

REFUSED = (Outcome.FAILED,)
"""The vendor refused this document, or this batch; others would go on."""


def grey(name: str, mebibytes: int, *, extra: int = 0) -> tuple[str, bytes]:
    """Return a TIFF (or what calls itself otherwise) of so many MiB of pixels and some bytes."""
    content = tiff(1024, 1024 * mebibytes)
    return name, content + bytes(extra)


def throttled(method: str, path: str) -> tuple[Fault, ...]:
    """Answer the first such call with 429: too many requests, come back in two seconds."""
    return (Fault(method=method, path=path, first=1, status=429, headers={"Retry-After": "2"}),)
