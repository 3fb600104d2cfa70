"""The four vendors in each of their upload modes, small enough to be played thousands of times."""

from __future__ import annotations

from typing import Any

from longshore.capabilities import Capabilities
from longshore.testing.simulation import Case
from longshore_geolens import GeoLens, GeoLensSettings
from longshore_geolens.sandbox import GeoLensSandbox
from longshore_plangrep import Plangrep, PlangrepSettings
from longshore_plangrep.sandbox import PlangrepSandbox
from longshore_sendai import Sendai, SendaiSettings
from longshore_sendai.sandbox import SendaiSandbox
from longshore_subworkflow import Subworkflow, SubworkflowSettings
from longshore_subworkflow.sandbox import SubworkflowSandbox

PART = 10


def content(seed: str, size: int) -> bytes:
    """Return bytes that differ from those of every other seed."""
    return (f"<{seed}>" * size)[:size].encode()


def twins(ending: str, size: int) -> tuple[tuple[str, bytes], ...]:
    """Return two documents of one name and one size, and different bytes."""
    return ((f"scan{ending}", content("a", size)), (f"scan{ending}", content("b", size)))


def few(ending: str, count: int, size: int) -> tuple[tuple[str, bytes], ...]:
    """Return some documents of different names."""
    return tuple((f"doc{n}{ending}", content(str(n), size)) for n in range(count))


# ------------------------------------------------------------------------------ plangrep


def plangrep(mode: str) -> Plangrep:
    """Make the adapter."""
    settings: dict[str, Any] = {"api_key": "key-123456", "project_name": "x", "upload_mode": mode}
    return Plangrep(PlangrepSettings(base_url=PlangrepSandbox.home, **settings))


PLANGREP_IDLE = frozenset({"provisioning", "awaiting_uploads", "uploading", "cancelled", "expired"})

PLANGREP = (
    Case(
        "plangrep/form",
        lambda: plangrep("form"),
        lambda: PlangrepSandbox({"project_provisioning": 25.0}),
        few(".pdf", 3, 8),
        idle=PLANGREP_IDLE,
        over=frozenset({"cancelled", "expired"}),
    ),
    Case(
        "plangrep/put",
        lambda: plangrep("signed"),
        PlangrepSandbox,
        few(".pdf", 2, 8),
        idle=PLANGREP_IDLE,
        over=frozenset({"cancelled", "expired"}),
    ),
    Case(
        "plangrep/multipart",
        lambda: plangrep("signed"),
        lambda: PlangrepSandbox({"multipart_above": 8, "part_bytes": PART}),
        few(".pdf", 2, 25),
        idle=PLANGREP_IDLE,
        over=frozenset({"cancelled", "expired"}),
    ),
)

# ------------------------------------------------------------------------------- geolens


def geolens() -> GeoLens:
    """Make the adapter."""
    return GeoLens(GeoLensSettings(base_url=GeoLensSandbox.home, api_key="key-123456"))  # type: ignore[arg-type]


GEOLENS_IDLE = frozenset({"pending", "failed"})
GEOLENS_SMALL = {"threshold": 8, "part_size": PART}

GEOLENS = (
    Case(
        "geolens/single",
        geolens,
        GeoLensSandbox,
        few(".csv", 1, 8),
        idle=GEOLENS_IDLE,
        over=GEOLENS_IDLE,  # an upload that nobody commits expires by itself
        may_be_unknown=True,
    ),
    Case(
        "geolens/multipart",
        geolens,
        lambda: GeoLensSandbox(GEOLENS_SMALL),
        few(".csv", 1, 25),
        idle=GEOLENS_IDLE,
        over=GEOLENS_IDLE,  # an upload that nobody commits expires by itself
        may_be_unknown=True,
    ),
    Case(
        "geolens/slow",  # a worker that takes its time: `pending` before and after the commit
        geolens,
        lambda: GeoLensSandbox({"walk": "pending:200,validating:1,complete", "queued_step": False}),
        few(".csv", 1, 8),
        idle=GEOLENS_IDLE,
        over=GEOLENS_IDLE,
        may_be_unknown=True,
    ),
    Case(
        "geolens/twins",
        geolens,
        lambda: GeoLensSandbox(GEOLENS_SMALL),
        twins(".csv", 15),
        idle=GEOLENS_IDLE,
        over=GEOLENS_IDLE,  # an upload that nobody commits expires by itself
        may_be_unknown=True,
    ),
)

# --------------------------------------------------------------------------- subworkflow


class SmallParts(Subworkflow):
    """Subworkflow with parts of ten bytes; the vendor's are of 5 MiB and more."""

    def capabilities(self) -> Capabilities:
        """Return the vendor's limits with tiny parts."""
        own = super().capabilities()
        assert own.parts is not None
        parts = own.parts.model_copy(update={"above": PART, "default": PART, "minimum": 1})
        return own.model_copy(update={"parts": parts})


def subworkflow(**more: Any) -> SmallParts:
    """Make the adapter."""
    settings: dict[str, Any] = {"api_key": "sk_123456", "requests_per_minute": 100_000} | more
    return SmallParts(
        SubworkflowSettings(base_url=SubworkflowSandbox.home, session_threshold=PART, **settings)
    )


SUB = {"part_minimum": 1}

SUBWORKFLOW = (
    Case("subworkflow/single", subworkflow, lambda: SubworkflowSandbox(SUB), few(".pdf", 1, 8)),
    Case("subworkflow/session", subworkflow, lambda: SubworkflowSandbox(SUB), few(".pdf", 1, 25)),
    Case(
        "subworkflow/resend",
        lambda: subworkflow(resend_parts=True),
        lambda: SubworkflowSandbox({**SUB, "append_twice": "replace"}),
        few(".pdf", 1, 25),
    ),
    Case(
        "subworkflow/twins",
        subworkflow,
        lambda: SubworkflowSandbox(SUB),
        twins(".pdf", 25),
        may_be_unknown=True,
    ),
    Case(
        "subworkflow/single twins",
        subworkflow,
        lambda: SubworkflowSandbox(SUB),
        twins(".pdf", 8),
        may_be_unknown=True,
    ),
)

# -------------------------------------------------------------------------------- sendai


def sendai() -> Sendai:
    """Make the adapter."""
    settings: dict[str, Any] = {"api_key": "key-123456", "team_id": "t", "project_id": "p"}
    return Sendai(SendaiSettings(base_url=SendaiSandbox.home, **settings))


SENDAI = (
    Case("sendai/batch", sendai, SendaiSandbox, few(".pdf", 3, 8), may_be_unknown=True),
    Case(
        "sendai/twins",
        sendai,
        lambda: SendaiSandbox({"tasks_in_upload": True}),
        twins(".pdf", 8),
        may_be_unknown=True,
    ),
)

CASES = (*PLANGREP, *GEOLENS, *SUBWORKFLOW, *SENDAI)
