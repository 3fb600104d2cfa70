"""What a vendor read out of the documents, in one neutral shape that keeps the raw reply."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue

from longshore._model import Frozen

__all__ = [
    "Artifact", "DocumentResult", "FieldValue", "Place", "Results", "Table", "TextPiece",
    "VendorTimes",
]  # fmt: skip


def _within(least: float, most: float) -> BeforeValidator:
    """Take numbers outside for not told: nobody loses a result by a NaN or the year 99999."""

    def checked(value: object) -> object:
        return value if not isinstance(value, int | float) or least <= value <= most else None

    return BeforeValidator(checked)


_FIGURES = _within(-1e15, 1e15)  # such that sums stay numbers
_Told = Annotated[float | None, _FIGURES]
_Count = Annotated[int | None, _FIGURES]
_Moment = Annotated[float | None, _within(0, 253_402_300_799)]  # 1970 to 9999


class Place(Frozen):
    """Where on a page: the page number from 1, and a box in the vendor's own unit."""

    page: _Count = None
    box: tuple[float, float, float, float] | None = None
    unit: str = ""


class FieldValue(Frozen):
    """A named value.

    Attributes:
        name: the vendor's name for it.
        value: as the vendor gives it.
        confidence: the vendor's, from 0 to 1, where it gives one.
        place: where on the page it was found.
        own: an id of the vendor's own: it says nothing about the document, nobody compares it.
    """

    name: str
    value: JsonValue
    confidence: _Told = None
    place: Place | None = None
    own: bool = False


class TextPiece(Frozen):
    """A run of text."""

    text: str
    kind: str = ""
    place: Place | None = None


class Table(Frozen):
    """Rows of cells."""

    rows: tuple[tuple[str, ...], ...]
    place: Place | None = None


class Artifact(Frozen):
    """Something to fetch from the vendor with a GET.

    Attributes:
        name: for people.
        url: relative to the target's ``base_url``, or absolute.
        kind: the vendor's word for what it is.
        signed: the URL carries its own proof; the API key must not go with it.
        expires_at: seconds since the epoch, by the vendor's clock; None where it does not say.
    """

    name: str
    url: str
    kind: str = ""
    signed: bool = False
    expires_at: _Moment = None


class DocumentResult(Frozen):
    """The result for one document; ``name`` and ``vendor_id`` say which one."""

    name: str | None = None
    vendor_id: str | None = None
    pages: _Count = None
    fields: tuple[FieldValue, ...] = ()
    texts: tuple[TextPiece, ...] = ()
    tables: tuple[Table, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    warnings: tuple[str, ...] = ()


class VendorTimes(Frozen):
    """When a job was made, begun and ended: seconds since the epoch, by the vendor's clock."""

    created_at: _Moment = None
    started_at: _Moment = None
    finished_at: _Moment = None

    @classmethod
    def of(
        cls, created: object = None, started: object = None, finished: object = None
    ) -> VendorTimes:
        """Read times as vendors write them: ISO 8601 texts, or seconds since the epoch.

        What cannot be read, or is 0, counts as not told: nobody loses a result by it.
        """
        return cls(
            created_at=_moment(created), started_at=_moment(started), finished_at=_moment(finished)
        )

    @property
    def queued(self) -> float | None:
        """Seconds from the making of the job to its begin."""
        return _between(self.created_at, self.started_at)

    @property
    def processing(self) -> float | None:
        """Seconds from its begin to its end."""
        return _between(self.started_at, self.finished_at)

    @property
    def total(self) -> float | None:
        """Seconds from its making to its end."""
        return _between(self.created_at, self.finished_at)


def _between(first: float | None, last: float | None) -> float | None:
    return None if first is None or last is None else max(last - first, 0.0)


def _moment(value: object) -> float | None:
    if isinstance(value, bool) or not value:
        return None
    if isinstance(value, int | float):
        return value  # huge ones are no floats
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return read.replace(tzinfo=read.tzinfo or UTC).timestamp()


class Results(Frozen):
    """All results of a job.

    Attributes:
        documents: one entry per document that the vendor reports.
        usage: what the vendor says it cost or counted, in its own words.
        pages: how many pages it counted; None where it does not say.
        credits: what it debited; None where it does not say.
        times: when the job was made, begun and ended, as far as it says.
        warnings: about the job as a whole, also why something cannot be had.
        raw: the replies as they came.
    """

    documents: tuple[DocumentResult, ...] = ()
    usage: dict[str, JsonValue] = Field(default_factory=dict)
    pages: _Count = None
    credits: _Told = None
    times: VendorTimes = VendorTimes()
    warnings: tuple[str, ...] = ()
    raw: JsonValue = None
