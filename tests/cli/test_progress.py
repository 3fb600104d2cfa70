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

from longshore.cli._interrupt import Interrupt, run_async
from longshore.cli._terminal import Terminal
from longshore.cli.progress import _display
from longshore.cli.progress._display import open_display
from longshore.cli.progress._tally import Standing, Tally
from longshore.journal import MemoryJournal, UnitRecord
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    BytesMoved,
    DocumentFinished,
    RunStarted,
    worst,
)
from tests.cli.conftest import Shore
from tests.cli.screen import EVENTS, RECORD, RUN, Screen, waiting


async def _journal() -> MemoryJournal:
    journal = MemoryJournal()
    await journal.create_run(RUN)
    await journal.enqueue([UnitRecord(id="u1", run_id="r1")], [RECORD])
    return journal


async def test_lines_come_where_stderr_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plain line now and then on stderr; nothing on stdout."""
    monkeypatch.setattr(_display, "PAUSE", 0.01)
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
    monkeypatch.setattr(_display, "PAUSE", 0.01)
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
    monkeypatch.setattr(_display, "PAUSE", 0.01)
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
        monkeypatch.setattr("longshore.cli.progress._meter.SETTLES", 0.0)
        monkeypatch.setattr("longshore.cli.progress._meter.TELLS", 0.1)
        monkeypatch.setattr("longshore.cli.progress._meter._STEP", 0.0)
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
    monkeypatch.setattr(_display, "PAUSE", 0.05)
    monkeypatch.setattr("longshore.cli.progress._meter.SETTLES", 0.0)
    monkeypatch.setattr("longshore.cli.progress._meter.TELLS", 0.1)
    with open_display(Terminal(), await _journal()) as display:
        display.look(Standing(3, 1, 300_000_000, 100_000_000))
        await asyncio.sleep(0.15)
        display.look(Standing(3, 1, 300_000_000, 110_000_000))
        await asyncio.sleep(0.1)
    said = capsys.readouterr().err
    assert said.startswith("longshore: 1 of 3 documents, 100.0 MB of 300.0 MB\n")
    assert re.search(r"1 of 3 documents, 110\.0 MB of 300\.0 MB, \S+ MB/s, about \S+ s left", said)


async def test_what_is_waited_for_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A resume after a crash is not silent for minutes: what it waits for, and until when."""
    monkeypatch.setattr(_display, "PAUSE", 0.01)
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

    monkeypatch.setattr("longshore.cli.progress._waits.printable", meanwhile)
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

    async def work() -> bool:
        interrupt.interrupt()
        await asyncio.sleep(9)
        return True

    assert await interrupt.until_cut_off(work()) is None
    assert interrupt.at_once
    assert "Ctrl-C again stops at once" in capsys.readouterr().err


async def test_the_second_signal_does_not_keep_the_end_from_being_told() -> None:
    """When all that was sent has ended, it cuts nothing off."""
    interrupt = Interrupt(Terminal(quiet=True))

    async def work() -> bool:
        interrupt.interrupt()
        return True

    assert await interrupt.until_cut_off(work())
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
