"""What a vendor holds, where it documents a list: for finding what is there twice."""

from __future__ import annotations

from longshore._model import Frozen
from longshore.lifecycle import Status

__all__ = ["Holding", "Inventory"]


class Holding(Frozen):
    """One thing that the vendor works on, or has worked on.

    Sessions that were begun and never completed are none: nothing came of them.

    Attributes:
        job: the vendor's job; None where the list does not name it.
        document: the vendor's document; None where the list does not name it.
        reference: the reference that we gave (``Batch.reference``), where the vendor keeps it.
        name: the file name with its ending, where the vendor tells it.
        size: bytes, where the vendor tells them.
        status: how the job stands, where the list tells it.
    """

    job: str | None = None
    document: str | None = None
    reference: str | None = None
    name: str | None = None
    size: int | None = None
    status: Status | None = None


class Inventory(Frozen):
    """All that a documented list gave.

    Attributes:
        holdings: in any order.
        gaps: sentences about what the list does not hold, such as jobs that ended long ago.
    """

    holdings: tuple[Holding, ...] = ()
    gaps: tuple[str, ...] = ()
