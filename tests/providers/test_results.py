"""What each vendor read, in the one neutral shape: what it tells of times, pages, credits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from longshore.provider import Flow, Job, Response, Results
from longshore.redaction import redact_text
from longshore_geolens.provider import GeoLens
from longshore_geolens.settings import GeoLensSettings
from longshore_plangrep.results import results_of
from longshore_subworkflow.provider import Subworkflow
from longshore_subworkflow.settings import SubworkflowSettings


def answered(flow: Flow[Results], *replies: dict[str, Any]) -> Results:
    """Answer the requests of a flow in their order and return its result."""
    next(flow)
    for reply in replies[:-1]:
        flow.send(Response.of(reply))
    with pytest.raises(StopIteration) as end:
        flow.send(Response.of(replies[-1]))
    found: Results = end.value.value
    return found


def test_geolens_tells_queue_and_processing_apart() -> None:
    """The id of the data set is its own; times, rows and every kind of warning are there."""
    reply = {
        "status": "complete",
        "dataset_id": "d1",
        "rows_processed": 7,
        "created_at": "2026-08-22T11:59:40Z",
        "started_at": "2026-08-22T12:00:05Z",
        "completed_at": "2026-08-22T12:01:05Z",
        "warnings": [{"kind": "mercator_clip", "rows": 2}],
        "archive_failed": True,
        "temporal_parse_errors": {"temporal_start": "no date"},
    }
    provider = GeoLens(GeoLensSettings(base_url="https://geo.test"))
    found = answered(provider.results(Job(id="j")), reply)
    (document,) = found.documents
    assert (found.times.queued, found.times.processing) == (25.0, 60.0)
    assert (document.fields[0].own, found.usage) == (True, {"rows_processed": 7})
    assert document.warnings == (
        "mercator_clip: rows 2",
        "the original could not be archived",
        "temporal_start could not be read: no date",
    )


def test_geolens_is_read_whatever_it_sends_beside() -> None:
    """A strange time or list of errors costs no result."""
    reply = {"status": "complete", "created_at": 5, "temporal_parse_errors": ["x"]}
    provider = GeoLens(GeoLensSettings(base_url="https://geo.test"))
    assert answered(provider.results(Job(id="j")), reply).times.queued is None


def test_subworkflow_tells_the_jobs_times_and_when_links_end() -> None:
    """Milliseconds become seconds; pages are the greatest column; links say how long they hold."""
    job = {
        "id": "dsj_1", "datasetId": "ds_1", "status": "SUCCESS",
        "createdAt": 1_000_000, "startedAt": 1_004_000, "finishedAt": 1_010_000,
    }  # fmt: skip
    share = {"url": "https://sub.test/v1/share/x?token=t", "expiresAt": 2_000_000}
    items = [{"id": "i", "col": col, "row": "jpg", "share": share} for col in (1, 2)]
    provider = Subworkflow(SubworkflowSettings())
    found = answered(provider.results(Job(id="dsj_1")), {"data": job}, {"data": items})
    (document,) = found.documents
    assert (found.times.queued, found.times.processing) == (4.0, 6.0)
    assert (document.pages, len(document.artifacts)) == (2, 2)
    assert (document.artifacts[0].expires_at, document.artifacts[0].signed) == (2000.0, True)


def test_plangrep_tells_specifications_credits_and_unread_pages() -> None:
    """Sections are fields with their page; usage gives pages and credits; times are the job's."""
    reply: dict[str, Any] = {
        "job": {"createdAt": "2026-01-01T00:00:00Z", "completedAt": "2026-01-01T00:05:00Z"},
        "usage": {"pageCount": 42, "creditsDebited": 384},
        "documents": [
            {
                "fileName": "spec.pdf",
                "failedPageCount": 2,
                "specifications": [
                    {"sectionNumber": "03 30 00", "sectionTitle": "Concrete", "pageStart": 9}
                ],
                "docs": [{"docType": "addendum"}, {}],
            }
        ],
    }
    found = results_of(Response.of(reply), "/j", "https://plangrep.com")
    (document,) = found.documents
    assert (found.pages, found.credits, found.times.total) == (42, 384, 300.0)
    assert [(field.name, field.value) for field in document.fields] == [
        ("section_number", "03 30 00"),
        ("section_title", "Concrete"),
        ("doc_type", "addendum"),
    ]
    assert document.fields[0].place is not None
    assert document.fields[0].place.page == 9
    assert document.warnings == ("2 pages could not be read",)


def test_a_plangrep_download_link_gets_no_key_and_is_never_shown() -> None:
    """Its token is its last segment and needs no key; the artifact route of a job needs one."""
    links = [
        "https://plangrep.com/api/open/v1/artifact-downloads/dl-0123456789abcdef",
        "/api/open/v1/artifact-downloads/dl-0123456789abcdef",
        "https://plangrep.com/api/open/v1/jobs/j/artifact?path=a.png",
    ]
    document: Any = {"artifacts": [{"type": "image", "url": link} for link in links]}
    reply = Response.of({"documents": [document]})
    found = results_of(reply, "/j", "https://plangrep.com").documents[0].artifacts

    assert [artifact.signed for artifact in found] == [True, True, False]
    assert [artifact.url for artifact in found] == [
        links[0], links[0], "/api/open/v1/jobs/j/artifact?path=a.png",
    ]  # fmt: skip
    assert "0123456789" not in redact_text(f"GET {links[0]} and {json.dumps(document)}")
    file = (
        "/data/client-downloads/annual-report-2026.pdf and /data/client-downloads/2026-01-second/x"
    )
    assert redact_text(file) == file
