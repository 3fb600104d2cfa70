"""How far a run is: bars, lines now and then, and why it does not go faster."""

from __future__ import annotations

from longshore.cli.progress._budget import per
from longshore.cli.progress._display import (
    SILENT,
    Display,
    Displays,
    open_display,
    open_displays,
)
from longshore.cli.progress._held_up import HeldUp
from longshore.cli.progress._tally import Standing, Tally

__all__ = [
    "SILENT", "Display", "Displays", "HeldUp", "Standing", "Tally", "open_display",
    "open_displays", "per",
]  # fmt: skip
