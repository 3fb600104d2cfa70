"""Move between vendors: carry documents over, keep the map of who is who, route during a cut-over.

from longshore.migrate import migrate, verify

migrate("old", "new", map="map.jsonl")
print(verify("map.jsonl").exit_code)
"""

from __future__ import annotations

from longshore.migrate._estimate import Estimate
from longshore.migrate._identity import Identity, Origin
from longshore.migrate._map import Line, Map, open_map, read_map
from longshore.migrate._migrate import migrate, migrate_async, open_migration
from longshore.migrate._migration import Migration
from longshore.migrate._request import Request
from longshore.migrate._select import KeptOut, Selection
from longshore.migrate._verification import Check, Problem, Verification
from longshore.migrate._verify import verify, verify_async, verify_in
from longshore.migrate.routes import (
    HANDED_OVER,
    Arrival,
    Leg,
    Passage,
    RouteRequest,
    Shares,
    arrival_now,
    begin_passage,
    carry_passage,
    find_passage,
    passage_of,
    resume_by_route,
    resume_by_route_async,
    route_of,
    shares_of,
    upload_by_route,
    upload_by_route_async,
)

__all__ = [
    "HANDED_OVER", "Arrival", "Check", "Estimate", "Identity", "KeptOut", "Leg", "Line", "Map",
    "Migration", "Origin", "Passage", "Problem", "Request", "RouteRequest", "Selection", "Shares",
    "Verification", "arrival_now", "begin_passage", "carry_passage", "find_passage", "migrate",
    "migrate_async", "open_map", "open_migration", "passage_of", "read_map",
    "resume_by_route", "resume_by_route_async", "route_of", "shares_of", "upload_by_route",
    "upload_by_route_async", "verify", "verify_async", "verify_in",
]  # fmt: skip
