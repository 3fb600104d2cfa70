"""What the functions of Python say to a call that cannot work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from longshore.errors import UsageError
from longshore.migrate import migrate, upload_by_route, verify

CALLS: dict[str, Callable[..., Any]] = {
    "migrate": lambda **options: migrate("plangrep", "geolens", **options),
    "upload_by_route": lambda **options: upload_by_route("a.pdf", "split", **options),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"part_sise": 3}, "there is no option 'part_sise'"),
        ({"concurrency": 0}, "concurrency: 0 is too small"),
        ({"bwlimit": "fast"}, "bwlimit: "),
    ],
)
def test_an_option_that_means_nothing_is_told(
    tmp_path: Path, name: str, options: dict[str, Any], words: str
) -> None:
    """Before a journal is opened."""
    journal = tmp_path / "journal.db"
    with pytest.raises(UsageError, match=words):
        CALLS[name](journal=journal, **options)
    assert not journal.exists()


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (CALLS["migrate"], "migrate_async"),
        (CALLS["upload_by_route"], "upload_by_route_async"),
        (lambda: verify("map.jsonl"), "verify_async"),
    ],
)
async def test_a_notebook_is_told_what_to_write(call: Callable[[], Any], instead: str) -> None:
    """It has an event loop already."""
    with pytest.raises(UsageError, match="an event loop runs here") as caught:
        call()
    assert f"await {instead}" in caught.value.hint
