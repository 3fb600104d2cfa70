"""What tests of migrations share: from where to where, documents, and their map."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.conftest import Shore

OLD, NEW = "plangrep", "subworkflow"
THERE = ("migrate", "--from", OLD, "--to", NEW)


def files(shore: Shore, count: int) -> list[str]:
    """Write documents of different contents; no other test has any of these names."""
    own = shore.folder.name
    return [shore.file(f"{n}-{own}.pdf", f"%PDF-1.4 {n} {own}\n".encode()) for n in range(count)]


def lines_of(shore: Shore, name: str = "map.jsonl") -> list[dict[str, Any]]:
    """Read a map of JSON Lines."""
    return [json.loads(line) for line in (shore.folder / name).read_text().splitlines()]
