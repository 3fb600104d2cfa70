"""A journal that is not there: a slip of the pen makes none, and a first start is no mistake."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from tests.cli.conftest import Shore

NAMED = ("--journal", "runs/typo.db")

GO_ON = [
    ("status",), ("status", "4f1c2a9b"), ("watch",), ("actions",), ("act", "job_1", "retry"),
    ("resume", "4f1c2a9b"), ("rerun", "4f1c2a9b", "--failed"), ("cancel", "4f1c2a9b"),
    ("forget", "4f1c2a9b"), ("gc",), ("migrate", "--from", "sendai", "--to", "plangrep"),
]  # fmt: skip


@pytest.mark.parametrize("words", GO_ON, ids=" ".join)
def test_who_goes_on_with_a_journal_makes_none(empty_shore: Shore, words: tuple[str, ...]) -> None:
    """2 and what to do, also for scripts; an empty file would look like one that lost its runs."""
    ended = empty_shore.bare(*words, "--json", *NAMED)
    error, hint = ended.err.splitlines()
    assert (ended.code, ended.out) == (2, "")
    assert error == "longshore: there is no journal runs/typo.db"
    assert hint.startswith("hint: check --journal; ")
    assert list(empty_shore.folder.iterdir()) == []


def test_a_service_resumes_at_its_first_start(empty_shore: Shore) -> None:
    """There is nothing to resume: a line and 0, and an upload makes the journal later."""
    ended = empty_shore.bare("resume", "--json", *NAMED)
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "longshore: nothing to resume: no journal runs/typo.db yet\n"
    assert list(empty_shore.folder.iterdir()) == []


def test_in_the_usual_place_nothing_was_uploaded_yet(
    empty_shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks around first has made no mistake."""
    place = empty_shore.folder / "state"
    monkeypatch.setattr(platformdirs, "user_state_path", lambda *_, **__: place)
    ended = empty_shore.bare("status", "--json")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "longshore: the journal holds no runs\n"


def test_a_journal_whose_log_is_left_is_lost(empty_shore: Shore) -> None:
    """That is worse than a slip of the pen, and is said so."""
    Path(f"{empty_shore.journal}-wal").write_bytes(b"what the journal held")
    ended = empty_shore.run("status")
    assert ended.code == 2
    assert "what it held is lost" in ended.err


def test_a_plan_makes_no_journal(empty_shore: Shore) -> None:
    """A first upload may be planned before there is one: nothing exists at the vendor yet."""
    words = ("upload", empty_shore.file("a.pdf"), "--to", "sendai", "--dry-run")
    ended = empty_shore.bare(*words, "--skip-existing", "--json", *NAMED)
    assert (ended.code, ended.line("plan")["documents"]) == (0, 1)
    assert not (empty_shore.folder / "runs").exists()
