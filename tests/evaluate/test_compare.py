"""Comparisons against the sandboxes of all vendors, through the Python API."""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from pydantic import JsonValue

from longshore import Client
from longshore.errors import ConfigurationError, RunInUse, UsageError
from longshore.evaluate import Comparison, Request, compare, compare_async, compare_in
from longshore.journal import open_journal
from longshore.lifecycle import Job
from longshore.pipeline import (
    DocumentFinished,
    Engine,
    Environment,
    Event,
    JobAccepted,
    Notice,
    RunStarted,
)
from longshore.provider import DocumentResult, Results, TextPiece
from longshore.sandbox import Fault
from tests.evaluate.conftest import EVIL, Quay

Quays = Callable[..., Quay]
ONE_AT_A_TIME = {"subworkflow:max_concurrency": "1"}
KEY = "key-0123456789"


def test_the_same_documents_go_to_every_target(docs: Path, quay: Quays) -> None:
    """One row for each document, target and round; with one number and one SHA-256 everywhere."""
    found = quay().compare(docs, "plangrep", "sendai", "geolens", repeat=2)
    assert len(found.rows) == 4 * 3 * 2
    assert {row.document for row in found.rows} == {1, 2, 3, 4}
    for document in found.documents:
        alike = [row for row in found.rows if row.document == document.document]
        assert {row.path for row in alike} == {document.path}
        assert len({row.sha256 for row in alike if row.sha256}) == 1


def test_what_a_listener_raises_is_logged(docs: Path, quay: Quays) -> None:
    """It stops no target; `sys.exit()` ends the call in good order, and the same one goes on."""

    def fails(*_told: object) -> None:
        raise ZeroDivisionError

    def leaves(_target: str, _round: int, event: Event) -> None:
        if isinstance(event, JobAccepted):
            raise SystemExit(3)

    port = quay()
    with pytest.raises(SystemExit):
        port.compare(docs, "sendai", "subworkflow", listener=leaves)
    found = port.compare(docs, "sendai", "subworkflow", listener=fails)
    assert found.continued
    assert {side.reports[0].trouble for side in found.sides} == {None}


def test_a_call_that_means_nothing_is_told(docs: Path, quay: Quays) -> None:
    """An option that there is not; the name of one target is not so many letters."""
    port = quay()
    with pytest.raises(UsageError, match="part_sise"):
        port.compare(docs, "plangrep", part_sise=3)
    settings, journal = port.settings_of("plangrep"), docs.parent / "journal.db"
    found = compare(docs / "a.pdf", to="plangrep", settings=settings, journal=journal)
    assert found.targets == ["plangrep"]


async def test_a_notebook_is_told_what_to_write(docs: Path) -> None:
    """It has an event loop already; a coroutine that nobody awaits would be one more riddle."""
    with pytest.raises(UsageError, match="an event loop runs here") as caught:
        compare(docs, to="plangrep")
    assert "await compare_async" in caught.value.hint


def test_what_a_target_does_not_take_is_listed_with_the_reason(docs: Path, quay: Quays) -> None:
    """It is refused there, goes to the others, and counts in no figure of that target."""
    found = quay().compare(docs, "subworkflow", "geolens")
    refused = {(row.target, row.name) for row in found.rows if row.outcome == "refused"}
    pdfs = {("geolens", name) for name in ("a.pdf", "b.pdf", EVIL.replace("/", "%"))}
    assert refused == {("subworkflow", "map.geojson"), *pdfs}
    assert all("wrong type" in str(r.error_message) for r in found.rows if r.outcome == "refused")
    figures = found.figures["geolens"]
    assert (figures.documents, figures.refused, figures.succeeded) == (1, 3, 1.0)
    assert found.exit_code == 1


def test_a_second_call_meanwhile_is_told_and_changes_nothing(docs: Path, quay: Quays) -> None:
    """While the first plans, and while it works: its documents are not noted as interrupted."""
    started = quay(subworkflow={"walk": "IN_PROGRESS:0.5,SUCCESS"})
    refused: list[BaseException] = []

    def again() -> None:
        try:
            started.compare(docs / "a.pdf", "subworkflow", "plangrep")
        except RunInUse as error:
            refused.append(error)

    def watch(target: str, round: int, event: Event) -> None:
        if isinstance(event, JobAccepted) and target == "subworkflow":
            threads.append(Thread(target=again))
            threads[-1].start()

    threads: list[Thread] = []
    found = started.compare(docs / "a.pdf", "subworkflow", "plangrep", listener=watch)
    for thread in threads:
        thread.join()
    assert [type(error) for error in refused] == [RunInUse]
    assert [row.interrupted for row in found.rows] == [False, False]


async def test_one_of_two_equal_calls_plans(tmp_path: Path, quay: Quays, docs: Path) -> None:
    """The other is told, and does not forget what the first has planned so far."""
    started = quay()
    settings = started.settings_of("plangrep", "sendai")
    request = Request((str(docs / "a.pdf"),), ("plangrep", "sendai"), settings=settings)

    async def call() -> Comparison:
        async with open_journal(tmp_path / "journal.db") as journal:
            return await compare_in(journal, request, Environment())

    ended = await asyncio.gather(call(), call(), return_exceptions=True)
    (told,) = [error for error in ended if isinstance(error, BaseException)]
    (found,) = [made for made in ended if isinstance(made, Comparison)]
    assert isinstance(told, RunInUse)
    assert told.message == "the same comparison is being planned"
    assert {row.outcome for row in found.rows} == {"succeeded"}


def test_a_file_that_is_named_twice_is_compared_once(docs: Path, quay: Quays) -> None:
    """Each target is told, once: an upload carries it once, too."""
    here, told = quay(), list[tuple[str, int, str]]()

    def listen(target: str, round: int, event: Event) -> None:
        if isinstance(event, Notice) and "named" in event.text:
            told.append((target, round, event.text))

    found = compare(
        [docs / "a.pdf", docs / "*.pdf", docs / "b.pdf"],
        to=("plangrep", "sendai"),
        settings=here.settings_of("plangrep", "sendai"),
        journal=docs.parent / "journal.db",
        repeat=2,
        listener=listen,
    )
    assert {side.target: side.report.documents for side in found.sides} == {
        "plangrep": 6,
        "sendai": 6,
    }
    words = f"2 names stand there again, such as {docs / 'b.pdf'}; each file goes once"
    assert told == [("plangrep", 1, words), ("sendai", 1, words)]


def test_what_is_measured(docs: Path, quay: Quays) -> None:
    """States, times, rate, requests, bytes, credits, shape of results: each has its figure."""
    throttled = Fault(vendor="plangrep", method="GET", path="*/jobs/*", nth=(1,), status=429)
    found = quay(throttled).compare(docs / "a.pdf", "plangrep", "subworkflow")
    one, other = found.rows
    assert (one.outcome, one.vendor_status, one.batch_documents) == ("succeeded", "completed", 1)
    assert (one.throttled, one.retries, one.client_errors) == (1, 1, 0)
    assert (one.usage_credits, one.usage_pages, one.pages, one.fields) == (10.0, 1, 1, 3)
    assert one.bytes_sent == one.size
    assert one.seconds_to_accepted is not None
    assert one.seconds_to_done is not None
    assert one.seconds_to_done >= one.seconds_to_accepted > 0
    assert (one.bytes_per_second or 0) > 0
    assert one.vendor_seconds_total is not None
    assert (other.results, other.artifacts, other.pages) == ("fetched", 4, 2)
    assert other.vendor_seconds_processing is not None


def test_a_vendor_that_names_no_tasks_says_why(docs: Path, quay: Quays) -> None:
    """There is a reason instead of results; where the reply names its tasks there are fields."""
    found = quay().compare(docs / "a.pdf", "sendai")
    assert found.rows[0].results == "none"
    assert "names no tasks" in str(found.rows[0].results_note)
    named = quay(sendai={"tasks_in_upload": "true"}).compare(docs / "a.pdf", "sendai")
    result = named.result("sendai", 1)
    assert result is not None
    assert {"file_name", "size", "sha256"} <= {field.name for field in result.fields}


def test_an_outage_spoils_nothing_for_the_others(docs: Path, quay: Quays) -> None:
    """A vendor that is down ends with 2 and its reason; the others have all their figures."""
    down = Fault(vendor="subworkflow", status=401)
    found = quay(down).compare(docs, "subworkflow", "plangrep", repeat=2)
    assert (found.figures["plangrep"].succeeded, found.figures["subworkflow"].succeeded) == (
        1,
        None,
    )
    assert found.sides[0].trouble is not None
    assert (found.sides[1].trouble, found.exit_code) == (None, 2)
    assert len([row for row in found.rows if row.target == "subworkflow"]) == 8


def test_results_that_cannot_be_fetched_say_why(docs: Path, quay: Quays) -> None:
    """A vendor that refuses its results has all other figures all the same."""
    broken = Fault(vendor="plangrep", path="*/result", status=409)
    (row,) = quay(broken).compare(docs / "a.pdf", "plangrep").rows
    assert (row.outcome, row.results, row.pages) == ("succeeded", "failed", None)
    assert row.results_note


def test_the_same_call_goes_on_with_it(docs: Path, quay: Quays) -> None:
    """Interrupted in the middle, it goes on with the same runs; nothing is sent twice."""
    harbour = quay()
    stop = asyncio.Event()

    def interrupt(_target: str, _round: int, event: Event) -> None:
        if isinstance(event, DocumentFinished) and event.record.outcome == "succeeded":
            stop.set()

    first = harbour.compare(docs, "subworkflow", "plangrep", repeat=2, stop=stop,
                            listener=interrupt)  # fmt: skip
    again = harbour.compare(docs, "plangrep", "subworkflow", repeat=2)
    assert (first.exit_code, first.id, again.continued) == (130, again.id, True)
    assert {row.run_id for row in first.rows} == {row.run_id for row in again.rows}
    assert again.figures["subworkflow"].outcomes == {"succeeded": 6}
    assert harbour.jobs("subworkflow") == 6
    assert harbour.running.state("subworkflow")["duplicates"] == 0


def test_one_that_is_interrupted_at_its_very_end_goes_on_too(docs: Path, quay: Quays) -> None:
    """Nothing was left to fetch; but who is told to go on does not want all of it sent again."""
    (docs / "fail.pdf").write_bytes(b"%PDF-1.4 fails")
    harbour, stop = quay(), asyncio.Event()

    def interrupt(_target: str, _round: int, event: Event) -> None:
        if isinstance(event, DocumentFinished):
            stop.set()

    first = harbour.compare(docs / "fail.pdf", "subworkflow", stop=stop, listener=interrupt)
    again = harbour.compare(docs / "fail.pdf", "subworkflow")
    assert (first.exit_code, again.exit_code, again.id) == (130, 1, first.id)
    assert harbour.jobs("subworkflow") == 1


def test_a_finished_comparison_is_not_gone_on_with(docs: Path, quay: Quays) -> None:
    """The next call begins another one; so does --new, and so do other options."""
    harbour = quay()
    ids = [
        harbour.compare(docs / "a.pdf", "plangrep", **more).id
        for more in ({}, {}, {"new": True}, {"concurrency": 2})
    ]
    assert len(set(ids)) == 4


def test_times_with_a_break_in_them_count_in_no_figure(docs: Path, quay: Quays) -> None:
    """A job that was under way while nobody watched is marked, and has no time."""
    harbour = quay(subworkflow={"walk": "IN_PROGRESS:0.3,SUCCESS"})
    stop = asyncio.Event()

    def interrupt(_target: str, _round: int, event: Event) -> None:
        if type(event).__name__ == "Polled":
            stop.set()

    harbour.compare(docs / "a.pdf", "subworkflow", stop=stop, listener=interrupt)
    again = harbour.compare(docs / "a.pdf", "subworkflow")
    assert (again.rows[0].outcome, again.rows[0].interrupted) == ("succeeded", True)
    assert again.figures["subworkflow"].to_done is None


def test_settings_are_for_all_or_for_one(docs: Path, quay: Quays) -> None:
    """The report shows what held for each target."""
    given = {"timeout": "50", "plangrep:upload_mode": "form", "plangrep:timeout": "40"}
    found = quay().compare(docs / "a.pdf", "plangrep", "sendai", settings=given)
    one, other = (side.settings for side in found.sides)
    assert (one["timeout"], one["upload_mode"], other["timeout"]) == (40.0, "form", 50.0)
    assert "plangrep:upload_mode=form" in found.command
    assert "api_key" not in found.command


@pytest.mark.parametrize(
    ("to", "more"),
    [
        (["plangrep", "plangrep"], {}),
        ([], {}),
        (["plangrep"], {"repeat": 0}),
        (["plangrep"], {"settings": {"sendai:timeout": "1"}}),
        (["plangrep"], {"results": "nowhere"}),
    ],
)
def test_what_is_no_comparison_is_refused(
    docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: list[str], more: object
) -> None:
    """The same target twice, none, no round, a setting of nobody: before anything is planned."""
    monkeypatch.setenv("LONGSHORE_PLANGREP_API_KEY", "key-123456")
    assert isinstance(more, dict)
    with pytest.raises(UsageError):
        compare([docs], to=to, journal=tmp_path / "journal.db", **more)


def test_a_missing_key_is_told_before_anything_is_sent(docs: Path, tmp_path: Path) -> None:
    """One target without its key stops the comparison; the journal holds no run of it."""
    with pytest.raises(ConfigurationError, match="API key"):
        compare([docs], to=["plangrep", "sendai"], journal=tmp_path / "journal.db")


def test_whole_results_are_written_to_a_folder(docs: Path, quay: Quays, tmp_path: Path) -> None:
    """Each job has its file, with the raw reply, for its owner alone."""
    folder = tmp_path / "results"
    folder.mkdir()
    quay().compare(docs / "a.pdf", "plangrep", results=folder)
    (file,) = folder.iterdir()
    assert json.loads(file.read_text("utf-8"))["raw"]["schemaVersion"] == "v1"
    assert file.stat().st_mode & 0o077 == 0


async def test_targets_run_side_by_side(docs: Path, quay: Quays) -> None:
    """Every target begins before any has ended: none waits for another."""
    harbour = quay()
    seen: list[tuple[str, type]] = []
    await compare_async(
        [docs / "a.pdf"],
        to=["plangrep", "subworkflow", "sendai"],
        settings={k: v for k, v in harbour._settings.items() if not k.startswith("geolens")},
        journal=docs.parent / "journal.db",
        listener=lambda target, _round, event: seen.append((target, type(event))),
    )
    starts = [place for place, (_, kind) in enumerate(seen) if kind is RunStarted]
    ends = [place for place, (_, kind) in enumerate(seen) if kind is DocumentFinished]
    assert max(starts) < min(ends)


def test_results_that_were_not_fetched_are_fetched_by_the_next_call(
    docs: Path, quay: Quays
) -> None:
    """Stopped while results were fetched, the same call fetches them; nothing is sent again."""
    harbour = quay(Fault(vendor="plangrep", path="*/result", first=1, status=401))
    first = harbour.compare(docs / "a.pdf", "plangrep", "subworkflow")
    again = harbour.compare(docs / "a.pdf", "plangrep", "subworkflow")
    assert [row.results for row in first.rows] == ["failed", "fetched"]
    assert [row.results for row in again.rows] == ["fetched", "fetched"]
    assert (first.id == again.id, harbour.jobs("plangrep"), again.exit_code) == (True, 1, 0)


def test_a_comparison_that_a_client_went_on_with_knows_of_the_break(
    docs: Path, quay: Quays
) -> None:
    """Times during which nobody watched count in no figure; the same call still ends it."""
    harbour = quay(Fault(vendor="plangrep", method="GET", path="*/jobs/*", first=1, status=401))
    first = harbour.compare(docs / "a.pdf", "plangrep", "sendai")
    (trouble,) = [side.report.run.id for side in first.sides if side.report.trouble]
    settings = harbour.settings_of("plangrep")
    own = {key.partition(":")[2]: value for key, value in settings.items()}
    with Client("plangrep", settings=own, journal=docs.parent / "journal.db") as client:
        assert client.unfinished() == []
        assert client.resume(trouble).exit_code == 0
    again = harbour.compare(docs / "a.pdf", "plangrep", "sendai")
    assert (first.id == again.id, again.exit_code) == (True, 0)
    assert [(row.target, row.interrupted) for row in again.rows] == [
        ("plangrep", True),
        ("sendai", False),
    ]


def test_nothing_is_lost_when_a_file_cannot_be_written(docs: Path, quay: Quays) -> None:
    """A comparison counts as finished only when its files are written."""
    harbour = quay()

    async def compared(keep: Callable[[Comparison], None]) -> Comparison:
        settings = {k: v for k, v in harbour._settings.items() if k.startswith("plangrep")}
        request = Request((str(docs / "a.pdf"),), ("plangrep",), settings=settings)
        async with open_journal(docs.parent / "journal.db") as journal:
            return await compare_in(journal, request, Environment(), keep=keep)

    def full(_found: Comparison) -> None:
        raise OSError("the disk is full")

    kept: list[str] = []
    with pytest.raises(OSError, match="disk is full"):
        asyncio.run(compared(full))
    again = asyncio.run(compared(lambda found: kept.append(found.id)))
    assert (again.continued, kept, harbour.jobs("plangrep")) == (True, [again.id], 1)


def test_of_a_whole_result_only_a_part_is_held(
    docs: Path, quay: Quays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All those of thousands of jobs together, until the last has come, would fill the memory."""
    whole: list[weakref.ref[DocumentResult]] = []
    held: list[int] = []

    async def fetch(_engine: Engine, _job: Job) -> Results:
        result = DocumentResult(texts=(TextPiece(text="word " * 1000),))
        whole.append(weakref.ref(result))
        held.append(sum(ref() is not None for ref in whole))
        return Results(documents=(result,))

    monkeypatch.setattr("longshore.evaluate._gather.fetch_results", fetch)
    found = quay().compare(docs, "subworkflow", settings=ONE_AT_A_TIME)
    assert held == [1, 1, 1]
    assert [row.characters for row in found.rows if row.results] == [5000] * 3


def test_what_a_vendor_says_of_a_job_shows_no_key_and_is_bounded(
    docs: Path, quay: Quays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning that repeats our request is written without the key, and not to its end."""
    usages: list[dict[str, JsonValue]] = [
        {"calls": 3, "note": f"by {KEY}"}, {"note": "x" * 3_000_000}, {}
    ]  # fmt: skip

    async def fetch(_engine: Engine, _job: Job) -> Results:
        echo = (f"who sent {KEY}? " + "x" * 3_000_000,)
        documents = (DocumentResult(warnings=echo),)
        return Results(documents=documents, usage=usages.pop(), warnings=echo)

    monkeypatch.setattr("longshore.evaluate._gather.fetch_results", fetch)
    settings = {**ONE_AT_A_TIME, "subworkflow:api_key": KEY}
    found = quay().compare(docs, "subworkflow", settings=settings)
    found.write_report(tmp_path / "r.html")
    found.write_csv(tmp_path / "r.csv")
    written = (tmp_path / "r.html").read_text("utf-8") + (tmp_path / "r.csv").read_text("utf-8")
    assert KEY not in written
    assert "who sent REDACTED?" in written
    assert len(written) < 500_000
    assert {row.usage for row in found.rows} == {'{"calls": 3, "note": "by REDACTED"}', None}
