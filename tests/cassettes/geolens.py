"""Scenarios of GeoLens: docs.getgeolens.com, v1.14.2."""

from __future__ import annotations

from typing import Any

from longshore.lifecycle import Outcome
from longshore.sandbox import Fault
from longshore.testing.cassettes import Scenario
from longshore.testing.samples import geojson
from tests.cassettes.common import CITY, KEY, MIB, OPEN, REFUSED, SCAN, grey, throttled

__all__ = ["GEOLENS"]

SETTINGS = {"api_key": KEY}
PARTS = {"threshold": 10 * MIB}  # parts keep their documented 10 MiB
LARGE = grey("harbour.tif", 12)
FAILING = ("fail.geojson", geojson(("Nowhere", 0.0, 0.0)))
WALK = "pending:3,validating:5,ogr2ogr:8,finalize:8,complete"
COMPLETE = "*/complete"
COMMIT = "/ingest/commit/*"


FIRST = ("f3fed2c6-f9d8-5546-ad99-b2741048dacc",)
SECOND = ("6a02141d-5a50-501d-8ead-a9cec51b4e67",)


def one(name: str, **more: Any) -> Scenario:
    """Return a scenario with one vector file that becomes a job, unless it says otherwise."""
    known = {"documents": (CITY,), "settings": SETTINGS, "jobs": FIRST}
    return Scenario("geolens", name, **{**known, **more})


def refused(name: str, **more: Any) -> Scenario:
    """Return a scenario with one vector file that the vendor does not take."""
    return one(name, **{"outcomes": REFUSED, "jobs": (), **more})


GEOLENS = (
    # ------------------------------------------------------------------ upload modes
    one("single-put", steps=("upload", "results")),
    one("multipart", documents=(LARGE,), assumptions=PARTS),
    one("multipart-signed-v4", documents=(LARGE,), assumptions={**PARTS, "region": "eu-central-1"}),
    one("token", settings={"token": "not-a-real-token"}),
    one(
        "without-commit",
        settings={**SETTINGS, "commit": "false"},
        outcomes=(Outcome.NEEDS_ACTION,),
    ),
    one("raster", documents=(SCAN,)),
    # ------------------------------------------------------------------ states, actions
    one("poll", assumptions={"walk": WALK}, words=("pending", "running", "complete")),
    one("poll-failed", documents=(FAILING,), outcomes=REFUSED, words=("failed",)),
    one(
        "retry-failed-job",
        documents=(FAILING,),
        assumptions={"walk": WALK},
        steps=("upload", "act:retry", "resume"),
    ),
    # ------------------------------------------------------------------ retry
    one("retry-429", faults=throttled("POST", "/ingest/upload/presigned")),
    one(
        "retry-503-storage", faults=(Fault(method="PUT", path="https://s3.*", first=1, status=503),)
    ),
    one("retry-502-complete", assumptions={"freeze_fails": 1}),
    # ------------------------------------------------------------------ errors
    refused(
        "error-401",
        assumptions={"api_key": "another-key"},
        outcomes=OPEN,
        trouble="Unauthorized",
    ),
    refused(
        "error-403-read-only",
        settings={"api_key": "read-only-key"},
        outcomes=OPEN,
        trouble="Forbidden",
    ),
    refused(
        "error-400-storage",
        assumptions={"presigned": False},
        outcomes=OPEN,
        trouble="AccountError",
    ),
    refused(
        "error-404",
        faults=(Fault(path="/ingest/upload/config", status=404, body={"detail": "Not Found"}),),
        outcomes=OPEN,
        trouble="RequestRefused",
    ),
    refused(
        "error-409-window",
        assumptions={"job_timeout": 30.0},
    ),
    refused(
        "error-413-quota",
        assumptions={"storage_quota": 10},
        outcomes=OPEN,
        trouble="AccountError",
    ),
    refused(
        "error-422-content",
        documents=(("city.tif", CITY[1]),),
    ),
    refused(
        "error-422-legacy-shape",
        documents=(("city.tif", CITY[1]),),
        assumptions={"errors": "legacy"},
    ),
    one(
        "error-500-presign",
        faults=(
            Fault(
                method="POST",
                path="/ingest/upload/presigned",
                first=1,
                status=500,
                body={
                    "title": "Internal Server Error",
                    "status": 500,
                    "detail": "Internal server error",
                },
            ),
        ),
    ),
    one(
        "error-502-assembly",
        documents=(LARGE,),
        assumptions={**PARTS, "assembly_fails": 1},
        jobs=SECOND,
    ),
    one("error-503-queue", assumptions={"queue_down": 1}, jobs=SECOND),
    one(
        "error-403-signed-url",
        faults=(Fault(method="PUT", path="https://s3.*", first=1, expired=7200.0),),
        jobs=SECOND,
    ),
)
