"""The one stream of events: complete, typed, and without secrets wherever it is written."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from longshore.cli._command import command
from longshore.cli._logs import logs
from longshore.errors import ConfigurationError, PluginError
from longshore.events import (
    BytesMoved,
    DocumentChanged,
    Event,
    JobAccepted,
    JsonLines,
    Notice,
    StepEnded,
    event_line,
    log_events,
    log_handler,
    observing,
    together,
)
from longshore.lifecycle import Outcome
from longshore.pipeline import execute
from longshore.plugins import Plugins, load_plugins
from longshore.provider import hookimpl
from tests.pipeline.support import Acme, World, hasty, reply


async def carried(world: World, **options: Any) -> World:
    """Carry two documents, one of which the vendor refuses after one retry; then look."""
    await world.plan([6], [4], **options)
    world.vendor.states = ["busy", "done"]
    world.vendor.script = {
        "PUT /parts/s1/1": [reply({}, 503)],
        "PUT /parts/s2": [reply({"message": "api_key=sk-123456 is wrong"}, 422)],
    }
    run = await world.journal.run("run")
    await asyncio.wait_for(
        execute(
            world.journal, world.target(), run, world.environment(), listener=world.events.append
        ),
        20,
    )
    return world


async def test_the_stream_tells_each_state_of_each_document() -> None:
    """Changed once from running to what became of it, with the batch's steps around it."""
    world = await carried(hasty(), concurrency=1)
    changes = [
        (event.document, event.before, event.outcome)
        for event in world.events
        if isinstance(event, DocumentChanged)
    ]
    steps = [
        (event.verb, event.how)
        for event in world.events
        if isinstance(event, StepEnded) and event.unit_id == "b0000"
    ]

    assert sorted(changes) == [
        ("d0", Outcome.RUNNING, Outcome.SUCCEEDED),
        ("d1", Outcome.RUNNING, Outcome.FAILED),
    ]
    assert steps == [
        ("start", "done"), ("send", "done"), ("send", "done"), ("complete", "done"),
        ("poll", "done"), ("poll", "done"),
    ]  # fmt: skip


async def test_a_step_tells_what_it_cost_and_why_it_failed() -> None:
    """Requests, retries, bytes; the error without the secret that the vendor quoted."""
    world = await carried(hasty(), concurrency=1)
    sends = [e for e in world.events if isinstance(e, StepEnded) and e.verb == "send"]
    first = next(event for event in sends if event.retries)
    failed = next(event for event in sends if event.how == "failed")

    assert (first.documents, first.requests, first.retries, first.bytes_sent) == (("d0",), 2, 1, 8)
    assert first.ended >= first.began
    assert failed.error is not None
    assert (failed.error.kind, "sk-123456" in failed.error.message) == ("request_refused", False)


async def test_the_stream_tells_of_the_job() -> None:
    """Once, when the vendor has one."""
    world = await carried(hasty())

    assert [event for event in world.events if isinstance(event, JobAccepted)] == [
        JobAccepted("b0000", "job-s1", ("d0",))
    ]


async def test_a_step_that_waits_says_so() -> None:
    """A provider's pause is no failure."""

    class Slow(Acme):
        prepares = True

    world = hasty(Slow)
    await world.plan([4])
    world.vendor.script = {"GET /project": [reply({"state": "new"})]}
    run = await world.journal.run("run")
    await execute(
        world.journal, world.target(), run, world.environment(), listener=world.events.append
    )
    prepared = [e for e in world.events if isinstance(e, StepEnded) and e.verb == "prepare"]

    assert [(event.how, event.documents) for event in prepared] == [("waiting", ()), ("done", ())]


async def test_observing_plugins_get_the_same_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook `longshore_event` is called for each event."""
    seen: list[object] = []

    class Observer:
        @hookimpl
        def longshore_event(self, event: object) -> None:
            seen.append(event)

    plugins = Plugins.of(Observer())
    monkeypatch.setattr("longshore.pipeline._run.load_plugins", lambda: plugins)
    world = await carried(hasty())

    assert seen == world.events
    assert any(isinstance(event, StepEnded) for event in seen)


# --------------------------------------------------------------------------------- JSON Lines


async def test_events_as_lines_of_json(tmp_path: Path) -> None:
    """One line per event but for the bytes; ids have the names that `upload --json` gives them."""
    world = await carried(hasty(), concurrency=1)
    file = tmp_path / "events.jsonl"
    lines = JsonLines(file, now=lambda: 1.5)
    for event in world.events:
        together(lines)(event)
    lines.close()
    found = [json.loads(line) for line in file.read_text().splitlines()]

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(found) == sum(not isinstance(event, BytesMoved) for event in world.events)
    assert {line["event"] for line in found} == {
        "run_started", "step_ended", "retried", "transfer_sent", "polled", "job_accepted",
        "document_changed", "document", "run_finished",
    }  # fmt: skip
    (job,) = [line for line in found if line["event"] == "job_accepted"]
    assert job == {
        "at": 1.5, "event": "job_accepted", "batch_id": "b0000", "vendor_job_id": "job-s1",
        "documents": ["d0"], "run_id": "run", "target": "acme", "provider": "acme",
    }  # fmt: skip
    assert "sk-123456" not in file.read_text()
    assert "key-123456" not in file.read_text()


def test_of_several_listeners_each_is_told() -> None:
    """Also when one before it fails, whose error is not hidden by that."""
    seen: list[Event] = []

    def fails(_event: Event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        together(seen.append, fails, seen.append)(Notice("a"))

    assert seen == [Notice("a"), Notice("a")]


def test_what_holds_a_credential_is_hidden() -> None:
    """Even where a text holds a signed URL."""
    line = event_line(Notice("PUT https://s.example/x?X-Amz-Signature=abc123 failed"))

    assert line == {
        "event": "notice", "text": "PUT https://s.example/x?X-Amz-Signature=REDACTED failed",
    }  # fmt: skip


def test_the_environment_asks_for_a_file(tmp_path: Path) -> None:
    """Every run of the command is written there, whatever the command is; then nothing more."""
    file = tmp_path / "events.jsonl"
    with observing({"LONGSHORE_EVENTS": str(file)}):
        load_plugins().notify(Notice("within"))
    load_plugins().notify(Notice("after"))

    assert [json.loads(line)["text"] for line in file.read_text().splitlines()] == ["within"]


def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    """It is an error of the configuration."""
    missing = tmp_path / "none" / "events.jsonl"
    with (
        pytest.raises(ConfigurationError, match="No such file"),
        observing({"LONGSHORE_EVENTS": str(missing)}),
    ):
        pass


def test_every_command_observes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is read where all commands begin."""
    import typer

    file = tmp_path / "events.jsonl"
    monkeypatch.setenv("LONGSHORE_EVENTS", str(file))

    @command()
    def some(_terminal: Any) -> int:
        load_plugins().notify(Notice("seen"))
        return 0

    with pytest.raises(typer.Exit):
        some(json=False, journal=None, config=None, quiet=False, verbose=False)

    assert "seen" in file.read_text()


def test_opentelemetry_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint names what to install."""
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "longshore.events._otel", raising=False)
    with pytest.raises(PluginError) as caught, observing({"LONGSHORE_OTEL": "true"}):
        pass

    assert caught.value.hint == "pip install 'longshore[otel]'"


# --------------------------------------------------------------------------------------- logs


def test_structured_logs_are_json_without_secrets() -> None:
    """One object per record, its traceback inside."""
    out = io.StringIO()
    log = logging.getLogger("longshore.test.structured")
    handler = log_handler(out)
    log.addHandler(handler)
    log.warning("refused: api_key=%s", "sk-123456")
    try:
        int("token=tok-123456")
    except ValueError:
        log.exception("it failed")
    log.removeHandler(handler)
    first, second = [json.loads(line) for line in out.getvalue().splitlines()]

    assert (first["level"], first["logger"]) == ("warning", "longshore.test.structured")
    assert first["message"] == "refused: api_key=REDACTED"
    assert "ValueError" in second["traceback"]
    assert "123456" not in out.getvalue()


def test_the_environment_asks_for_structured_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command says on stderr about itself is JSON then."""
    said: list[str] = []
    monkeypatch.setenv("LONGSHORE_LOG", "json")
    with logs(said.append, quiet=False, verbose=False):
        logging.getLogger("longshore.test").warning("token=%s is wrong", "tok-123456")
    (line,) = [json.loads(text) for text in said]

    assert (line["logger"], line["message"]) == ("longshore.test", "token=REDACTED is wrong")


async def test_what_happens_in_a_run_can_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A record for each event, as urgent as it is, with the fields that `--json` has."""
    world = await carried(hasty(), concurrency=1)
    with caplog.at_level(logging.DEBUG, "longshore.run"):
        for event in world.events:
            log_events()(event)
    levels: dict[str, set[int]] = {}
    for record in caplog.records:
        fields = record.__dict__["fields"]
        levels.setdefault(fields["event"], set()).add(record.levelno)
        assert (record.name, fields["run_id"]) == ("longshore.run", "run")

    assert levels == {
        "run_started": {logging.INFO},
        "job_accepted": {logging.INFO},
        "document_changed": {logging.INFO},
        "document": {logging.INFO, logging.WARNING},
        "run_finished": {logging.INFO},
        "retried": {logging.WARNING},
        "step_ended": {logging.DEBUG, logging.WARNING},
        "transfer_sent": {logging.DEBUG},
        "polled": {logging.DEBUG},
    }
    assert "sk-123456" not in caplog.text


async def test_runs_at_the_same_time_are_told_apart() -> None:
    """An event that does not name its run belongs to the one that its task executes."""
    out = io.StringIO()
    lines = JsonLines(out)
    worlds = [hasty(), hasty()]
    for name, world in zip(("one", "two"), worlds, strict=True):
        await world.plan([6])
        run = (await world.journal.run("run")).model_copy(update={"target": name})
        world.made = asyncio.create_task(  # type: ignore[attr-defined]
            execute(world.journal, world.target(), run, world.environment(), listener=lines)
        )
    await asyncio.wait_for(asyncio.gather(*[world.made for world in worlds]), 20)  # type: ignore[attr-defined]
    found = [json.loads(line) for line in out.getvalue().splitlines()]
    kinds = {
        name: sorted(line["event"] for line in found if line["target"] == name)
        for name in ("one", "two")
    }

    assert kinds["one"] == kinds["two"]
    assert {"job_accepted", "document_changed"} < set(kinds["one"])


# -------------------------------------------------------------------------------- misspelt words


@pytest.mark.parametrize(
    ("name", "text", "known"),
    [("LONGSHORE_LOG", "josn", "json"), ("LONGSHORE_OTEL", "tru", "true")],
)
def test_a_word_that_nobody_knows_is_no_silence(name: str, text: str, known: str) -> None:
    """The error names the variable, what it says, and what it may say."""
    with pytest.raises(ConfigurationError) as caught, observing({name: text}):
        pass

    assert caught.value.message.startswith(f"{name}: {text!r}")
    assert caught.value.hint == f"{name}={known}, or unset it"


@pytest.mark.parametrize("text", ["", "false", "0", "No", " off "])
def test_telemetry_can_be_turned_off_in_words(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As settings can."""
    monkeypatch.setattr("longshore.events._environment._to_telemetry", pytest.fail)
    with observing({"LONGSHORE_OTEL": text, "LONGSHORE_LOG": ""}):
        pass


def test_a_misspelt_variable_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Those of others, such as a cluster's for a service of this name, are not."""
    others = ("LONGSHORE_PORT", "LONGSHORE_VERSION", "LONGSHORE_X_LOG", "LONGSHORE_LOGIN")
    with observing({"LONGSHORE_LOGS": "json", **dict.fromkeys(others, "1")}):
        pass

    assert caplog.messages == ["the variable LONGSHORE_LOGS is ignored: did you mean LOG?"]
