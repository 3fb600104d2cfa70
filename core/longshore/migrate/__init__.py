"""Move between vendors: carry documents over, keep the map of who is who, route during a cut-over.

from longshore.migrate import migrate, verify

migrate("old", "new", map="map.jsonl")
print(verify("map.jsonl").exit_code)
"""

from __future__ import annotations

from longshore.migrate._estimate import Estimate
from longshore.migrate._identity import Identity, Origin
from longshore.migrate._map import Line, Map, open_map, read_map
from longshore.migrate._migrate import Migration, migrate, migrate_async, open_migration
from longshore.migrate._request import Request
from longshore.migrate._select import KeptOut, Selection
from longshore.migrate._verify import Check, Problem, verify, verify_async, verify_in

__all__ = [
    "Check", "Estimate", "Identity", "KeptOut", "Line", "Map", "Migration", "Origin", "Problem",
    "Request", "Selection", "migrate", "migrate_async", "open_map", "open_migration", "read_map",
    "verify", "verify_async", "verify_in",
]  # fmt: skip
