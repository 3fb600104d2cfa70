"""The base of all records."""

from __future__ import annotations

import tracemalloc

import pytest
from pydantic import ValidationError

from longshore.documents import Piece
from longshore.journal import Counters, UnitRecord
from longshore.lifecycle import Outcome, Receipt, Session, Transfer


def test_a_changed_copy_is_that_of_pydantic() -> None:
    """Equal and of equal JSON; all share one set of fields; and the first stays as it was."""
    record = UnitRecord(id="b", run_id="r", seconds={"send": 1.0})
    changes = {"outcome": Outcome.FAILED, "counters": Counters(requests=3), "at": 5.0}
    changed, expected = record.changed(changes), record.model_copy(update=changes)
    assert changed == expected
    assert changed.model_dump_json() == expected.model_dump_json()
    assert changed.model_fields_set == set(UnitRecord.model_fields)
    assert changed.model_fields_set is changed.changed({"at": 6.0}).model_fields_set
    assert UnitRecord.model_validate_json(changed.model_dump_json()) == changed
    assert (record.outcome, record.at) == (Outcome.RUNNING, 0.0)


def test_a_changed_copy_is_immutable_too() -> None:
    """Nobody changes a record in place."""
    changed = UnitRecord(id="b", run_id="r").changed({"at": 5.0})
    with pytest.raises(ValidationError, match="frozen"):
        changed.at = 6.0  # type: ignore[misc]


def test_a_part_and_its_receipt_need_little_memory() -> None:
    """20 GiB are 2,560 parts, and all of them are held."""

    def part(number: int) -> tuple[Transfer, Receipt]:
        piece = Piece(document="d", offset=number << 23, size=1 << 23)
        transfer = Transfer(id=f"part-{number}", pieces=(piece,), number=number)
        return transfer, transfer.receipt(f"etag-{number}")

    part(0)  # what is made once
    tracemalloc.start()
    parts = [part(number) for number in range(1000)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / len(parts) < 1_800


def test_what_is_held_thousands_of_times_is_a_model_like_others() -> None:
    """Equal, of equal JSON; a copy with other values leaves the first one alone."""
    piece = Piece(document="d", offset=0, size=5)
    transfer = Transfer(id="p", pieces=(piece,))
    assert Transfer.model_validate_json(transfer.model_dump_json()) == transfer
    changed = transfer.model_copy(update={"number": 2})
    assert (changed.number, transfer.number, changed.pieces) == (2, 1, (piece,))
    assert Transfer(id="p", pieces=(piece,), number=1) == transfer


def test_a_session_that_cannot_be_made_does_not_show_its_secrets() -> None:
    """A provider's mistake is told in words, and pydantic's would repeat what it was given."""
    with pytest.raises(ValidationError) as caught:
        Session.model_validate({"transfers": (), "secrets": {"upload": ["hunter2abc"]}})
    assert "secrets.upload" in str(caught.value)
    assert "hunter2abc" not in str(caught.value)
