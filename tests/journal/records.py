"""Records that the tests of the port put into a journal."""

from __future__ import annotations

import stat
from pathlib import Path

from longshore.documents import Document, Piece
from longshore.journal import (
    DocumentRecord,
    Fact,
    FactKind,
    Journal,
    PutFact,
    RunRecord,
    UnitRecord,
)
from longshore.lifecycle import Session, Transfer

RUN = RunRecord(id="run1", target="north", provider="sea", account="acme", created_at=10.5)


def unit(id: str, *, run: str = "run1", at: float = 0.0, settled: bool = False) -> UnitRecord:
    return UnitRecord(id=id, run_id=run, at=at, settled=settled)


def document(id: str, unit_id: str | None = None, *, run: str = "run1") -> DocumentRecord:
    described = Document(id=id, name=f"{id}.pdf", size=7)
    return DocumentRecord(document=described, run_id=run, unit_id=unit_id, path=f"in/{id}.pdf")


def fact(kind: FactKind, flow: str, name: str, value: object = None, attempt: int = 1) -> PutFact:
    return PutFact(Fact(kind, attempt, flow, name, value))  # type: ignore[arg-type]


def session(transfers: int) -> Session:
    """A session as a vendor gives it: a signed URL for each part."""
    return Session(
        transfers=tuple(
            Transfer(
                id=f"part-{number}",
                pieces=(Piece(document="d1", offset=number << 23, size=1 << 23),),
                number=number,
                url=f"https://s3.example/key?partNumber={number}&X-Amz-Signature={'0' * 600}",
            )
            for number in range(1, transfers + 1)
        ),
        data={"job_id": "j1"},
        secrets={"token": "t"},
    )


async def names(journal: Journal, unit_id: str) -> list[str]:
    found = (await journal.facts(unit_id)).facts
    return sorted(f"{fact.kind} {fact.flow} {fact.name}" for fact in found)


def mode(path: Path | str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)
