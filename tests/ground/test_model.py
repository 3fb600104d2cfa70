"""The base of all records."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from longshore.journal import Counters, UnitRecord
from longshore.lifecycle import Outcome


def test_a_changed_copy_is_that_of_pydantic() -> None:
    """Equal, of equal JSON, with the same fields set; and the first one stays as it was."""
    record = UnitRecord(id="b", run_id="r", seconds={"send": 1.0})
    changes = {"outcome": Outcome.FAILED, "counters": Counters(requests=3), "at": 5.0}
    changed, expected = record.changed(changes), record.model_copy(update=changes)
    assert changed == expected
    assert changed.model_dump_json() == expected.model_dump_json()
    assert changed.model_fields_set == expected.model_fields_set
    assert UnitRecord.model_validate_json(changed.model_dump_json()) == changed
    assert (record.outcome, record.at) == (Outcome.RUNNING, 0.0)


def test_a_changed_copy_is_immutable_too() -> None:
    """Nobody changes a record in place."""
    changed = UnitRecord(id="b", run_id="r").changed({"at": 5.0})
    with pytest.raises(ValidationError, match="frozen"):
        changed.at = 6.0  # type: ignore[misc]
