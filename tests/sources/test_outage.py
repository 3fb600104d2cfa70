"""A store that is down for a while."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("fsspec")

from fsspec.implementations.memory import MemoryFileSystem

from longshore.documents import Document
from longshore.errors import SourceUnreadable
from longshore.sources import describe, digest_of, open_document
from longshore.sources._remote import Found


def document() -> Document:
    """Describe one of the store's documents."""
    return describe(Found("memory://plans/sub/b.pdf"), id="d1")


@pytest.fixture
def shaky(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What reads of the store raise before they succeed; nobody waits between them."""
    monkeypatch.setattr("longshore.sources._place._PAUSES", (0.0,) * 2)
    monkeypatch.setattr("longshore.sources._place._PATIENT", (0.0,) * 6)
    failures: list[Exception] = []
    whole, known = MemoryFileSystem.cat_file, MemoryFileSystem.info

    def read(fs: Any, path: str, start: int, end: int) -> Any:
        if failures:
            raise failures.pop()
        return whole(fs, path, start, end)

    def info(fs: Any, path: str) -> Any:
        if failures:
            raise failures.pop()
        return known(fs, path)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", read)
    monkeypatch.setattr(MemoryFileSystem, "info", info)
    return failures


def answered(status: int) -> Exception:
    """What a file system raises for an answer of a web server."""
    error = RuntimeError(f"{status}, token=abc123")
    error.status = status  # type: ignore[attr-defined]
    return error


def wrapped() -> Exception:
    """What the client of a cloud makes of a connection that was refused."""
    error = RuntimeError("could not connect, token=abc123")
    error.__context__ = ConnectionRefusedError()
    return error


@pytest.mark.parametrize(
    "error", [OSError("token=abc123"), answered(503), answered(429), wrapped()]
)
def test_an_outage_of_the_store_is_waited_for(
    store: Any, shaky: list[Exception], error: Exception
) -> None:
    """For half a minute; then the hint says how the document goes later; no credentials."""
    planned = document()
    shaky += [error] * 6
    with open_document(planned) as source:
        assert source.read(0, 10) == b"hello"
    shaky += [error] * 7
    with open_document(planned) as source, pytest.raises(SourceUnreadable) as caught:
        source.read(0, 10)

    assert caught.value.hint == "when the store answers again: longshore rerun RUN --failed"
    assert "abc123" not in str(caught.value)


def test_a_client_that_takes_long_to_give_up_is_not_waited_for(
    store: Any, shaky: list[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited itself, as clients of clouds do: that often would be for minutes."""
    planned = document()
    monkeypatch.setattr("longshore.sources._place._LONGEST", -1.0)
    shaky += [answered(503)] * 7
    with open_document(planned) as source, pytest.raises(SourceUnreadable):
        source.read(0, 10)

    assert len(shaky) == 4


@pytest.mark.parametrize("error", [answered(401), ValueError("strange")])
def test_what_would_not_pass_is_not_waited_for(
    store: Any, shaky: list[Exception], error: Exception
) -> None:
    """It is tried some times all the same."""
    planned = document()
    shaky += [error] * 7
    with open_document(planned) as source, pytest.raises(SourceUnreadable) as caught:
        source.read(0, 10)

    assert (caught.value.hint, len(shaky)) == ("", 4)


def test_a_plan_waits_for_no_store(store: Any, shaky: list[Exception]) -> None:
    """It asks about one document after the other, or hashes it, while somebody looks on."""
    planned = document()
    shaky += [answered(503)] * 7
    with pytest.raises(SourceUnreadable):
        document()
    with pytest.raises(SourceUnreadable) as caught:
        digest_of(planned)

    assert (caught.value.hint, len(shaky)) == ("", 1)


def test_nobody_waits_for_what_is_no_longer_wanted(
    store: Any, shaky: list[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C does not wait for threads that wait for a store."""
    monkeypatch.setattr("longshore.sources._place._PATIENT", (3600.0,))
    source = open_document(document())
    shaky += [answered(503)]
    source.close()
    with pytest.raises(SourceUnreadable, match="not read to its end"):
        source.read(0, 10)

    class Stopped(Exception):
        """Raised by whoever asked for a digest, and wants it no more."""

    calls = iter((None, Stopped()))

    def between() -> None:
        if (stopped := next(calls)) is not None:
            raise stopped

    shaky += [answered(503)]
    with pytest.raises(Stopped):
        digest_of(source.document, between)  # type: ignore[attr-defined]
