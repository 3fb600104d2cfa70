"""``LONGSHORE_LOG=json``: each line on stderr is an object of JSON, and tells of the run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from longshore.cli._logs import logs
from tests.cli.conftest import Ended, Shore

Trouble = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def _structured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_LOG", "json")


def told(ended: Ended) -> list[dict[str, Any]]:
    """Return the objects on stderr."""
    return [json.loads(line) for line in ended.err.splitlines()]


def events(ended: Ended) -> list[str]:
    """Return the kinds of events on stderr."""
    return [line["event"] for line in told(ended) if "event" in line]


def test_a_run_is_logged_from_its_begin_to_its_end(shore: Shore) -> None:
    """With the fields of `--json`, and the run's id on each line of the run."""
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "sendai")
    lines = [line for line in told(ended) if line["logger"] == "longshore.run"]

    assert events(ended) == [
        "run_started", "job_accepted", "document_changed", "document", "run_finished",
    ]  # fmt: skip
    assert len({line["run_id"] for line in lines}) == 1
    assert {line["level"] for line in lines} == {"info"}
    assert lines[3]["path"] == "a.pdf"


def test_a_retry_is_logged_once_and_not_in_plain_words(
    empty_shore: Shore, trouble: Trouble
) -> None:
    """Also with --verbose, where people read a sentence of their own; steps come with it."""
    rule = {"method": "POST", "first": 1, "status": 429, "headers": {"Retry-After": "0"}}
    trouble([rule], only="sendai")
    path = empty_shore.file("a.pdf")
    ended = empty_shore.run("upload", path, "--to", "sendai", "--verbose")
    (retry,) = [line for line in told(ended) if line.get("event") == "retried"]

    assert (retry["level"], retry["why"]) == ("warning", "status 429")
    assert "step_ended" in events(ended)
    assert sum("again in" in line["message"] for line in told(ended)) == 1


def test_quiet_logs_nothing(shore: Shore) -> None:
    """As without structured logs."""
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "sendai", "--quiet")

    assert (ended.code, ended.err) == (0, "")


def test_what_a_command_says_itself_is_json_too(shore: Shore) -> None:
    """What to type next, errors with their hints, and calls that no command understands."""
    waiting = shore.run("upload", shore.file("review.pdf"), "--to", "sendai")
    failed = shore.run("status", "none")
    misread = shore.bare("upload", "--nope")

    assert "longshore actions" in told(waiting)[-1]["message"]
    assert [(line["level"], "hint" in line) for line in told(failed)] == [("error", True)]
    assert [line["hint"] for line in told(misread)] == ["longshore upload --help"]


def test_an_action_is_logged_as_part_of_its_run(shore: Shore) -> None:
    """Whoever watches sees who was asked, and what became of the document."""
    shore.run("upload", shore.file("blocked-logged.pdf"), "--to", "plangrep")
    (line, _) = shore.run("actions", "--json").lines
    ended = shore.run("act", line["vendor_job_id"], "cancel", "--verbose")
    (step,) = [found for found in told(ended) if found.get("verb") == "act"]

    assert (step["object"], step["run_id"]) == ("cancel", line["run_id"])
    assert events(ended)[0] == "run_started"
    assert events(ended)[-2:] == ["document", "run_finished"]


@pytest.mark.parametrize("verbose", [False, True])
def test_each_failed_try_of_an_exporter_is_only_told_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, verbose: bool
) -> None:
    """That telemetry could not be delivered is one line of our own; other warnings are shown."""
    monkeypatch.delenv("LONGSHORE_LOG")
    written: list[str] = []
    with logs(written.append, quiet=False, verbose=verbose):
        logging.getLogger("opentelemetry.exporter.otlp").error("tried in vain")
        logging.getLogger("opentelemetry.sdk").warning("a variable is wrong")
    assert written == [
        *["longshore: tried in vain"] * verbose,
        "longshore: a variable is wrong",
    ]
