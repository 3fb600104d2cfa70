"""What a user can say about a run, kept with it so that a resume knows."""

from __future__ import annotations

from typing import Literal

from longshore._model import Frozen
from longshore.units import ByteSize, Seconds

__all__ = ["RunOptions"]


class RunOptions(Frozen):
    """The options of one run.

    Attributes:
        concurrency: requests in flight; None: what the provider suggests.
        part_size: bytes of a part, where we choose it.
        batch_size: most documents in one vendor submission.
        bwlimit: bytes a second that may leave.
        wait: follow the jobs until they are over.
        strict: send nothing when a document is refused.
        checksum: compute a SHA-256 of every document.
        skip_existing: leave out documents that this target already took from us.
        on_unknown: after an unknown outcome: ``hold``, or ``resend`` at the risk of a double.
        max_failures: begin no new batch after so many failed documents.
        give_up_after: seconds without any answer of the vendor until the run ends.
    """

    concurrency: int | None = None
    part_size: ByteSize | None = None
    batch_size: int | None = None
    bwlimit: ByteSize | None = None
    wait: bool = True
    strict: bool = False
    checksum: bool = True
    skip_existing: bool = False
    on_unknown: Literal["hold", "resend"] = "hold"
    max_failures: int | None = None
    give_up_after: Seconds = 86_400.0
