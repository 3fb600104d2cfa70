"""The four providers that come with Longshore, held against the kit."""

from __future__ import annotations

from pathlib import Path

from longshore.lifecycle import State
from longshore.provider import (
    AccountError,
    Forbidden,
    PaymentRequired,
    RequestRefused,
    Unauthorized,
)
from longshore.testing.conformance import Kit, KnownRefusal, Mode, ProviderConformance
from longshore_geolens import GeoLens
from longshore_geolens.sandbox import GeoLensSandbox
from longshore_plangrep import Plangrep
from longshore_plangrep.sandbox import PlangrepSandbox
from longshore_sendai import Sendai
from longshore_sendai.sandbox import SendaiSandbox
from longshore_subworkflow import Subworkflow
from longshore_subworkflow.sandbox import SubworkflowSandbox

CASSETTES = Path(__file__).parents[2] / "cassettes"
KEY = {"api_key": "key-123456"}


def few(ending: str, count: int, size: int) -> tuple[tuple[str, bytes], ...]:
    """Return some small documents, each with its own name and bytes."""
    return tuple((f"doc{n}{ending}", (f"<{n}>" * size)[:size].encode()) for n in range(count))


class TestPlangrep(ProviderConformance):
    """A form, signed PUTs, signed parts."""

    kit = Kit(
        provider=Plangrep,
        sandbox=PlangrepSandbox,
        settings={**KEY, "project_name": "Harbour"},
        modes=[
            Mode("form", few(".pdf", 2, 8), {"upload_mode": "form"}),
            Mode("put", few(".pdf", 2, 8), {"upload_mode": "signed"}),
            Mode(
                "parts",
                few(".pdf", 1, 25),
                {"upload_mode": "signed"},
                {"multipart_above": 8, "part_bytes": 10},
            ),
        ],
        review=Mode("blocked", (("blocked.pdf", b"12345678"),), {"upload_mode": "form"}),
        refusals=[
            KnownRefusal(401, {"code": "invalid_api_key", "message": "no"}, Unauthorized, "key"),
            KnownRefusal(402, {"code": "insufficient_credits", "message": "no"}, PaymentRequired),
        ],
        words={
            "provisioning": State.RUNNING,
            "awaiting_uploads": State.RUNNING,
            "uploading": State.RUNNING,
            "preflighting": State.RUNNING,
            "processing": State.RUNNING,
            "blocked_insufficient_credits": State.NEEDS_ACTION,
            "completed": State.SUCCEEDED,
            "completed_with_errors": State.PARTIAL,
            "failed": State.FAILED,
            "cancelled": State.CANCELLED,
            "expired": State.EXPIRED,
        },
        idle=frozenset({"provisioning", "awaiting_uploads", "uploading", "cancelled", "expired"}),
        over=frozenset({"cancelled", "expired"}),
    )


class TestGeoLens(ProviderConformance):
    """Presigned, one PUT or parts."""

    kit = Kit(
        provider=GeoLens,
        sandbox=GeoLensSandbox,
        settings=KEY,
        modes=[
            Mode("single", few(".csv", 1, 8)),
            Mode("parts", few(".csv", 1, 25), assumptions={"threshold": 8, "part_size": 10}),
        ],
        words={
            "pending": State.RUNNING,
            "running": State.RUNNING,
            "complete": State.SUCCEEDED,
            "failed": State.FAILED,
            "cancelled": State.CANCELLED,
            "fanned_out": State.SUCCEEDED,
        },
        refusals=[
            KnownRefusal(403, {"detail": "Insufficient permissions"}, Forbidden, "role editor"),
            KnownRefusal(404, {"detail": "Not Found"}, RequestRefused, "/api"),
            KnownRefusal(413, {"detail": "Storage quota exceeded"}, AccountError, "quota"),
        ],
        idle=frozenset({"pending", "failed"}),
        over=frozenset({"pending", "failed"}),  # an upload that nobody commits expires by itself
        may_be_unknown=True,
    )


class TestSubworkflow(ProviderConformance):
    """One POST, or a session."""

    kit = Kit(
        provider=Subworkflow,
        sandbox=SubworkflowSandbox,
        settings={**KEY, "session_threshold": 10, "requests_per_minute": 100_000},
        modes=[
            Mode("single", few(".pdf", 1, 8), part_size=10),
            Mode("session", few(".pdf", 1, 25), part_size=10),
        ],
        words={
            "NOT_STARTED": State.RUNNING,
            "IN_QUEUE": State.RUNNING,
            "IN_PROGRESS": State.RUNNING,
            "SUCCESS": State.SUCCEEDED,
            "ERROR": State.FAILED,
        },
        assumptions={"part_minimum": 1},
    )


class TestSendai(ProviderConformance):
    """One form with many files."""

    kit = Kit(
        provider=Sendai,
        sandbox=SendaiSandbox,
        settings={**KEY, "team_id": "t", "project_id": "p"},
        modes=[Mode("batch", few(".pdf", 3, 8))],
        words={
            "PROCESSING": State.RUNNING,
            "REVIEWING": State.NEEDS_ACTION,
            "IN_REVIEW": State.NEEDS_ACTION,
            "COMPLETED": State.SUCCEEDED,
            "PARTIAL": State.PARTIAL,
            "FAILED": State.FAILED,
        },
        review=Mode(
            "review", (("review.pdf", b"12345678"),), assumptions={"tasks_in_upload": True}
        ),
        refusals=[KnownRefusal(403, {"message": "no"}, Forbidden, "import via API")],
        may_be_unknown=True,
        cassettes=CASSETTES / "sendai",
        hosts=("api.send.ai",),
    )
