"""Documents that a target already took from us, by their content: ``--skip-existing``."""

from __future__ import annotations

from dataclasses import dataclass, field

from longshore.documents import Document
from longshore.journal import DocumentRecord, Journal, RunRecord, documents_of
from longshore.lifecycle import Outcome
from longshore.sources import digest_of
from longshore.targets import REFRESHED

__all__ = ["Existing", "place_of"]


@dataclass(slots=True)
class Existing:
    """What earlier runs of this journal carried, with the same provider and settings.

    That is what succeeded, what the vendor has an open job for, and what it may have.

    Settings that only say how to talk to the vendor may differ. Documents that were sent without
    a checksum are not known here. It holds about 160 bytes for each such document.

    Attributes:
        sizes: of the documents: no other file needs to be hashed.
        digests: their SHA-256.
    """

    sizes: set[int] = field(default_factory=set)
    digests: set[bytes] = field(default_factory=set)

    @classmethod
    async def of(cls, journal: Journal, run: RunRecord) -> Existing:
        """Read the journal for what the target of a run took before."""
        made = cls()
        for earlier in await journal.runs():
            if place_of(earlier) == place_of(run):
                await made._read(journal, earlier)
        return made

    async def _read(self, journal: Journal, run: RunRecord) -> None:
        async for record in documents_of(journal, run.id):
            document = record.document
            if _took(record) and document.sha256:
                self.sizes.add(document.size)
                self.digests.add(bytes.fromhex(document.sha256))

    def digest(self, document: Document) -> str | None:
        """Return the SHA-256 of a document that is known here; None if it is not.

        Hashes the file only if a known one has its size.

        Raises:
            DocumentError: it cannot be read.
        """
        if document.size not in self.sizes:
            return None
        digest = digest_of(document)
        return digest if bytes.fromhex(digest) in self.digests else None


def _took(record: DocumentRecord) -> bool:
    """Tell whether the vendor has a document, or may have: nobody knows of the unknown ones.

    Sent again beside an open job, it would be read and billed twice.
    """
    if record.outcome in (Outcome.RUNNING, Outcome.NEEDS_ACTION):
        return record.parts > 0  # counted when the job was accepted
    return record.outcome in (Outcome.SUCCEEDED, Outcome.UNKNOWN)


def place_of(run: RunRecord) -> tuple[object, ...]:
    """Sum up where a run's documents go: what is the same place takes the same document once."""
    settings = {name: value for name, value in run.settings.items() if name not in REFRESHED}
    return run.provider, run.account, settings
