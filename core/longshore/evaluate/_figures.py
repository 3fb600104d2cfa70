"""Figures of a target, out of its rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from longshore.evaluate._rows import Row

__all__ = ["TROUBLES", "Figures", "Spread", "figures_of", "quantile"]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the (sorted) values lies, interpolated."""
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are spread."""

    count: int
    least: float
    p25: float
    median: float
    p75: float
    p90: float
    p95: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """Sum values up; None where there are none."""
        known = sorted(value for value in values if value is not None)
        if not known:
            return None
        return cls(
            count=len(known),
            least=known[0],
            p25=quantile(known, 0.25),
            median=quantile(known, 0.5),
            p75=quantile(known, 0.75),
            p90=quantile(known, 0.9),
            p95=quantile(known, 0.95),
            most=known[-1],
        )


@dataclass(slots=True)
class Figures:
    """What a target did with the documents that it takes.

    Counts are over all rounds. Times are those of documents that succeeded and were not
    interrupted by us.

    Attributes:
        documents: that it takes, times rounds.
        refused: that its limits keep out, times rounds; in no other figure.
        outcomes: outcome -> documents.
        to_accepted: seconds from the first request until the vendor had a job.
        to_done: seconds from the first request to the end of the job.
        vendor_queued: seconds, by the vendor's clock.
        vendor_processing: seconds, by the vendor's clock.
        rate: bytes a second while sending.
        rounds: the median of ``to_done`` in each round.
        wobble: how far the rounds of one document lie apart, as a share of their middle: median.
        errors: error kind -> documents.
        troubles: what went wrong on the way, kind -> requests.
        requests: all of them.
        retries: of those.
        bytes_sent: bytes of documents, repetitions included.
        pages: that the vendor counted; None where it does not say.
        credits: that it debited; None where it does not say.
        results: documents whose result was fetched.
        result_bytes: bytes of the raw replies.
    """

    documents: int = 0
    refused: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    to_accepted: Spread | None = None
    to_done: Spread | None = None
    vendor_queued: Spread | None = None
    vendor_processing: Spread | None = None
    rate: Spread | None = None
    rounds: tuple[float | None, ...] = ()
    wobble: float | None = None
    errors: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    retries: int = 0
    bytes_sent: int = 0
    pages: int | None = None
    credits: float | None = None
    results: int = 0
    result_bytes: int = 0

    @property
    def succeeded(self) -> float | None:
        """The share of its documents that succeeded; None where none came to an end.

        A vendor that was down, or refused the key, has not failed at any document.
        """
        none_ended = self.documents == self.outcomes["running"]
        return None if none_ended else self.outcomes["succeeded"] / self.documents

    @property
    def succeeded_within(self) -> tuple[float, float] | None:
        """Where that share would lie over many more such documents, in 95 of 100 cases.

        Wilson's interval. It takes the documents as independent of each other; those of one
        submission are not.
        """
        share, count = self.succeeded, self.documents
        if share is None:
            return None
        z = 1.96
        middle = (share + z * z / (2 * count)) / (1 + z * z / count)
        half = (
            z
            / (1 + z * z / count)
            * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
        )
        return max(middle - half, 0.0), min(middle + half, 1.0)


TROUBLES = ("throttled", "client_errors", "server_errors", "not_sent", "lost_answers")


def figures_of(rows: Iterable[Row]) -> Figures:
    """Sum up the rows of one target."""
    every = list(rows)
    taken = [row for row in every if row.taken]
    timed = [row for row in taken if row.timed]
    # One row for each submission; one that knows the job's usage, if there is any.
    knowing = sorted(taken, key=lambda row: row.result_bytes is not None)
    batches = list({row.batch_id: row for row in knowing if row.batch_id}.values())
    jobs = [row for row in batches if row.timed]
    found = Figures(
        documents=len(taken),
        refused=len(every) - len(taken),
        outcomes=Counter(row.outcome for row in taken),
        to_accepted=Spread.of(row.seconds_to_accepted for row in timed),
        to_done=Spread.of(row.seconds_to_done for row in timed),
        vendor_queued=Spread.of(row.vendor_seconds_queued for row in timed),
        vendor_processing=Spread.of(row.vendor_seconds_processing for row in timed),
        rate=Spread.of(row.bytes_per_second for row in jobs),
        errors=Counter(row.error_kind for row in taken if row.error_kind),
        requests=sum(row.requests for row in batches),
        retries=sum(row.retries for row in batches),
        bytes_sent=sum(row.bytes_sent for row in batches),
        results=sum(row.results == "fetched" for row in taken),
        result_bytes=sum(row.result_bytes or 0 for row in batches),
    )
    for name in TROUBLES:
        if count := sum(getattr(row, name) for row in batches):
            found.troubles[name] = count
    pages = _total(batches, lambda row: row.usage_pages)
    found.pages = None if pages is None else round(pages)
    found.credits = _total(batches, lambda row: row.usage_credits)
    found.rounds = tuple(
        _middle(row.seconds_to_done for row in timed if row.round == round)
        for round in sorted({row.round for row in every})
    )
    found.wobble = _wobble(timed)
    return found


def _total(rows: Iterable[Row], of: Callable[[Row], float | None]) -> float | None:
    known = [value for value in map(of, rows) if value is not None]
    return sum(known) if known else None


def _middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _wobble(rows: Iterable[Row]) -> float | None:
    by_document: dict[int, list[float]] = {}
    for row in rows:
        if row.seconds_to_done is not None:
            by_document.setdefault(row.document, []).append(row.seconds_to_done)
    apart = [
        (max(times) - min(times)) / median(times)
        for times in by_document.values()
        if len(times) > 1 and median(times) > 0
    ]
    return median(apart) if apart else None
