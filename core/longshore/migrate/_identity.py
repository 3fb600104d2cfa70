"""Who a document is: at its source, at the vendor it comes from, at the one it goes to."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pydantic import JsonValue

from longshore.documents import Document
from longshore.journal import DocumentRecord, RunRecord, UnitRecord
from longshore.redaction import redact_text
from longshore.urls import is_absolute

__all__ = ["Identity", "Key", "Origin", "key_of", "shown_source"]

Key = tuple[str, str]
"""Source and SHA-256 ("" where none is known): what a line of the map is known by."""


@dataclass(frozen=True)  # no slots: they would take longer to put on a shelf and back
class Identity:
    """What one vendor calls a document.

    Attributes:
        target: the target's name.
        provider: the provider's.
        run_id: the run that carried it.
        batch_id: the batch that it travelled in.
        job_id: the vendor's job.
        document_id: the vendor's id of the document, where it gave one.
        state: how it stood when this was written.
    """

    target: str
    provider: str
    run_id: str
    batch_id: str | None = None
    job_id: str | None = None
    document_id: str | None = None
    state: str = ""

    @classmethod
    def of(cls, run: RunRecord, record: DocumentRecord, unit: UnitRecord | None) -> Identity:
        """Take it from the journal."""
        return cls(
            target=run.target,
            provider=run.provider,
            run_id=run.id,
            batch_id=record.unit_id,
            job_id=unit.job_id if unit else None,
            document_id=record.vendor_id,
            state=str(record.outcome),
        )

    def json(self) -> dict[str, JsonValue]:
        """Return it as the map shows it."""
        return asdict(self)


@dataclass(frozen=True)
class Origin:
    """A document that may be carried: as it was carried before, or as a manifest names it.

    Attributes:
        document: as it was then; of a manifest only ``source``, ``name`` and ``media_type`` count.
        at: what the vendor that it comes from calls it; None where the journal does not know.
    """

    document: Document
    at: Identity | None = None

    @property
    def key(self) -> Key:
        """Its place in the map."""
        return key_of(self.document)


def key_of(document: Document) -> Key:
    """Return the place of a document in the map."""
    return shown_source(document.source), document.sha256 or ""


def shown_source(source: str) -> str:
    """Write a source as it may be printed and kept: a URL without its credentials."""
    return redact_text(source) if is_absolute(source) else source
