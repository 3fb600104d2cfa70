"""The four vendors in each of their upload modes, small enough to be played thousands of times."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

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

S = TypeVar("S")


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


@cache
def made(kind: Callable[..., S], **settings: Any) -> S:
    """Return the same settings for every process of every history; they are immutable."""
    return kind(**settings)


def plangrep(mode: str, **more: Any) -> Plangrep:
    """Make the adapter."""
    settings: dict[str, Any] = {"api_key": "key-123456", "project_name": "x", "upload_mode": mode}
    settings |= more
    return Plangrep(made(PlangrepSettings, base_url=PlangrepSandbox.home, **settings))


PLANGREP_IDLE = frozenset({"provisioning", "awaiting_uploads", "uploading", "cancelled", "expired"})


def one_project(vendor: PlangrepSandbox) -> list[str]:
    """However often it is begun, there is one project."""
    many = len(vendor.projects) > 1
    return [f"{len(vendor.projects)} projects were made"] if many else []


PLANGREP_ALL: dict[str, Any] = {
    "idle": PLANGREP_IDLE,
    "over": frozenset({"cancelled", "expired"}),
    "also": one_project,
}

PLANGREP = (
    Case(
        "plangrep/form",
        lambda: plangrep("form"),
        lambda: PlangrepSandbox({"project_provisioning": 25.0}),
        few(".pdf", 3, 8),
        changed=lambda: plangrep("form", classification="plans"),
        **PLANGREP_ALL,
    ),
    Case(
        "plangrep/put",
        lambda: plangrep("signed"),
        PlangrepSandbox,
        few(".pdf", 2, 8),
        changed=lambda: plangrep("signed", webhook_url="https://hook.example/x"),
        **PLANGREP_ALL,
    ),
    Case(
        "plangrep/multipart",
        lambda: plangrep("signed"),
        lambda: PlangrepSandbox({"multipart_above": 8, "part_bytes": PART}),
        few(".pdf", 2, 25),
        changed=lambda: plangrep("form"),
        **PLANGREP_ALL,
    ),
    Case(
        "plangrep/blocked",  # for credits, until somebody resumes it; one file fails
        lambda: plangrep("form"),
        PlangrepSandbox,
        (("blocked.pdf", content("b", 8)), ("fail.pdf", content("f", 8)), *few(".pdf", 1, 8)),
        batch_size=2,
        acts=True,
        fails=frozenset({"fail.pdf"}),
        **PLANGREP_ALL,
    ),
    Case(
        "plangrep/fleet",
        lambda: plangrep("signed"),
        lambda: PlangrepSandbox({"multipart_above": 8, "part_bytes": PART}),
        (*few(".pdf", 2, 15), *twins(".pdf", 8)),
        batch_size=2,
        concurrency=5,
        **PLANGREP_ALL,
    ),
)

# ------------------------------------------------------------------------------- geolens


def geolens(**more: Any) -> GeoLens:
    """Make the adapter."""
    settings: dict[str, Any] = {"api_key": "key-123456", **more}
    return GeoLens(made(GeoLensSettings, base_url=GeoLensSandbox.home, **settings))


GEOLENS_IDLE = frozenset({"pending", "failed"})
GEOLENS_SMALL = {"threshold": 8, "part_size": PART}

GEOLENS_ALL: dict[str, Any] = {
    "idle": GEOLENS_IDLE,
    "over": GEOLENS_IDLE,  # an upload that nobody commits expires by itself
    "may_be_unknown": True,
}

GEOLENS = (
    Case(
        "geolens/single",
        geolens,
        GeoLensSandbox,
        few(".csv", 1, 8),
        changed=lambda: geolens(title="another"),
        **GEOLENS_ALL,
    ),
    Case(
        "geolens/multipart",
        geolens,
        lambda: GeoLensSandbox(GEOLENS_SMALL),
        few(".csv", 1, 25),
        **GEOLENS_ALL,
    ),
    Case(
        "geolens/slow",  # a worker that takes its time: `pending` before and after the commit
        lambda: geolens(timeout=10.0, poll_interval=8.0),
        lambda: GeoLensSandbox({"walk": "pending:60,validating:1,complete", "queued_step": False}),
        few(".csv", 1, 8),
        **GEOLENS_ALL,
    ),
    Case(
        "geolens/twins",
        geolens,
        lambda: GeoLensSandbox(GEOLENS_SMALL),
        twins(".csv", 15),
        **GEOLENS_ALL,
    ),
    Case(
        "geolens/failing",  # an import that fails
        geolens,
        lambda: GeoLensSandbox({"can_retry": False}),
        (("fail.csv", content("f", 8)), *few(".csv", 1, 8)),
        fails=frozenset({"fail.csv"}),
        **GEOLENS_ALL,
    ),
    Case(
        "geolens/fleet",
        lambda: geolens(requests_per_minute=10),
        lambda: GeoLensSandbox(GEOLENS_SMALL),
        (*few(".csv", 1, 25), *twins(".csv", 8)),
        concurrency=5,
        **GEOLENS_ALL,
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
    settings |= {"base_url": SubworkflowSandbox.home, "session_threshold": PART}
    return SmallParts(made(SubworkflowSettings, **settings))


SUB = {"part_minimum": 1, "append_twice": "reject"}  # strict: what came twice is noticed


def open_sessions(vendor: SubworkflowSandbox) -> list[str]:
    """The keys of sessions that were neither ended nor aborted."""
    return list(vendor.sessions)


SUBWORKFLOW = (
    Case(
        "subworkflow/single",
        subworkflow,
        lambda: SubworkflowSandbox(SUB),
        few(".pdf", 1, 8),
        changed=lambda: subworkflow(expires_in_days=3),
    ),
    Case(
        "subworkflow/session",
        subworkflow,
        lambda: SubworkflowSandbox(SUB),
        few(".pdf", 1, 25),
        changed=lambda: subworkflow(job_type="vectorize"),
        held=open_sessions,
    ),
    Case(
        "subworkflow/resend",
        lambda: subworkflow(resend_parts=True),
        lambda: SubworkflowSandbox({**SUB, "append_twice": "replace"}),
        few(".pdf", 1, 25),
        held=open_sessions,
    ),
    Case(
        "subworkflow/twins",
        subworkflow,
        lambda: SubworkflowSandbox(SUB),
        twins(".pdf", 25),
        may_be_unknown=True,
        held=open_sessions,
    ),
    Case(
        "subworkflow/single twins",
        subworkflow,
        lambda: SubworkflowSandbox(SUB),
        twins(".pdf", 8),
        may_be_unknown=True,
    ),
    Case(
        "subworkflow/fleet",
        lambda: subworkflow(requests_per_minute=6),
        lambda: SubworkflowSandbox(SUB),
        (*few(".pdf", 1, 25), *twins(".pdf", 8), ("fail.pdf", content("f", 8))),
        fails=frozenset({"fail.pdf"}),
        may_be_unknown=True,
        held=open_sessions,
        concurrency=5,
    ),
)

# -------------------------------------------------------------------------------- sendai


def sendai(**more: Any) -> Sendai:
    """Make the adapter."""
    settings: dict[str, Any] = {"api_key": "key-123456", "team_id": "t", "project_id": "p"} | more
    return Sendai(made(SendaiSettings, base_url=SendaiSandbox.home, **settings))


SENDAI = (
    Case(
        "sendai/batch",
        sendai,
        SendaiSandbox,
        few(".pdf", 3, 8),
        changed=lambda: sendai(upload_name="another"),
        may_be_unknown=True,
    ),
    Case(
        "sendai/twins",
        sendai,
        lambda: SendaiSandbox({"tasks_in_upload": True}),
        twins(".pdf", 8),
        may_be_unknown=True,
    ),
    Case(
        "sendai/review",  # two tasks wait until somebody completes them
        sendai,
        lambda: SendaiSandbox({"tasks_in_upload": True}),
        (("review1.pdf", content("1", 8)), ("review2.pdf", content("2", 8)), *few(".pdf", 1, 8)),
        batch_size=2,
        acts=True,
        may_be_unknown=True,
    ),
    Case(
        "sendai/fleet",
        sendai,
        SendaiSandbox,
        (*few(".pdf", 3, 8), *twins(".pdf", 8)),
        batch_size=2,
        may_be_unknown=True,
    ),
)

CASES = (*PLANGREP, *GEOLENS, *SUBWORKFLOW, *SENDAI)
