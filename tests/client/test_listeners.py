"""Listeners: what they hear; no run is the worse for one that fails, or that ends the program."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from longshore import AsyncClient, Client
from longshore.events import JsonLines, open_telemetry
from longshore.lifecycle import Outcome
from longshore.pipeline import Event, JobAccepted, Polled, RunStarted
from tests.client.conftest import arguments
from tests.pipeline.support import Vendor


@pytest.mark.parametrize("error", [ZeroDivisionError, OSError, asyncio.CancelledError])
async def test_what_a_listener_raises_is_logged(
    tmp_path: Path, files: Any, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """Once as a warning, with the place in its code; the documents arrive, each once."""
    vendor = Vendor(states=["busy", "done"])

    def listen(_event: Event) -> None:
        raise error("in its code")

    given = arguments(tmp_path, vendor, listener=listen)
    async with AsyncClient("acme", **given) as client:
        async with asyncio.timeout(20.0):
            report = await client.upload(files(6, 4))
        upload = await client.start(files(4))
        with caplog.at_level(logging.DEBUG):
            upload = await client.wait(await client.complete(await client.send(upload)))
    told = [record for record in caplog.records if "the listener failed" in record.message]

    assert (report.outcomes, report.trouble) == ({Outcome.SUCCEEDED: 2}, None)
    assert upload.outcome is Outcome.SUCCEEDED
    assert max(vendor.arrived.values()) == 1
    assert told[0].levelno == logging.WARNING
    assert told[0].exc_info
    assert f"{error.__name__}: in its code" in told[0].message
    assert logging.DEBUG in {record.levelno for record in told}


async def test_observers_hear_of_a_poll_as_of_any_command(tmp_path: Path, files: Any) -> None:
    """Each line says which run it is of; what became of the document is told once, at the end."""
    lines = StringIO()
    given = arguments(tmp_path, Vendor(states=["busy", "done"]), listener=JsonLines(lines))
    async with AsyncClient("acme", **given) as client:
        upload = await client.complete(await client.send(await client.start(files(4))))
        lines.seek(0)
        lines.truncate()
        await client.wait(upload)
    told = [json.loads(line) for line in lines.getvalue().splitlines()]

    assert {line["run_id"] for line in told} == {upload.run_id}
    assert [line["event"] for line in told if line["event"] != "step_ended"] == [
        "run_started", "polled", "run_finished",
        "run_started", "polled", "document_changed", "document", "run_finished",
    ]  # fmt: skip


async def test_a_poll_leaves_no_trace_open(tmp_path: Path, files: Any) -> None:
    """Each span of a service that polls for months would stay in its memory."""
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    begun, ended = list[Any](), list[Any]()

    class Notes(trace.SpanProcessor):  # type: ignore[misc, name-defined]
        """Counts them."""

        def on_start(self, span: Any, parent_context: Any = None) -> None:
            """Begin."""
            begun.append(span.name)

        def on_end(self, span: Any) -> None:
            """End."""
            ended.append(span.name)

    tracers = trace.TracerProvider()
    tracers.add_span_processor(Notes())
    given = arguments(tmp_path, Vendor(), listener=open_telemetry(tracers))
    async with AsyncClient("acme", **given) as client:
        upload = await client.complete(await client.send(await client.start(files(4))))
        await client.poll(upload)
    assert Counter(ended) == Counter(begun)


class Leaves:
    """Asks for the end of the program when the first job is there."""

    def __init__(self, error: type[BaseException]) -> None:
        self.run_id = ""
        self._errors = [error]

    def __call__(self, event: Event) -> None:
        """Listen."""
        if isinstance(event, RunStarted):
            self.run_id = event.run.id
        if isinstance(event, JobAccepted) and self._errors:
            raise self._errors.pop()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
async def test_a_listener_may_end_the_program(
    tmp_path: Path, files: Any, error: type[BaseException]
) -> None:
    """Its run ends in good order, and can be resumed."""
    vendor, leaves = Vendor(), Leaves(error)
    given = arguments(tmp_path, vendor, listener=leaves, concurrency=1)
    async with AsyncClient("one", **given) as client:
        with pytest.raises(error):
            await client.upload(files(4, 5, 6))
        assert vendor.count("POST") < 3
        report = await client.resume(leaves.run_id)
    assert (report.outcomes, vendor.count("POST")) == ({Outcome.SUCCEEDED: 3}, 3)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_listener_may_end_the_program_from_the_thread_of_a_client(
    tmp_path: Path, files: Any, error: type[BaseException]
) -> None:
    """It is raised to the caller; the client itself works on."""
    vendor, leaves = Vendor(), Leaves(error)
    given = arguments(tmp_path, vendor, listener=leaves, concurrency=1)
    with Client("one", **given) as client:
        with pytest.raises(error):
            client.upload(files(4, 5, 6))
        report = client.resume(leaves.run_id)
    assert (report.outcomes, vendor.count("POST")) == ({Outcome.SUCCEEDED: 3}, 3)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_listener_may_end_the_program_in_a_step(
    tmp_path: Path, files: Any, error: type[BaseException]
) -> None:
    """As `sys.exit()` anywhere: the step is done all the same."""
    vendor = Vendor()

    def listen(event: Event) -> None:
        if isinstance(event, Polled):
            raise error

    with Client("acme", **arguments(tmp_path, vendor, listener=listen)) as client:
        upload = client.complete(client.send(client.start(files(4))))
        with pytest.raises(error):
            client.poll(upload)
        (record,) = client.documents(upload.run_id)
    assert record.outcome is Outcome.SUCCEEDED
