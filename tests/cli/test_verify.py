"""``migrate verify``: what a map says, against what both vendors say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from tests.cli.conftest import Shore
from tests.cli.migrating import NEW, OLD, THERE, files, lines_of


def test_an_empty_map_is_told(shore: Shore) -> None:
    """Silence would look like success."""
    shore.file("map.jsonl", b"")
    ended = shore.run("migrate", "verify", "map.jsonl")
    assert (ended.code, ended.out) == (0, "")
    assert "map.jsonl names no document" in ended.err


def test_verify_finds_what_is_missing_and_what_is_there_twice(shore: Shore) -> None:
    """Missing: the vendor does not know the job. Twice: its list has another job of it."""
    shore.run("upload", *files(shore, 2), "--to", OLD)
    shore.run(*THERE, "--map", "map.jsonl")
    lines = lines_of(shore)  # in the order in which they ended
    shore.run("upload", lines[0]["name"], "--to", NEW)
    lines[1]["to"]["job_id"] = "dsj_gone"
    lines[1]["sha256"] = "0" * 64  # so that its real job is no second one of it
    (shore.folder / "map.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ended = shore.run("migrate", "verify", "map.jsonl", "--only-to", "--json")
    problems = {line["kind"]: line for line in ended.lines if line["event"] == "problem"}
    assert ended.code == 1
    assert problems.keys() == {"missing", "duplicated"}
    assert problems["missing"]["path"] == lines[1]["path"]
    assert problems["duplicated"]["path"] == lines[0]["path"]
    assert "this journal" in problems["duplicated"]["message"]


def test_verify_tells_what_a_vendor_gives_no_means_to_check(shore: Shore) -> None:
    """No list is documented for two of them: duplicates cannot be seen, and that is told."""
    shore.run("upload", *files(shore, 1), "--to", OLD)
    shore.run("migrate", "--from", OLD, "--to", "sendai", "--map", "map.jsonl")
    ended = shore.run("migrate", "verify", "map.jsonl", "--json")
    gaps = {line["target"]: line["not_checkable"] for line in ended.lines}
    assert ended.code == 0
    assert any("no list" in gap for gap in gaps["sendai"])
    assert all("no list" not in gap for gap in gaps[OLD])


def test_verify_asks_without_the_journal(shore: Shore) -> None:
    """Another journal does not know the runs: jobs are asked about, the rest cannot be checked."""
    shore.run("upload", *files(shore, 1), "--to", OLD)
    shore.run(*THERE, "--map", "map.jsonl")
    ended = shore.bare("migrate", "verify", "map.jsonl", "--journal", "other.db", "--json")
    assert (ended.code, (shore.folder / "other.db").exists()) == (0, False)
    assert [line["there"] for line in ended.lines] == [1, 1]
    assert all("not in this journal" in line["not_checkable"][0] for line in ended.lines)


def test_verify_is_two_when_a_vendor_cannot_be_asked(
    shore: Shore, trouble: Callable[..., object]
) -> None:
    """A refused key is no finding about the documents; the other vendor is asked all the same."""
    trouble([], "sendai.api_key=right", only="sendai")
    right, wrong = ("--set", "api_key=right"), ("--set", "sendai:api_key=wrong")
    shore.run("upload", *files(shore, 1), "--to", "sendai", *right)
    shore.run("migrate", "--from", "sendai", "--to", OLD, "--map", "map.jsonl")
    ended = shore.run("migrate", "verify", "map.jsonl", *wrong, "--json")
    there = {line["target"]: line["there"] for line in ended.lines}
    assert (ended.code, there) == (2, {OLD: 1, "sendai": 0})
    assert "401" in ended.err


def test_verify_tells_what_the_new_vendor_says_when_the_old_one_is_set_no_more(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers to many requests are not thrown away for a key that is gone."""
    shore.run("upload", *files(shore, 1), "--to", OLD)
    shore.run(*THERE, "--map", "map.jsonl")
    monkeypatch.delenv("LONGSHORE_PLANGREP_API_KEY")
    ended = shore.run("migrate", "verify", "map.jsonl", "--json")
    there = {line["target"]: line["there"] for line in ended.lines}
    assert (ended.code, there) == (2, {NEW: 1, OLD: 0})
    told = shore.run("migrate", "verify", "map.jsonl").out
    assert f"from {OLD}: could not be asked to the end, 0 documents are known" in told
    assert "LONGSHORE_PLANGREP_API_KEY" in ended.err


def test_verify_asks_about_each_job_where_the_list_cannot_be_read(
    shore: Shore, trouble: Callable[..., object]
) -> None:
    """That is a gap; the other findings, and the other vendor's, are told all the same."""
    trouble([{"path": "/v1/jobs", "method": "GET", "nth": [2], "status": 400}], only=NEW)
    shore.run("upload", *files(shore, 2), "--to", OLD)
    shore.run(*THERE, "--map", "map.jsonl")
    ended = shore.run("migrate", "verify", "map.jsonl", "--json")
    told = {line["target"]: line for line in ended.lines}
    assert (ended.code, [line["there"] for line in told.values()]) == (0, [2, 2])
    assert any("the list cannot be read" in gap for gap in told[NEW]["not_checkable"])


def test_verify_does_not_show_a_key_that_the_vendor_shows(
    shore: Shore, trouble: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks outside of any run; what it says is the same."""
    key = "quay-7-secret"
    shore.run("upload", *files(shore, 1), "--to", OLD)
    shore.run(*THERE, "--map", "map.jsonl")
    trouble([{"status": 401, "body": {"message": f"invalid {key}!"}}], only=NEW)
    monkeypatch.setenv("LONGSHORE_SUBWORKFLOW_API_KEY", key)
    address = os.environ["LONGSHORE_SUBWORKFLOW_BASE_URL"]
    ended = shore.run("migrate", "verify", "map.jsonl", "--set", f"{NEW}:base_url={address}")

    assert (ended.code, key in ended.err) == (2, False)
    assert "REDACTED" in ended.err
