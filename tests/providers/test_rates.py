"""Vendors that count requests: who is told the rate obeys it, who is not recovers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

from longshore.provider import Provider
from longshore.sandbox import Call, Reply, Vendor
from longshore.testing.simulation import Case, play
from longshore_geolens import GeoLens, GeoLensSettings
from longshore_geolens.sandbox import GeoLensSandbox
from longshore_plangrep import Plangrep, PlangrepSettings
from longshore_plangrep.sandbox import PlangrepSandbox
from longshore_sendai import Sendai, SendaiSettings
from longshore_sendai.sandbox import SendaiSandbox
from longshore_subworkflow import Subworkflow, SubworkflowSettings
from longshore_subworkflow.sandbox import SubworkflowSandbox

Maker: TypeAlias = Callable[[], Provider[Any]]
KEY = "key-123456"


def geolens() -> GeoLens:
    return GeoLens(GeoLensSettings.model_validate({"api_key": KEY, "base_url": GEOLENS.home}))


def plangrep() -> Plangrep:
    return Plangrep(PlangrepSettings.model_validate({"api_key": KEY, "project_name": "x"}))


def subworkflow() -> Subworkflow:
    return Subworkflow(SubworkflowSettings.model_validate({"api_key": KEY}))


def sendai() -> Sendai:
    known = {"api_key": KEY, "team_id": "t", "project_id": "p"}
    return Sendai(SendaiSettings.model_validate(known))


GEOLENS, SUBWORKFLOW = GeoLensSandbox, SubworkflowSandbox


def carry(
    make: Maker, sandbox: type[Vendor], options: Mapping[str, Any], count: int
) -> tuple[list[int], list[str]]:
    """Carry so many documents one by one; return the statuses and the outcomes that were seen."""
    statuses: list[int] = []

    class Counting(sandbox):  # type: ignore[misc, valid-type]
        def guard(self, call: Call, now: float) -> Reply | None:
            refused: Reply | None = super().guard(call, now)
            statuses.append(refused.status if refused else 200)
            return refused

    ending = ".csv" if sandbox is GEOLENS else ".pdf"
    documents = [(f"d{number}{ending}", f"{number},x".encode()) for number in range(count)]
    case = Case(sandbox.name, make, lambda: Counting(options), documents, batch_size=1)
    history = play(case, seed=1, chance=False)
    return statuses, [record.outcome.value for record in history.documents]


@pytest.mark.parametrize(
    ("make", "sandbox", "count"), [(geolens, GEOLENS, 40), (subworkflow, SUBWORKFLOW, 100)]
)
def test_a_documented_rate_is_obeyed(make: Maker, sandbox: type[Vendor], count: int) -> None:
    """One switch makes the sandbox as strict as the documentation; nothing is refused."""
    statuses, outcomes = carry(make, sandbox, {"documented_rates": True}, count)

    assert set(outcomes) == {"succeeded"}
    assert 429 not in statuses


@pytest.mark.parametrize(
    ("make", "sandbox", "options"),
    [
        (geolens, GEOLENS, {"rate": 3}),
        (plangrep, PlangrepSandbox, {"requests_per_minute": 30}),
        (subworkflow, SUBWORKFLOW, {"writes_per_minute": 15}),
        (sendai, SendaiSandbox, {"requests_per_minute": 15}),
    ],
)
def test_a_rate_that_nobody_told_costs_only_time(
    make: Maker, sandbox: type[Vendor], options: dict[str, Any]
) -> None:
    """Where it is smaller than documented, or not documented, every document arrives once."""
    statuses, outcomes = carry(make, sandbox, options, 20)

    assert 429 in statuses
    assert outcomes == ["succeeded"] * 20


@pytest.mark.parametrize(
    ("sandbox", "url", "count"),
    [
        (GEOLENS, "/ingest/upload/config", 60),
        (SUBWORKFLOW, "/v1/jobs", 300),
    ],
)
def test_the_documented_rates_are_off_until_they_are_switched_on(
    sandbox: type[Vendor], url: str, count: int
) -> None:
    """Off they let tests run fast; on, the one request too many is refused."""
    headers = {"x-api-key": KEY}
    seen = []
    for documented in (False, True):
        vendor = sandbox({"documented_rates": documented})
        call = Call.of("GET", f"{vendor.home}{url}", headers)
        seen.append([vendor.handle(call, 0.0).status for _ in range(count + 1)])

    assert seen == [[200] * (count + 1), [*([200] * count), 429]]
