"""The four vendors as the sink plays them: settings, and the requests that a document costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks._job import Job
from benchmarks._measure import Bench

__all__ = ["BATCHING", "PROVIDERS", "Shape", "settings", "upload_job"]

PROVIDERS = ("geolens", "plangrep", "subworkflow", "sendai")
BATCHING = ("plangrep", "sendai")


@dataclass(frozen=True, slots=True)
class Shape:
    """One request of a document: ``body`` is ``json``, ``file``, ``form`` or nothing."""

    method: str
    path: str
    body: str = ""


SHAPES: dict[str, tuple[Shape, ...]] = {
    "geolens": (
        Shape("POST", "/ingest/upload/presigned", "json"),
        Shape("PUT", "/put/1/1", "file"),
        Shape("POST", "/ingest/upload/presigned/j/complete", "json"),
        Shape("POST", "/ingest/commit/j", "json"),
        Shape("GET", "/jobs/j"),
    ),
    "plangrep": (
        Shape("POST", "/api/open/v1/projects/p/jobs", "json"),
        Shape("POST", "/api/open/v1/jobs/j/files", "form"),
        Shape("POST", "/api/open/v1/jobs/j/uploads/complete", "json"),
        Shape("GET", "/api/open/v1/jobs/j"),
    ),
    "subworkflow": (Shape("POST", "/v1/extract", "form"), Shape("GET", "/v1/jobs/j")),
    "sendai": (
        Shape("POST", "/v2/t/project/p/upload", "form"),
        Shape("GET", "/v2/t/project/p/upload/u"),
    ),
}
"""What Longshore asks for each small document, in this order."""

_OWN = {
    "plangrep": {"project_id": "p", "upload_mode": "form"},
    "sendai": {"team_id": "t", "project_id": "p"},
}


def settings(
    bench: Bench, provider: str, options: str = "", *, secure: bool = False, poll: float = 0.01
) -> dict[str, str]:
    """Return the settings with which a provider talks to the sink, as fast as it may."""
    return {
        "api_key": "key",
        "base_url": f"{bench.sink.url(secure=secure)}/{provider}/{options or '-'}",
        "poll_interval": str(poll),
        "requests_per_minute": "1e9",
        **({"ca_bundle": str(bench.certificate)} if secure else {}),
        **_OWN.get(provider, {}),
    }


def upload_job(
    bench: Bench,
    provider: str,
    told: dict[str, str],
    *,
    paths: list[str],
    at_once: int,
    run: Mapping[str, Any],
    manifest: str = "",
) -> Job:
    """Make the job of an end-to-end upload; ``run`` are options of the run."""
    options: dict[str, object] = {
        "provider": provider,
        "settings": told,
        "paths": paths,
        "run": run,
        "warm": [bench.small_documents(int(run.get("batch_size") or 1))],
    }
    if manifest:
        options["manifest"] = manifest
    return Job(url=bench.sink.url(), at_once=at_once, options=options)
