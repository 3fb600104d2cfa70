"""What a verb returns is looked at, so that a provider's mistake bears the provider's name."""

from __future__ import annotations

import re

import pytest

from longshore.errors import PluginError
from longshore.lifecycle import State, Status
from longshore.pipeline._requests import check_returned


@pytest.mark.parametrize(
    ("verb", "value", "words"),
    [
        ("send", "job_1", "send returns str, and not Receipt"),
        ("poll", {"status": "done"}, "poll returns dict, and not Status"),
        ("complete", None, "complete returns NoneType, and not Job"),
    ],
)
def test_another_type_is_named(verb: str, value: object, words: str) -> None:
    """With the verb, and with what belongs there."""
    with pytest.raises(PluginError, match=re.escape(words)):
        check_returned(verb, value)


def test_the_right_type_passes() -> None:
    """So does what nobody asks for by type."""
    check_returned("poll", Status(state=State.RUNNING, word="x"))
    check_returned("abort", None)
