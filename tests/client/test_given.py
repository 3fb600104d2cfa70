"""What a caller gives to a client: told when it cannot be used, at best by a type checker."""

from __future__ import annotations

import os
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from longshore import AsyncClient, Client
from longshore.client import Options
from longshore.documents import Document
from longshore.errors import UsageError
from longshore.lifecycle import Outcome
from longshore.pipeline import Event, Notice, RunOptions
from longshore.sources import digest_of
from tests.client.conftest import arguments
from tests.pipeline.support import Acme, Vendor


def test_a_type_checker_knows_every_option() -> None:
    """No more and no fewer than a run has."""
    assert set(Options.__annotations__) == set(RunOptions.model_fields)


def test_a_type_checker_finds_what_is_misspelt(tmp_path: Path) -> None:
    """A comment here that mypy does not need is an error, too."""
    journal = tmp_path / "journal.db"
    Client("acme", journal=journal, part_size="16MiB", give_up_after=60, on_unknown="resend")
    AsyncClient("acme", journal=journal, bwlimit=2_000_000, wait=False, max_failures=None)
    with pytest.raises(UsageError, match="there is no option 'concurency'"):
        Client("acme", concurency=3)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="there is no option 'concurency'"):
        AsyncClient("acme", concurency=3)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="on_unknown"):
        Client("acme", on_unknown="ask")  # type: ignore[arg-type]


async def test_what_a_folder_lists_names_documents(tmp_path: Path, files: Any) -> None:
    """Like anything else that says what its path is: its text may be no path at all."""
    files(4, 4)
    async with AsyncClient("acme", **arguments(tmp_path, Vendor())) as client:
        report = await client.upload(
            entry for entry in os.scandir(tmp_path) if entry.name.endswith(".pdf")
        )
    assert report.outcomes == {Outcome.SUCCEEDED: 2}


@pytest.mark.parametrize(
    "given", [b"%PDF-1.4", [b"%PDF-1.4"], [7], None, [None], 7, StringIO("the lines of a file")]
)
async def test_what_names_no_document_is_told(tmp_path: Path, given: Any) -> None:
    """Not refused byte by byte, as so many files that are not there."""
    vendor = Vendor()
    async with AsyncClient("acme", **arguments(tmp_path, vendor)) as client:
        with pytest.raises(UsageError, match="a document is named by a path or a URL, not by"):
            await client.upload(given)
        assert await client._journal.runs() == ()
    assert vendor.log == []


async def test_why_there_are_no_results(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor gives none, or not yet: only the one may be mended by waiting."""
    async with AsyncClient("acme", **arguments(tmp_path, Vendor())) as client:
        upload = await client.start(files(4))
        with pytest.raises(UsageError, match="acme documents no way to fetch results"):
            await client.results(upload)
        monkeypatch.setattr(Acme, "results", lambda _self, _job: None)
        with pytest.raises(UsageError, match="there is no job yet"):
            await client.results(upload)


async def test_a_file_that_is_named_twice_goes_once(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the command line: by itself, by a glob, by another way to write it; and it is told."""
    first, second = files(4, 4)
    monkeypatch.chdir(tmp_path)
    events: list[Event] = []
    given = arguments(tmp_path, Vendor(), listener=events.append)
    async with AsyncClient("acme", **given) as client:
        report = await client.upload([first, first.name, tmp_path / "*.pdf", second])
        assert report.outcomes == {Outcome.SUCCEEDED: 2}
        events.clear()
        upload = await client.start([second, second])
    assert len(upload.documents) == 1
    told = [event.text for event in events if isinstance(event, Notice)]
    assert told == [f"{second} is named more than once; it goes once"]


async def test_a_listener_is_told_on_the_clients_loop(tmp_path: Path) -> None:
    """Also of what was found in another thread, where a remote store is asked."""
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
    memory().pipe("/twice/a.pdf", b"%PDF")
    threads: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, Notice):
            threads.append(threading.get_ident())

    async with AsyncClient("acme", **arguments(tmp_path, Vendor(), listener=listen)) as client:
        upload = await client.start(["memory://twice/a.pdf", "memory://twice"])
    assert (len(upload.documents), threads) == (1, [threading.get_ident()])


async def test_what_may_be_there_is_not_hashed_on_the_callers_loop(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large files take their time, in which a service has to answer others."""
    threads: list[int] = []

    def hashed(document: Document) -> str:
        threads.append(threading.get_ident())
        return digest_of(document)

    monkeypatch.setattr("longshore.pipeline._existing.digest_of", hashed)
    given, paths = arguments(tmp_path, Vendor(), skip_existing=True), files(4)
    async with AsyncClient("acme", **given) as client:
        reports = [await client.upload(paths) for _ in range(2)]
    assert [report.outcomes for report in reports] == [{Outcome.SUCCEEDED: 1}, {Outcome.SKIPPED: 1}]
    assert len(threads) == 1
    assert threading.get_ident() not in threads
