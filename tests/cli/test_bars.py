"""What bars look like where there is little room."""

from __future__ import annotations

import re

import pytest

from longshore.cli.progress._bars import Bars
from longshore.cli.progress._meter import Meter
from longshore.cli.progress._target_bars import TargetBars
from longshore.journal import MemoryJournal
from tests.cli.screen import EVENTS, Screen


def narrow(monkeypatch: pytest.MonkeyPatch, columns: int) -> Screen:
    """Make stderr a terminal of so many columns, and let a rate be told at once."""
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(Meter, "rate", 1_200_000.0)
    return screen


def last_bar(screen: Screen) -> str:
    """Return the last line that is the bar of the run, or of the target."""
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    lines = re.split(r"[\r\n]+", plain)
    return [line.rstrip() for line in lines if line.startswith(("0/2", "large"))][-1]


@pytest.mark.parametrize("columns", [30, 60, 80])
async def test_the_bar_of_a_run_is_one_line_however_narrow_the_terminal_is(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Words are cut first; figures are whole, and those that do not fit are left out."""
    screen = narrow(monkeypatch, columns)
    with Bars(MemoryJournal(), None) as bars:
        for event in EVENTS:
            bars.see(event)
        bars._progress.refresh()
    drawn = last_bar(screen)
    assert len(drawn) <= columns
    assert "15.0/40.0 MB" in drawn
    assert ("1.2 MB/s" in drawn, "20.8 s left" in drawn) == (columns >= 60, columns >= 60)


@pytest.mark.parametrize("columns", [30, 60, 80])
def test_the_bar_of_a_target_is_one_line_however_narrow_the_terminal_is(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """So is that of a target with a long name; what happens there is left out first."""
    screen = narrow(monkeypatch, columns)
    with TargetBars(["large-documents"]) as bars:
        for event in EVENTS:
            bars.see("large-documents", event)
        bars._progress.refresh()
    drawn = last_bar(screen)
    assert len(drawn) <= columns
    assert "15.0/40.0 MB" in drawn
    assert ("1.2 MB/s" in drawn) == (columns >= 60)
