"""The durable record: what survives a kill, and what a resume starts from."""

from __future__ import annotations

from longshore.journal._locks import journals_among
from longshore.journal._memory import MemoryJournal
from longshore.journal._pages import beside_units, documents_of, units_of, with_units
from longshore.journal._place import default_journal_path, is_missing
from longshore.journal._port import Journal
from longshore.journal._records import (
    Abandoned,
    ChangeDocument,
    ChangeUnit,
    ClaimJob,
    Counters,
    DocumentRecord,
    DropFacts,
    DropMail,
    ErrorInfo,
    Fact,
    FactKind,
    Message,
    PutFact,
    QueueAbort,
    RunRecord,
    Taken,
    UnitRecord,
    Write,
)
from longshore.journal._sqlite import SQLiteJournal, open_journal

__all__ = [
    "Abandoned", "ChangeDocument", "ChangeUnit", "ClaimJob", "Counters", "DocumentRecord",
    "DropFacts", "DropMail", "ErrorInfo", "Fact", "FactKind", "Journal", "MemoryJournal",
    "Message", "PutFact", "QueueAbort", "RunRecord", "SQLiteJournal", "Taken", "UnitRecord",
    "Write", "beside_units", "default_journal_path", "documents_of", "is_missing",
    "journals_among", "open_journal", "units_of", "with_units",
]  # fmt: skip
