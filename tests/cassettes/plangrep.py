"""Scenarios of Plangrep: docs.plangrep.com."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longshore.lifecycle import Outcome
from longshore.sandbox import Fault
from longshore.testing.cassettes import Scenario
from longshore.testing.samples import pdf
from tests.cassettes.common import KEY, MIB, OPEN, PLAN, REFUSED, SPEC, throttled

__all__ = ["PLANGREP"]

API = "/api/open/v1"
NAMED = {"api_key": KEY, "project_name": "Harbour"}
FORM = {**NAMED, "upload_mode": "form"}
SIGNED = {**NAMED, "upload_mode": "signed"}
PARTS = {"multipart_above": 5 * MIB, "part_bytes": 5 * MIB}
BLOCKED = ("blocked-plan.pdf", pdf("Roof"))
FAILING = ("fail-plan.pdf", pdf("Unreadable"))
JOB = ("job_000001",)
LARGE = ("large.pdf", pdf("Site plan") + bytes(11 * MIB))


def one(name: str, settings: Mapping[str, str], **more: Any) -> Scenario:
    """Return a scenario with one plan, unless it says otherwise."""
    known = {"documents": (PLAN,), "settings": settings, "jobs": ()}
    return Scenario("plangrep", name, **{**known, **more})


PLANGREP = (
    # ------------------------------------------------------------------ upload modes
    one(
        "form",
        {**FORM, "classification": "plans"},
        documents=(PLAN, SPEC),
        outcomes=(Outcome.SUCCEEDED, Outcome.SUCCEEDED),
        steps=("upload", "results"),
        jobs=JOB,
    ),
    one(
        "signed-put",
        SIGNED,
        documents=(PLAN, SPEC),
        outcomes=(Outcome.SUCCEEDED, Outcome.SUCCEEDED),
        jobs=JOB,
    ),
    one("signed-multipart", SIGNED, documents=(LARGE,), assumptions=PARTS, jobs=JOB),
    one("auto", NAMED, jobs=JOB),
    one(
        "webhook-secret",
        {**FORM, "webhook_url": "https://hooks.example.com/plangrep"},
        jobs=JOB,
    ),
    # ------------------------------------------------------------------ project, states
    one(
        "project-is-made",
        FORM,
        assumptions={"project_provisioning": 25.0},
        jobs=JOB,
    ),
    one(
        "project-by-id",
        {"api_key": KEY, "project_id": "proj_given", "upload_mode": "form"},
        assumptions={"project_id": "proj_given", "job_provisioning": 15.0},
        jobs=JOB,
    ),
    one(
        "poll",
        FORM,
        assumptions={"walk": "preflighting:20,processing:40,completed"},
        words=("preflighting", "processing", "completed"),
        jobs=JOB,
    ),
    one(
        "poll-with-errors",
        FORM,
        documents=(PLAN, FAILING),
        outcomes=(Outcome.SUCCEEDED, Outcome.FAILED),
        words=("completed_with_errors",),
        jobs=JOB,
    ),
    one("poll-failed", FORM, documents=(FAILING,), outcomes=REFUSED, words=("failed",), jobs=JOB),
    # ------------------------------------------------------------------ actions
    one(
        "resume-blocked-credits",
        FORM,
        documents=(BLOCKED,),
        assumptions={"walk": "preflighting:20,processing:40,completed"},
        steps=("upload", "act:resume", "resume"),
        words=(
            "preflighting",
            "blocked_insufficient_credits",
            "preflighting",
            "processing",
            "completed",
        ),
        jobs=JOB,
    ),
    one(
        "cancel-blocked-credits",
        FORM,
        documents=(BLOCKED,),
        steps=("upload", "act:cancel", "resume"),
        outcomes=(Outcome.CANCELLED,),
        jobs=JOB,
    ),
    one(
        "cancel",
        FORM,
        assumptions={"walk": "preflighting:20,processing:40,completed"},
        steps=("accept", "cancel", "resume"),
        outcomes=(Outcome.CANCELLED,),
        jobs=JOB,
    ),
    # ------------------------------------------------------------------ retry
    one("retry-429", FORM, faults=throttled("POST", f"{API}/projects/*/jobs"), jobs=JOB),
    one("retry-429-poll", FORM, faults=throttled("GET", f"{API}/jobs/*"), jobs=JOB),
    one(
        "retry-503-complete",
        FORM,
        faults=(Fault(method="POST", path="*/uploads/complete", first=1, status=503),),
        jobs=JOB,
    ),
    # ------------------------------------------------------------------ errors
    one(
        "error-401",
        FORM,
        assumptions={"api_key": "another-key"},
        outcomes=OPEN,
        trouble="Unauthorized",
    ),
    one(
        "error-402-project",
        FORM,
        assumptions={"project_cost": 50.0, "credits": 10.0},
        outcomes=OPEN,
        trouble="PaymentRequired",
    ),
    one(
        "error-403",
        FORM,
        faults=(
            Fault(
                method="POST",
                path=f"{API}/projects/*/jobs",
                status=403,
                body={"code": "forbidden", "message": "the key lacks a scope"},
            ),
        ),
        outcomes=OPEN,
        trouble="Forbidden",
    ),
    one(
        "error-404-project",
        {"api_key": KEY, "project_id": "proj_unknown"},
        outcomes=OPEN,
        trouble="RequestRefused",
    ),
    one(
        "error-409-job",
        FORM,
        faults=(
            Fault(
                method="POST",
                path=f"{API}/projects/*/jobs",
                status=409,
                body={"code": "project_not_ready", "message": "the project is not ready"},
            ),
        ),
        outcomes=REFUSED,
    ),
    one(
        "error-413-limits",
        FORM,
        documents=(PLAN, SPEC),
        assumptions={"max_files": 1},
        outcomes=(Outcome.FAILED, Outcome.FAILED),
    ),
    one(
        "error-400-sha256",
        FORM,
        faults=(
            Fault(
                method="POST",
                path="*/files",
                status=400,
                body={"code": "sha256_mismatch", "message": "file0: other bytes came"},
            ),
        ),
        outcomes=REFUSED,
    ),
    one(
        "error-403-signed-url",
        SIGNED,
        faults=(Fault(method="PUT", path="https://storage.*", first=1, expired=7200.0),),
        jobs=("job_000002",),
    ),
)
