"""What the kills came to, at the end of the report."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how the killed uploads of each provider ended."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name.startswith("kills of "):
                found[name].update(value)
    if not found:
        return
    terminalreporter.section("kill -9")
    for name, counts in sorted(found.items()):
        words = ", ".join(f"{count} {word}" for word, count in counts.items())
        terminalreporter.write_line(f"{counts.total():4} {name}: {words}")
