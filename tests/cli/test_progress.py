"""What people see while a run goes on."""

from __future__ import annotations

import asyncio
import gc
import math
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from longshore.capabilities import Capabilities, Rate
from longshore.cli import _progress
from longshore.cli._budget import Budget
from longshore.cli._interrupt import Interrupt, run_async
from longshore.cli._meter import Meter
from longshore.cli._progress import open_display
from longshore.cli._tally import Standing, Tally
from longshore.cli._terminal import Terminal
from longshore.documents import Document
from longshore.journal import DocumentRecord, ErrorInfo, MemoryJournal, UnitRecord
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    BytesMoved,
    DocumentFinished,
    JobAccepted,
    Polled,
    RunStarted,
    StepEnded,
    worst,
)
from tests.cli.conftest import Shore
from tests.cli.screen import EVENTS, RUN, Screen

DOCUMENT = Document(id="d1", name="large.pdf", size=20_000_000)
RECORD = DocumentRecord(document=DOCUMENT, run_id="r1", unit_id="u1", path="large.pdf")


async def _journal() -> MemoryJournal:
    journal = MemoryJournal()
    await journal.create_run(RUN)
    await journal.enqueue([UnitRecord(id="u1", run_id="r1")], [RECORD])
    return journal


class Watch:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_says_how_far_a_run_is() -> None:
    """Documents, bytes, rate, time left, and what the jobs do."""
    clock = Watch()
    tally = Tally(moved=Meter(clock))
    for event in EVENTS:
        tally.see(event)
    for _ in range(10):
        clock.now += 1
        tally.see(BytesMoved("u1", 1_500_000))
    assert tally.text() == (
        "0 of 2 documents, 30.0 MB of 40.0 MB, 1.5 MB/s, about 6.7 s left, jobs: 1 PROCESSING"
    )


def test_no_rate_is_told_from_the_first_bytes() -> None:
    """They only fill the buffers of this machine: no 872 MB/s, and no 133 hours."""
    clock = Watch()
    tally = Tally(moved=Meter(clock))
    for event in EVENTS:
        tally.see(event)
    for _ in range(4):
        assert "/s" not in tally.text()
        assert "left" not in tally.text()
        clock.now += 1
        tally.see(BytesMoved("u1", 1000))
    assert ", 1.0 kB/s, about 6 h 56 m left, " in tally.text()


def small(documents: int, seconds: float, clock: Watch, rate: Rate) -> Tally:
    """Send small documents, one a second, to a vendor that allows so many requests."""
    tally = Tally(moved=Meter(clock), budget=Budget(Capabilities(rate=rate, read_rate=rate), clock))
    tally.see(RunStarted(RUN, documents, 10 * documents))
    for number in range(int(seconds)):
        clock.now += 1
        tally.see(BytesMoved(f"u{number}", 10))
        tally.see(JobAccepted(f"u{number}", f"job_{number}", (f"d{number}",)))
        tally.see(replace(waiting(f"u{number}", None), how="done", error=None, requests=1))
    return tally


def test_a_line_names_the_budget_that_requests_wait_for() -> None:
    """Else nobody knows why 3,000 small documents take an hour."""
    clock = Watch()
    tally = small(3000, 60, clock, Rate(requests=60, seconds=60.0))
    assert tally.text().endswith(
        "10 B/s, about 49 m 00 s left, requests wait for the vendor's budget: 60 requests a minute"
    )
    clock.now += 90
    assert "budget" not in tally.text()


def test_the_time_left_is_never_less_than_the_budget_allows() -> None:
    """The first minute's requests go at once, those of the others do not."""
    clock = Watch()
    clock.now -= 0.95 * 60
    tally = small(3000, 60, clock, Rate(requests=30, seconds=60.0))
    assert ", about 1 h 38 m left, " in tally.text()


def test_while_the_budget_lets_nothing_go_it_tells_the_time_left() -> None:
    """A minute's requests went at once; since then there is no rate to tell."""
    clock = Watch()
    budget = Budget(Capabilities(rate=Rate(requests=60, seconds=60.0)), clock)
    tally = Tally(moved=Meter(clock), budget=budget)
    tally.see(RunStarted(RUN, 300, 3000))
    for number in range(60):
        tally.see(BytesMoved(f"u{number}", 10))
        tally.see(JobAccepted(f"u{number}", f"job_{number}", (f"d{number}",)))
        tally.see(replace(waiting(f"u{number}", None), how="done", error=None, requests=1))
    clock.now += 30

    assert tally.text() == (
        "0 of 300 documents, 600 B of 3.0 kB, about 8 m 00 s left, "
        "requests wait for the vendor's budget: 60 requests a minute"
    )


@pytest.mark.parametrize("rate", [Rate(requests=600, seconds=60.0), Rate(requests=60)])
def test_a_budget_that_nobody_waits_for_is_not_named(rate: Rate) -> None:
    """One request a second, where ten may go."""
    assert "budget" not in small(3000, 60, Watch(), rate).text()


def test_bytes_that_are_sent_again_do_not_pass_the_end() -> None:
    """What is carried is never more than there is."""
    tally = Tally()
    for event in (*EVENTS, BytesMoved("u1", 99_000_000)):
        tally.see(event)
    assert tally.carried == 40_000_000


def test_a_finished_document_is_counted_once_more() -> None:
    """Finished documents are counted, and their jobs are polled no more."""
    tally = Tally()
    for event in (*EVENTS, Polled("u2", "job_2", Outcome.SUCCEEDED, "DONE")):
        tally.see(event)
    tally.see(DocumentFinished(RUN, RECORD, None))
    assert (tally.finished, tally.jobs) == (1, {})


async def test_lines_come_where_stderr_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plain line now and then on stderr; nothing on stdout."""
    monkeypatch.setattr(_progress, "PAUSE", 0.01)
    with open_display(Terminal(), await _journal()) as display:
        for event in EVENTS:
            display.see(event)
        await asyncio.sleep(0.05)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("longshore: 0 of 2 documents, ")


async def test_what_earlier_commands_finished_counts_from_the_beginning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Most of a run was done before: a resume does not begin with 0 documents and 0 bytes."""
    monkeypatch.setattr(_progress, "PAUSE", 0.01)
    journal = await _journal()
    await journal.change_documents("r1", {"d1": {"outcome": Outcome.SUCCEEDED}})
    with open_display(Terminal(), journal) as display:
        display.see(RunStarted(RUN, 2, 40_000_000, finished=1))
        display.see(BytesMoved("u1", 5_000_000))
        await asyncio.sleep(0.05)
    assert "longshore: 1 of 2 documents, 25.0 MB of 40.0 MB\n" in capsys.readouterr().err


async def test_quiet_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--quiet: no line, ever."""
    monkeypatch.setattr(_progress, "PAUSE", 0.01)
    with open_display(Terminal(quiet=True), await _journal()) as display:
        for event in EVENTS:
            display.see(event)
        await asyncio.sleep(0.03)
    assert capsys.readouterr() == ("", "")


async def test_bars_are_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar for the run, one for a big document, and the jobs; lines appear above them."""
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with open_display(terminal, await _journal()) as display:
        for event in EVENTS:
            display.see(event)
        await asyncio.sleep(0.3)  # the bars are drawn eight times a second
        terminal.note("a line above")
    drawn = screen.getvalue()
    for words in ("0/2 documents", "15.0/40.0 MB", "large.pdf", "jobs: 1 PROCESSING"):
        assert words in drawn
    assert "a line above" in drawn


async def test_bars_tell_rates_and_time_left_only_once_they_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rich's own columns would write `872.2 MB/s`, or `? -:--:--`, from the first bytes on."""
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with open_display(Terminal(), await _journal()) as display:
        for event in EVENTS:
            display.see(event)
        await asyncio.sleep(0.3)
        early = screen.getvalue()
        monkeypatch.setattr("longshore.cli._meter.SETTLES", 0.0)
        monkeypatch.setattr("longshore.cli._meter.TELLS", 0.1)
        monkeypatch.setattr("longshore.cli._meter._STEP", 0.0)
        for _ in range(3):
            display.see(BytesMoved("u1", 1_000_000))
            await asyncio.sleep(0.3)
    assert "15.0/40.0 MB" in early
    assert not re.search(r"/s|left|\? |-:--:--", early)
    assert len(re.findall(r"\d MB/s\S* \S+ s left", screen.getvalue())) >= 2  # of the run, of u1


async def test_what_another_process_does_is_shown_from_the_journal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody tells events of it: how far it is, and how fast between two looks."""
    monkeypatch.setattr(_progress, "PAUSE", 0.05)
    monkeypatch.setattr("longshore.cli._meter.SETTLES", 0.0)
    monkeypatch.setattr("longshore.cli._meter.TELLS", 0.1)
    with open_display(Terminal(), await _journal()) as display:
        display.look(Standing(3, 1, 300_000_000, 100_000_000))
        await asyncio.sleep(0.15)
        display.look(Standing(3, 1, 300_000_000, 110_000_000))
        await asyncio.sleep(0.1)
    said = capsys.readouterr().err
    assert said.startswith("longshore: 1 of 3 documents, 100.0 MB of 300.0 MB\n")
    assert re.search(r"1 of 3 documents, 110\.0 MB of 300\.0 MB, \S+ MB/s, about \S+ s left", said)


def waiting(
    unit_id: str,
    until: float | None,
    verb: str = "start",
    message: str = "the lost request may still arrive",
) -> StepEnded:
    """A step that waits, as after a crash."""
    why = ErrorInfo(kind="waiting", message=message)
    return StepEnded(RUN, unit_id, 1, (), verb, "", 0.0, 1.0, "waiting", why, until=until)


async def test_what_is_waited_for_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A resume after a crash is not silent for minutes: what it waits for, and until when."""
    monkeypatch.setattr(_progress, "PAUSE", 0.01)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    with open_display(Terminal(), await _journal()) as display:
        display.see(waiting("u9", 3.0, "prepare"))  # for no time worth speaking of
        display.see(waiting("u1", 150.0))
        display.see(waiting("u2", 151.0))
        at_once = capsys.readouterr().err
        await asyncio.sleep(0.03)
        later = capsys.readouterr().err
    words = "the lost request may still arrive"
    assert at_once == f"longshore: batch u1 waits until 00:02:30: {words}\n"
    assert f", 3 wait until 00:02:31: {words}\n" in later


def test_what_has_ended_waits_no_more() -> None:
    """Neither a step that was run again, nor a batch that is over."""
    tally = Tally()
    said = [tally.see(waiting(unit, 9.0)) for unit in ("u1", "u2", "u3")]
    tally.see(replace(waiting("u2", None), how="done", error=None))
    tally.see(replace(waiting("u3", None), verb="conclude", how="done", error=None))
    one = tally.text()
    tally.see(waiting("u1", None))  # nobody knows how long
    unknown = tally.text()
    tally.see(DocumentFinished(RUN, RECORD, None))
    assert [bool(text) for text in said] == [True, False, False]
    assert re.search(r", 1 waits until [0-9:]{8}: the lost request may still arrive$", one)
    assert unknown.endswith(", 1 waits: the lost request may still arrive")
    assert "wait" not in tally.text()


def test_waits_that_differ_in_their_jobs_are_told_together() -> None:
    """A reason may name the vendor's job; a line for each of a thousand batches tells nobody."""
    tally = Tally()
    said = [
        tally.see(waiting(unit, 9.0, message=f"job {unit}-77 is `pending`"))
        for unit in ("u1", "u2", "u3")
    ]
    many = tally.text()
    for unit in ("u1", "u2"):
        tally.see(replace(waiting(unit, None), how="done", error=None))
    assert said[0].endswith(": job u1-77 is `pending`")
    assert said[1:] == ["", ""]
    assert re.search(", 3 wait until [0-9:]{8}: job … is `pending`$", many)
    assert re.search(", 1 waits until [0-9:]{8}: job u3-77 is `pending`$", tally.text())


@pytest.mark.parametrize("until", [math.inf, math.nan, 1e15])
def test_a_wait_without_end_is_told_without_a_time(until: float) -> None:
    """A plugin may hand on whatever pause its vendor names."""
    tally = Tally()
    assert re.search("^(|longshore: batch u1 waits: .* arrive)$", tally.see(waiting("u1", until)))
    assert tally.text().endswith(", 1 waits: the lost request may still arrive")


def test_steps_may_begin_to_wait_while_it_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bars are drawn in a thread of their own."""
    tally = Tally()
    tally.see(waiting("u1", 9.0))
    others = iter((waiting("u1", 9.0, "send"), waiting("u2", 9.0)))

    def meanwhile(text: str) -> str:
        if (event := next(others, None)) is not None:
            tally.waits.see(event)
        return text

    monkeypatch.setattr("longshore.cli._waits.printable", meanwhile)
    assert "1 waits until" in tally.text()
    assert "3 wait until" in tally.text()


async def test_what_is_waited_for_stands_below_the_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the line stays as long as the wait."""
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with open_display(Terminal(), await _journal()) as display:
        display.see(waiting("u1", 9.0))
        display.see(waiting("u2", None))
        await asyncio.sleep(0.3)
    drawn = screen.getvalue()
    assert re.search("batch u1 waits until [0-9:]{8}: the lost request may still arrive", drawn)
    assert re.search("2 wait until [0-9:]{8}: the lost request may still arrive", drawn)


def test_the_worst_exit_code_is_the_first_of_the_contract() -> None:
    """2, then 130, 4, 1, 3, 0."""
    assert [worst(codes) for codes in ([0, 1, 2], [130, 4], [1, 4, 3], [3, 1], [0, 3], [])] == [
        2,
        130,
        4,
        1,
        3,
        0,
    ]


async def test_the_first_signal_asks_and_the_second_cancels(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One interrupt sets the stop, one more cuts off what is done."""
    interrupt = Interrupt(Terminal())
    interrupt.interrupt()
    assert (interrupt.stop.is_set(), interrupt.at_once) == (True, False)
    with interrupt.working():
        interrupt.interrupt()
        await asyncio.sleep(9)
        raise AssertionError("it went on")
    assert interrupt.at_once
    assert "Ctrl-C again stops at once" in capsys.readouterr().err


async def test_the_second_signal_does_not_keep_the_end_from_being_told() -> None:
    """When all that was sent has ended, it cuts nothing off."""
    interrupt = Interrupt(Terminal(quiet=True))
    with interrupt.working():
        interrupt.interrupt()
    interrupt.interrupt()
    await asyncio.sleep(0)
    assert interrupt.at_once


def test_a_person_reads_above_the_bars(
    shore: Shore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With bars on the terminal an upload ends as it does without."""
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "sendai", "--json")
    assert (ended.code, ended.line("document")["state"]) == (0, "succeeded")
    assert "documents" in screen.getvalue()


def test_a_command_has_garbage_looked_for_less_often() -> None:
    """While it works, and also where it fails; afterwards the process is as it was."""
    before = gc.get_threshold()

    async def work(error: Exception | None) -> tuple[int, int, int]:
        if error is not None:
            raise error
        return gc.get_threshold()

    assert run_async(work(None)) == (10_000, *before[1:])
    with pytest.raises(LookupError):
        run_async(work(LookupError()))
    assert gc.get_threshold() == before
