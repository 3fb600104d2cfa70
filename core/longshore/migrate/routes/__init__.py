"""Uploads by a route, as during a cut-over: several runs to several targets that are one upload."""

from __future__ import annotations

from longshore.migrate.routes._arrival import Arrival, arrival_now
from longshore.migrate.routes._by_route import (
    resume_by_route,
    resume_by_route_async,
    upload_by_route,
    upload_by_route_async,
)
from longshore.migrate.routes._carry import carry_passage
from longshore.migrate.routes._fallback import HANDED_OVER
from longshore.migrate.routes._passage import (
    Leg,
    Passage,
    RouteRequest,
    Shares,
    begin_passage,
    find_passage,
    passage_of,
    route_of,
    shares_of,
)

__all__ = [
    "HANDED_OVER", "Arrival", "Leg", "Passage", "RouteRequest", "Shares", "arrival_now",
    "begin_passage", "carry_passage", "find_passage", "passage_of", "resume_by_route",
    "resume_by_route_async", "route_of", "shares_of", "upload_by_route", "upload_by_route_async",
]  # fmt: skip
