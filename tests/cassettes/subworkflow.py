"""Scenarios of Subworkflow.ai: docs.subworkflow.ai."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longshore.lifecycle import Outcome
from longshore.sandbox import Fault
from longshore.testing.cassettes import Scenario
from longshore.testing.samples import pdf
from tests.cassettes.common import KEY, MIB, OPEN, PLAN, REFUSED, throttled

__all__ = ["SUBWORKFLOW"]

SETTINGS = {"api_key": KEY}
SESSION = {**SETTINGS, "session_threshold": "5MiB", "part_size": "5MiB"}
LARGE = ("large.pdf", pdf("Site plan") + bytes(11 * MIB))
WALK = {"walk": "NOT_STARTED:3,IN_QUEUE:4,IN_PROGRESS:10,SUCCESS"}


JOB = ("dsj_aab21f6742b6a239",)


def one(name: str, settings: Mapping[str, str] = SETTINGS, **more: Any) -> Scenario:
    """Return a scenario with one document, unless it says otherwise."""
    known = {"documents": (PLAN,), "settings": settings, "jobs": JOB}
    return Scenario("subworkflow", name, **{**known, **more})


def session(name: str, **more: Any) -> Scenario:
    """Return a scenario with one large document in a session."""
    return one(name, **{"settings": SESSION, "documents": (LARGE,), **more})


SUBWORKFLOW = (
    # ------------------------------------------------------------------ upload modes
    one("post", steps=("upload", "results")),
    one("post-vectorize", {**SETTINGS, "job_type": "vectorize", "expires_in_days": "7"}),
    session("session"),
    session(
        "session-underscore",
        settings={**SESSION, "session_path": "underscore"},
        assumptions={"session_path": "underscore"},
    ),
    # ------------------------------------------------------------------ states, actions
    one(
        "poll",
        assumptions=WALK,
        words=("NOT_STARTED", "IN_QUEUE", "IN_PROGRESS", "SUCCESS"),
    ),
    one(
        "poll-error",
        documents=(("fail.pdf", PLAN[1]),),
        outcomes=REFUSED,
        words=("ERROR",),
    ),
    one(
        "cancel",
        assumptions={"walk": "IN_PROGRESS:60,SUCCESS"},
        steps=("accept", "cancel", "resume"),
        outcomes=(Outcome.CANCELLED,),
    ),
    # ------------------------------------------------------------------ retry
    one("retry-429", faults=throttled("POST", "/v1/extract")),
    session("retry-429-append", faults=throttled("POST", "*/append")),
    # ------------------------------------------------------------------ errors
    one(
        "error-400",
        assumptions={"single_limit": 100},
        jobs=(),
        outcomes=REFUSED,
    ),
    one(
        "error-401",
        assumptions={"api_key": "another-key"},
        jobs=(),
        outcomes=OPEN,
        trouble="Unauthorized",
    ),
    one("error-402", assumptions={"credits": 0}, jobs=(), outcomes=OPEN, trouble="PaymentRequired"),
    session(
        "error-403-plan",
        assumptions={"sessions_allowed": False},
        jobs=(),
        outcomes=OPEN,
        trouble="Forbidden",
    ),
    one(
        "error-404-job",
        faults=(
            Fault(
                method="GET",
                path="/v1/jobs/*",
                status=404,
                body={"success": False, "error": "job not found"},
            ),
        ),
        outcomes=(Outcome.UNKNOWN,),
    ),
    session(
        "error-404-path", assumptions={"session_path": "underscore"}, jobs=(), outcomes=REFUSED
    ),
    session(
        "error-404-session-gone",
        faults=(
            Fault(
                path="*/append",
                nth=(2,),
                status=404,
                body={"success": False, "error": "upload session not found"},
            ),
        ),
    ),
    session(
        "error-400-end",
        faults=(
            Fault(
                path="*/end",
                first=1,
                status=400,
                body={"success": False, "error": "a part other than the last is too small"},
            ),
        ),
        jobs=(),
        outcomes=REFUSED,
    ),
)
