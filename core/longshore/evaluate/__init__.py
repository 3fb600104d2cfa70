"""Evaluate vendors side by side: the same documents to each, measured, with a report.

from longshore.evaluate import compare

found = compare(["plans/"], to=["one", "another"])
found.write_report("report.html")
"""

from __future__ import annotations

from longshore.evaluate._agreement import Agreement, Difference, Share
from longshore.evaluate._compare import (
    check_folder,
    compare,
    compare_async,
    compare_in,
    sides_now,
)
from longshore.evaluate._comparison import Comparison, Side
from longshore.evaluate._details import Detail
from longshore.evaluate._figures import Figures, Spread
from longshore.evaluate._report import check_extra
from longshore.evaluate._rows import Row
from longshore.evaluate._runs import PATIENCE, Entry, Request, note_continued

__all__ = [
    "PATIENCE", "Agreement", "Comparison", "Detail", "Difference", "Entry", "Figures", "Request",
    "Row", "Share", "Side", "Spread", "check_extra", "check_folder", "compare", "compare_async",
    "compare_in", "note_continued", "sides_now",
]  # fmt: skip
