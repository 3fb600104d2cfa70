"""Scenarios of Send AI: docs.send.ai/api/v2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longshore.lifecycle import Outcome
from longshore.sandbox import Fault
from longshore.testing.cassettes import Scenario
from longshore.testing.samples import pdf
from tests.cassettes.common import KEY, OPEN, PLAN, SPEC, throttled

__all__ = ["SENDAI"]

SETTINGS = {"api_key": KEY, "team_id": "team_123456", "project_id": "proj_123456"}
REVIEW = ("review.pdf", pdf("Invoice"))
FAILING = ("fail.pdf", pdf("Unreadable"))
TASKS = {"tasks_in_upload": True}
UPLOAD = ("upl_000001",)


def one(name: str, settings: Mapping[str, str] = SETTINGS, **more: Any) -> Scenario:
    """Return a scenario with one document, unless it says otherwise."""
    known = {"documents": (PLAN,), "settings": settings, "jobs": ()}
    return Scenario("sendai", name, **{**known, **more})


SENDAI = (
    # ------------------------------------------------------------------ upload
    one(
        "batch",
        documents=(PLAN, SPEC),
        outcomes=(Outcome.SUCCEEDED, Outcome.SUCCEEDED),
        jobs=UPLOAD,
    ),
    one(
        "batch-with-tasks",
        documents=(PLAN, SPEC),
        assumptions=TASKS,
        steps=("upload", "results"),
        outcomes=(Outcome.SUCCEEDED, Outcome.SUCCEEDED),
        jobs=UPLOAD,
    ),
    one(
        "batch-enveloped",
        {**SETTINGS, "meta": '{"costCentre": "4711"}', "upload_name": "Harbour"},
        assumptions={"create_envelope": True, "create_case": "upper", "project_field": "required"},
        jobs=UPLOAD,
    ),
    # ------------------------------------------------------------------ states
    one(
        "poll",
        assumptions={"walk": "PROCESSING:12,COMPLETED"},
        words=("PROCESSING", "COMPLETED"),
        jobs=UPLOAD,
    ),
    one(
        "poll-review",
        documents=(REVIEW,),
        outcomes=(Outcome.NEEDS_ACTION,),
        words=("IN_REVIEW",),
        jobs=UPLOAD,
    ),
    one(
        "poll-partial",
        documents=(PLAN, FAILING),
        assumptions=TASKS,
        outcomes=(Outcome.SUCCEEDED, Outcome.FAILED),
        jobs=UPLOAD,
    ),
    # ------------------------------------------------------------------ actions
    one(
        "complete-task",
        documents=(REVIEW,),
        assumptions={**TASKS, "review_word": "REVIEWING"},
        steps=("upload", "act:complete", "resume"),
        jobs=UPLOAD,
    ),
    one(
        "complete-named-task",
        documents=(REVIEW,),
        assumptions=TASKS,
        steps=("upload", "act:complete:task_000001", "resume"),
        jobs=UPLOAD,
    ),
    one(
        "discard-task",
        documents=(REVIEW, PLAN),
        assumptions=TASKS,
        steps=("upload", "act:discard", "resume"),
        outcomes=(Outcome.CANCELLED, Outcome.SUCCEEDED),
        jobs=UPLOAD,
    ),
    # ------------------------------------------------------------------ retry
    one("retry-429", faults=throttled("POST", "/v2/*/upload"), jobs=UPLOAD),
    one("retry-429-poll", faults=throttled("GET", "/v2/*/upload/*"), jobs=UPLOAD),
    # ------------------------------------------------------------------ errors
    one("error-400", assumptions={"max_files": 0}, outcomes=(Outcome.FAILED,)),
    one("error-401", assumptions={"api_key": "another-key"}, outcomes=OPEN, trouble="Unauthorized"),
    one(
        "error-403",
        assumptions={"import_via_api": False},
        outcomes=OPEN,
        trouble="Forbidden",
    ),
    one(
        "error-404-poll",
        faults=(
            Fault(
                method="GET",
                path="/v2/*/upload/*",
                status=404,
                body={"message": "upload not found"},
            ),
        ),
        outcomes=(Outcome.UNKNOWN,),
        jobs=UPLOAD,
    ),
    one(
        "error-500-upload",  # nobody can tell whether it acted
        faults=(Fault(method="POST", path="/v2/*/upload", status=500, acted=True),),
        outcomes=(Outcome.UNKNOWN,),
    ),
    one("error-413", assumptions={"max_file_bytes": 100}, outcomes=(Outcome.FAILED,)),
)
