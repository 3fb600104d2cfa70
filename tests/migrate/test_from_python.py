"""What the functions of Python say to a call that cannot work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from longshore.errors import LongshoreError, UsageError
from longshore.evaluate import compare
from longshore.migrate import migrate, resume_by_route, upload_by_route, verify

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
        (lambda: resume_by_route("4f1c2a9b"), "resume_by_route_async"),
        (lambda: verify("map.jsonl"), "verify_async"),
    ],
)
async def test_a_notebook_is_told_what_to_write(call: Callable[[], Any], instead: str) -> None:
    """It has an event loop already."""
    with pytest.raises(UsageError, match="an event loop runs here") as caught:
        call()
    assert f"await {instead}" in caught.value.hint


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: migrate("plangrep", "plangrep"), "from one target to another"),
        (lambda: migrate("plangrep", "geolens", run="r", manifest="m"), "a run or a manifest"),
        (lambda: migrate("plangrep", "geolens", manifest="m", since="7d"), "about earlier runs"),
        (lambda: migrate("plangrep", "geolens", limit=0), "limit: 0 is too small"),
        (lambda: migrate("plangrep", "geolens", run="r", since="soon"), "no run"),
        (lambda: migrate("plangrep", "geolens", manifest="gone.txt"), "the manifest gone.txt"),
        (lambda: compare("a.pdf", to=[]), "compare what?"),
        (lambda: compare("a.pdf", to=["plangrep"], repeat=0), "repeat: 0 is too small"),
        (lambda: compare("a.pdf", to=["plangrep"] * 2), "named twice"),
    ],
)
def test_a_call_that_cannot_work_is_told_in_words_of_python_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[], Any], words: str
) -> None:
    """Nobody who writes Python has typed a flag."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("PLANGREP", "GEOLENS"):
        monkeypatch.setenv(f"LONGSHORE_{name}_API_KEY", "k")
        monkeypatch.setenv(f"LONGSHORE_{name}_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LONGSHORE_PLANGREP_PROJECT_ID", "p")
    with pytest.raises(LongshoreError, match=words) as caught:
        call()
    assert "--" not in caught.value.message + (caught.value.hint or "")
