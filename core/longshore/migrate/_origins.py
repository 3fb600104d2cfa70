"""The documents of earlier runs, as the journal knows them."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator

from longshore._shelf import Scratch
from longshore.documents import Document
from longshore.journal import DocumentRecord, Journal, RunRecord, documents_of, with_units
from longshore.lifecycle import Outcome
from longshore.migrate._identity import Identity, Key, Origin, key_of

__all__ = ["Carried", "Origins", "may_be_there"]

_MAY_BE_THERE = (
    Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.RUNNING, Outcome.NEEDS_ACTION, Outcome.UNKNOWN,
)  # fmt: skip


class Origins:
    """Documents of earlier runs to one target; of those that are the same, the latest.

    They come in the order in which they were carried. However many there are, they take no
    memory.
    """

    def __init__(self) -> None:
        self._scratch = Scratch(
            "CREATE TABLE origins (place INTEGER PRIMARY KEY, source TEXT, sha256 TEXT,"
            " origin BLOB, UNIQUE (source, sha256))",
            "CREATE INDEX by_digest ON origins (sha256)",
        )

    @classmethod
    async def of(cls, journal: Journal, runs: Iterable[RunRecord], *, whole: bool) -> Origins:
        """Read runs, oldest first.

        Args:
            journal: the durable record.
            runs: which ones.
            whole: all their documents; otherwise only those that succeeded.
        """

        def wanted(record: DocumentRecord) -> bool:
            return whole or record.outcome is Outcome.SUCCEEDED

        made = cls()
        for run in runs:
            async for record, unit in with_units(journal, run.id, wanted):
                made._add(Origin(record.document, Identity.of(run, record, unit)))
        return made

    def _add(self, origin: Origin) -> None:
        # a row that is replaced gets the last place: the latest stands where it was carried
        statement = "INSERT OR REPLACE INTO origins (source, sha256, origin) VALUES (?, ?, ?)"
        self._scratch.do(statement, *origin.key, pickle.dumps(origin))

    def __iter__(self) -> Iterator[Origin]:
        return self._found("TRUE ORDER BY place")

    def find(self, document: Document) -> Origin | None:
        """Find what a document was when it was carried: by source and digest, else by either.

        A moved file is known by its digest. One without a digest, by its source, if that is clear.
        """
        source, digest = key_of(document)
        same = "source = ? AND sha256 = ?"
        found = next(self._found(same, source, digest), None)
        if found is None and digest:
            by_digest = self._found("sha256 = ? ORDER BY place DESC LIMIT 1", digest)
            found = next(by_digest, None) or next(self._found(same, source, ""), None)
        elif found is None:
            several = list(self._found("source = ? LIMIT 2", source))
            found = several[0] if len(several) == 1 else None
        return found

    def _found(self, where: str, *values: object) -> Iterator[Origin]:
        query = f"SELECT origin FROM origins WHERE {where}"  # noqa: S608 - all of it is ours
        for (origin,) in self._scratch.rows(query, *values):
            yield pickle.loads(origin)  # noqa: S301 - nobody else can have written it


def may_be_there(record: DocumentRecord) -> bool:
    """Tell whether the target of a document's run has it, or may have it."""
    return record.outcome in _MAY_BE_THERE


class Carried:
    """The documents that some runs brought, or may have brought, to their target."""

    def __init__(self) -> None:
        self._scratch = Scratch(
            "CREATE TABLE there (sha256 TEXT, source TEXT, PRIMARY KEY (sha256, source))"
            " WITHOUT ROWID"
        )

    @classmethod
    async def by(cls, journal: Journal, runs: Iterable[RunRecord]) -> Carried:
        """Read runs."""
        made = cls()
        for run in runs:
            async for record in documents_of(journal, run.id):
                if may_be_there(record):
                    made.add(key_of(record.document))
        return made

    def add(self, key: Key) -> None:
        """Remember a document."""
        source, digest = key
        self._scratch.do("INSERT OR IGNORE INTO there VALUES (?, ?)", digest, source)

    def __contains__(self, key: Key) -> bool:
        source, digest = key
        query = "SELECT 1 FROM there WHERE sha256 = ? AND source = ?"
        return self._scratch.first(query, digest, source) is not None

    def has(self, digest: str | None) -> bool:
        """Tell whether a document of this digest is there, from whatever place."""
        query = "SELECT 1 FROM there WHERE sha256 = ?"
        return bool(digest) and self._scratch.first(query, digest) is not None
