"""Documents that a target already took from us, by their content: ``--skip-existing``."""

from __future__ import annotations

from dataclasses import dataclass, field

from longshore.documents import Document, SourceFile, sha256_file
from longshore.errors import SourceUnreadable
from longshore.journal import Journal, RunRecord
from longshore.lifecycle import Outcome
from longshore.targets import REFRESHED

__all__ = ["Existing"]


@dataclass(slots=True)
class Existing:
    """What succeeded in earlier runs of this journal, with the same provider and settings.

    Settings that only say how to talk to the vendor may differ. Documents that were sent without
    a checksum are not known here. It holds 32 bytes for each document that succeeded.

    Attributes:
        digests: size -> SHA-256 of the documents of this size.
    """

    digests: dict[int, set[bytes]] = field(default_factory=dict)

    @classmethod
    async def of(cls, journal: Journal, run: RunRecord) -> Existing:
        """Read the journal for what the target of a run took before."""
        made = cls()
        for earlier in await journal.runs():
            if _place(earlier) == _place(run):
                await made._read(journal, earlier)
        return made

    async def _read(self, journal: Journal, run: RunRecord) -> None:
        after = -1
        while page := await journal.documents(run.id, after=after):
            after = page[-1][0]
            for _, record in page:
                document = record.document
                if record.outcome is Outcome.SUCCEEDED and document.sha256:
                    digest = bytes.fromhex(document.sha256)
                    self.digests.setdefault(document.size, set()).add(digest)

    def has(self, document: Document) -> bool:
        """Tell whether these bytes are known; hashes the file only if a known one has its size.

        Raises:
            DocumentError: it cannot be read.
        """
        known = self.digests.get(document.size)
        if not known:
            return False
        try:
            digest = sha256_file(document.source)
        except OSError as error:
            raise SourceUnreadable(f"{document.source}: {error.strerror}") from error
        with SourceFile(document) as source:
            source.check()
        return bytes.fromhex(digest) in known


def _place(run: RunRecord) -> tuple[object, ...]:
    settings = {name: value for name, value in run.settings.items() if name not in REFRESHED}
    return run.provider, run.account, settings
