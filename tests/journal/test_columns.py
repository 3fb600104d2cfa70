"""What is searched has columns of its own: they say what the records say, whatever changes."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from longshore.documents import Document
from longshore.journal import (
    ChangeDocument,
    ChangeUnit,
    Counters,
    DocumentRecord,
    ErrorInfo,
    RunRecord,
    UnitRecord,
    Write,
    open_journal,
)
from longshore.lifecycle import Outcome

UNIT = UnitRecord(id="b1", run_id="run1")
DOCUMENT = DocumentRecord(
    document=Document(id="d1", name="a.pdf", size=1), run_id="run1", unit_id="b1", path="a.pdf"
)

outcomes = st.sampled_from(Outcome)
moments = st.floats(0, 2e9, allow_nan=False)
words = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
errors = st.none() | st.builds(
    ErrorInfo, kind=st.just("batch"), message=st.text("aü\n", max_size=5)
)
of_unit = st.fixed_dictionaries(
    {},
    optional={
        "attempt": st.integers(1, 9),
        "outcome": outcomes,
        "settled": st.booleans(),
        "at": moments,
        "job_id": words,
        "word": words,
        "error": errors,
        "counters": st.builds(Counters, bytes_sent=st.integers(0, 2**60)),
        "seconds": st.dictionaries(st.sampled_from(["send", "poll"]), moments),
    },
)
of_document = st.fixed_dictionaries(
    {},
    optional={"unit_id": st.sampled_from(["b1", "b2"]), "outcome": outcomes, "error": errors},
)


@settings(max_examples=40)
@given(st.lists(st.tuples(of_unit, of_document), max_size=6))
def test_columns_say_what_the_records_say(changes: list[tuple[dict[str, Any], ...]]) -> None:
    """And the records are those that the changes make of the first ones."""
    asyncio.run(_columns(changes))


async def _columns(changes: list[tuple[dict[str, Any], ...]]) -> None:
    unit, document = UNIT, DOCUMENT
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.db")
        async with open_journal(path) as journal:
            run = RunRecord(id="run1", target="north", provider="sea", account="acme")
            await journal.create_run(run)
            await journal.enqueue([UNIT, UnitRecord(id="b2", run_id="run1")], [DOCUMENT])
            for unit_changes, document_changes in changes:
                writes: list[Write] = [
                    ChangeUnit(unit_changes),
                    ChangeDocument("d1", document_changes),
                ]
                await journal.commit("b1", 0, writes)
                unit = unit.model_copy(update=unit_changes)
                document = document.model_copy(update=document_changes)
            assert await journal.unit("b1") == unit
            assert await journal.documents("run1") == ((0, document),)
        with closing(sqlite3.connect(path)) as file:
            columns = "attempt, epoch, outcome, settled, at, job_id"
            (found,) = file.execute(f"SELECT {columns} FROM units WHERE id = 'b1'")
            assert found == tuple(getattr(unit, name) for name in columns.split(", "))
            (found,) = file.execute("SELECT unit_id, outcome FROM documents")
            assert found == (document.unit_id, document.outcome)
