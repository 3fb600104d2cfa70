"""What a vendor read out of the documents, in one neutral shape that keeps the raw reply."""

from __future__ import annotations

from pydantic import Field, JsonValue

from longshore._model import Frozen

__all__ = ["Artifact", "DocumentResult", "FieldValue", "Place", "Results", "Table", "TextPiece"]


class Place(Frozen):
    """Where on a page: the page number from 1, and a box in the vendor's own unit."""

    page: int | None = None
    box: tuple[float, float, float, float] | None = None
    unit: str = ""


class FieldValue(Frozen):
    """A named value, with the vendor's confidence from 0 to 1 where it gives one."""

    name: str
    value: JsonValue
    confidence: float | None = None
    place: Place | None = None


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
    """Something to fetch: how to ask the vendor for it, and whether it needs the API key."""

    name: str
    url: str
    kind: str = ""
    signed: bool = False


class DocumentResult(Frozen):
    """The result for one document; ``name`` and ``vendor_id`` say which one."""

    name: str | None = None
    vendor_id: str | None = None
    pages: int | None = None
    fields: tuple[FieldValue, ...] = ()
    texts: tuple[TextPiece, ...] = ()
    tables: tuple[Table, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    warnings: tuple[str, ...] = ()


class Results(Frozen):
    """All results of a job.

    Attributes:
        documents: one entry per document that the vendor reports.
        usage: what the vendor says it cost or counted, such as pages and credits.
        warnings: about the job as a whole, also why something cannot be had.
        raw: the replies as they came.
    """

    documents: tuple[DocumentResult, ...] = ()
    usage: dict[str, JsonValue] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    raw: JsonValue = None
