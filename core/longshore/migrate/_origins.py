"""The documents of earlier runs, as the journal knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from longshore.documents import Document
from longshore.journal import DocumentRecord, Journal, RunRecord, with_units
from longshore.lifecycle import Outcome
from longshore.migrate._identity import Identity, Key, Origin, key_of, shown_source

__all__ = ["Origins", "carried_before", "may_be_there"]

_MAY_BE_THERE = (
    Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.RUNNING, Outcome.NEEDS_ACTION, Outcome.UNKNOWN,
)  # fmt: skip


@dataclass(slots=True)
class Origins:
    """Documents of earlier runs to one target; of those that are the same, the latest.

    Attributes:
        by_key: in the order in which they were carried.
    """

    by_key: dict[Key, Origin] = field(default_factory=dict)
    _by_source: dict[str, list[Origin]] = field(default_factory=dict)
    _by_digest: dict[str, Origin] = field(default_factory=dict)

    @classmethod
    async def of(cls, journal: Journal, runs: Iterable[RunRecord], *, whole: bool) -> Origins:
        """Read runs, oldest first.

        Args:
            journal: the durable record.
            runs: which ones.
            whole: all their documents; otherwise only those that succeeded.
        """
        made = cls()
        for run in runs:
            async for record, unit in with_units(journal, run.id):
                if whole or record.outcome is Outcome.SUCCEEDED:
                    made._add(Origin(record.document, Identity.of(run, record, unit)))
        return made

    def _add(self, origin: Origin) -> None:
        source, digest = origin.key
        self.by_key.pop(origin.key, None)  # the latest also stands where the latest was carried
        self.by_key[origin.key] = origin
        self._by_source.setdefault(source, []).append(origin)
        if digest:
            self._by_digest[digest] = origin

    def find(self, document: Document) -> Origin | None:
        """Find what a document was when it was carried: by source and digest, else by either.

        A moved file is known by its digest. One without a digest, by its source, if that is clear.
        """
        found = self.by_key.get(key_of(document))
        if found is None and document.sha256:
            found = self._by_digest.get(document.sha256) or self._only(document, "")
        elif found is None:
            found = self._only(document, None)
        return found

    def _only(self, document: Document, digest: str | None) -> Origin | None:
        """Return the one origin of this source (with this digest, if one is given)."""
        same = self._by_source.get(shown_source(document.source), [])
        fitting = {o.key: o for o in same if digest is None or o.key[1] == digest}
        return next(iter(fitting.values())) if len(fitting) == 1 else None


def may_be_there(record: DocumentRecord) -> bool:
    """Tell whether the target of a document's run has it, or may have it."""
    return record.outcome in _MAY_BE_THERE


async def carried_before(journal: Journal, runs: Iterable[RunRecord]) -> Mapping[Key, str]:
    """Tell which documents these runs brought, or may have brought, to their target.

    Returns:
        Key -> the run.
    """
    found: dict[Key, str] = {}
    for run in runs:
        async for record, _ in with_units(journal, run.id):
            if may_be_there(record):
                found[key_of(record.document)] = run.id
    return found
