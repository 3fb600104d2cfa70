"""What a provider can take, how it behaves, and how often it may be asked.

Limits are numbers, behaviours are words; both are read by the planner and the driver, and shown
by ``longshore providers show``. They are pure: known without asking the vendor.
"""

from __future__ import annotations

from typing import Literal

from longshore._model import Frozen

__all__ = ["Capabilities", "Limits", "PartRule", "PollSchedule", "Rate"]


class PartRule(Frozen):
    """How a document is cut into parts.

    Attributes:
        above: documents of more bytes than this go in parts, others whole.
        chosen_by: who says how long a part is: we ("client") or the vendor's reply ("vendor").
        default: part size in bytes when nothing else is asked for.
        minimum: least bytes of every part but the last.
        maximum: most bytes of a part.
        count: most parts of one document.
        aim: the number of parts above which they grow where nobody asked for a size; None: only
            where ``count`` makes them. Few large parts spare requests, many small ones spare
            bytes when one has to be sent again.
        ordered: parts must be sent one after another.
    """

    above: int = 0
    chosen_by: Literal["client", "vendor"] = "client"
    default: int = 8 * 2**20
    minimum: int = 1
    maximum: int | None = None
    count: int | None = None
    aim: int | None = None
    ordered: bool = False


class Limits(Frozen):
    """What the vendor takes; None means that no limit is documented.

    Attributes:
        documents_per_batch: files in one vendor submission.
        bytes_per_batch: bytes of all files of one submission.
        bytes_per_document: bytes of one file.
        min_bytes_per_document: 1 where the vendor refuses empty files.
        extensions: lower-case endings with their dot.
        media_types: for example ``application/pdf``.
        name_characters: length of a file name.
    """

    documents_per_batch: int | None = 1
    bytes_per_batch: int | None = None
    bytes_per_document: int | None = None
    min_bytes_per_document: int = 0
    extensions: frozenset[str] | None = None
    media_types: frozenset[str] | None = None
    name_characters: int | None = None


class Rate(Frozen):
    """At most ``requests`` in ``seconds``, counted over uploads and polls together."""

    requests: float
    seconds: float = 1.0

    def least_seconds(self, requests: int) -> float:
        """Return how long so many requests take."""
        return max(requests, 0) * self.seconds / self.requests


class PollSchedule(Frozen):
    """When a job is asked about, in seconds.

    Attributes:
        floor: never sooner than this after the last poll of the same job (the vendor's rule).
        interval: the usual pause.
        longest: the pause grows up to this while nothing changes.
        timeout: a job still running after this long is left as ``running``; None: never.
    """

    floor: float = 0.0
    interval: float = 5.0
    longest: float = 30.0
    timeout: float | None = None


class Capabilities(Frozen):
    """All that the core needs to know about a vendor in advance.

    Attributes:
        limits: what it takes.
        parts: how large documents are cut; None when they always travel whole.
        rate: the documented request rate; None when none is documented.
        read_rate: the rate of requests that only read, where the vendor counts those apart; then
            ``rate`` is that of the others.
        polls: the poll schedule.
        concurrency: requests in flight by default.
        idempotency_window: seconds for which the vendor honours a repeated key.
        wants_sha256: the digest must be known before ``start``.
        provisional: the limits on single documents are only the usual ones; the vendor tells its
            own in ``prepare``, and until then no document is refused by these.
        behaviours: sentences for people: what the vendor does that a user should know.
        credits: what a document costs, in the vendor's words; "" where it does not say.
    """

    limits: Limits = Limits()
    parts: PartRule | None = None
    rate: Rate | None = None
    read_rate: Rate | None = None
    polls: PollSchedule = PollSchedule()
    concurrency: int = 8
    idempotency_window: float = 86_400.0
    wants_sha256: bool = False
    provisional: bool = False
    behaviours: tuple[str, ...] = ()
    credits: str = ""

    def for_upload(self) -> Capabilities:
        """What a document may be refused by before the vendor was asked."""
        if not self.provisional:
            return self
        limits = self.limits.model_copy(
            update={"bytes_per_document": None, "extensions": None, "media_types": None}
        )
        return self.model_copy(update={"limits": limits})

    def least_seconds(self, writes: int, requests: int) -> float | None:
        """Return how long requests take at the documented rates; None where none is.

        Args:
            writes: those that do not only read.
            requests: all of them.
        """
        if self.rate is None:
            return None
        if self.read_rate is None:
            return self.rate.least_seconds(requests)
        reads = self.read_rate.least_seconds(requests - writes)
        return max(self.rate.least_seconds(writes), reads)
