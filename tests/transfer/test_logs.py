"""The HTTP client's log lines show no credentials."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import pytest
import stamina
import stamina.instrumentation

from longshore.redaction import Redactor
from longshore.transfer import Outgoing, encode
from longshore.transfer._http import HttpTransport
from longshore.transfer._logs import quiet_http_logs
from longshore.transfer._retry import Again

NAMES = ("httpx", "httpcore", "httpcore.http11", "httpcore.connection")
SIGNED = "https://bucket.example/secretname?X-Amz-Expires=60&X-Amz-Signature=0123abcd"


@pytest.fixture(autouse=True)
def _untouched_loggers() -> Iterator[None]:
    """Give every test loggers that nobody configured."""
    loggers = [logging.getLogger(name) for name in NAMES]
    before = [(logger.level, list(logger.filters)) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.NOTSET)
        logger.filters.clear()
    yield
    for logger, (level, filters) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.filters[:] = filters


async def ask() -> None:
    """Send one request with a signed URL to an application in process."""
    inner = httpx.MockTransport(lambda _request: httpx.Response(200))
    transport = HttpTransport(inner=inner)
    await transport.send(Outgoing("GET", SIGNED, {}, encode(None, "b"), {}, 5.0))
    await transport.aclose()


async def test_a_signature_never_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """The client writes every URL at INFO; the line stays, the signature does not."""
    caplog.set_level(logging.INFO, "httpx")
    quiet_http_logs()
    await ask()
    (record,) = [record for record in caplog.records if record.name == "httpx"]
    assert "0123abcd" not in caplog.text
    assert "X-Amz-Signature=REDACTED" in record.getMessage()
    assert "X-Amz-Expires=60" in record.getMessage()


async def test_without_the_filter_it_would(caplog: pytest.LogCaptureFixture) -> None:
    """What the test above proves is worth something only if this holds."""
    caplog.set_level(logging.INFO, "httpx")
    await ask()
    assert "0123abcd" in caplog.text


async def test_known_secrets_are_hidden_too(caplog: pytest.LogCaptureFixture) -> None:
    """A secret that is known by value does not need to look like one."""
    caplog.set_level(logging.INFO, "httpx")
    redactor = Redactor(["secretname"])
    quiet_http_logs(redactor)
    await ask()
    assert "secretname" not in caplog.text


@pytest.mark.parametrize("name", NAMES)
def test_every_logger_below_is_covered(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A filter does not hold for the loggers below its own."""
    caplog.set_level(logging.DEBUG, name)
    quiet_http_logs()
    logging.getLogger(name).debug("to %s, %d bytes", SIGNED, 5)
    assert "0123abcd" not in caplog.text
    assert "5 bytes" in caplog.text


async def test_nothing_is_said_below_a_warning_unless_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A program that logs at INFO does not get a line for every request."""
    caplog.set_level(logging.INFO)
    quiet_http_logs()
    await ask()
    assert [record for record in caplog.records if record.name.startswith("http")] == []


def test_a_level_that_was_chosen_stays() -> None:
    """Who wants to see the requests sees them."""
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    quiet_http_logs()
    levels = {name: logging.getLogger(name).level for name in ("httpx", "httpcore")}
    assert levels == {"httpx": logging.DEBUG, "httpcore": logging.WARNING}


def test_calling_it_again_changes_nothing() -> None:
    """One filter for each logger, however many engines start."""
    for _ in range(3):
        quiet_http_logs(Redactor())
    assert {name: len(logging.getLogger(name).filters) for name in NAMES} == dict.fromkeys(NAMES, 1)


async def test_retries_of_others_are_not_hushed(caplog: pytest.LogCaptureFixture) -> None:
    """A program that retries by stamina, too, still reads of its own; ours are told as events."""
    hooks = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([stamina.instrumentation.LoggingOnRetryHook])
    try:
        quiet_http_logs()
        for error in (ValueError("theirs"), Again(0.0)):
            again = iter([error])
            async for attempt in stamina.retry_context(
                on=Exception, wait_initial=0.0, wait_jitter=0.0
            ):
                with attempt:
                    for raised in again:
                        raise raised
    finally:
        stamina.instrumentation.set_on_retry_hooks(hooks)
    said = [record for record in caplog.records if record.name == "stamina"]
    assert [getattr(record, "stamina.caused_by") for record in said] == ["ValueError('theirs')"]
